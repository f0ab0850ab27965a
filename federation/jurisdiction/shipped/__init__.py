"""Profiles that come with fedscore, one TOML file each."""
