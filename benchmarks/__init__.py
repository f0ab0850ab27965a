"""Benchmarks: `python -m benchmarks NAME [--json FILE]`. Every module here with `add_arguments` and `run` is one."""
