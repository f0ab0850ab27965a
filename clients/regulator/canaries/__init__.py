"""Canary subjects: records planted with members, and whether the sums that come back are those that were planted."""
