"""Catalogues that come with fedscore, as TOML files beside this one."""
