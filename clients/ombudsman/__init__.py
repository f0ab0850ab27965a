"""The ombudsman: the second holder of the oversight key, on whom the regulator depends to learn anything."""
