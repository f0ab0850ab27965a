"""Who joins a federation: the institution (and, beside it, the regulator)."""
