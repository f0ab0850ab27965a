"""The private score query at an institution: its part in epochs, its duties to other queriers, its own questions."""
