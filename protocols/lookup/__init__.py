"""The private score query: epochs, tickets and engines."""
