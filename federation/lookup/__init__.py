"""What programs need around the private score query."""
