"""Tables out: readable by their owner alone, and whole or not there at all."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from federation.errors import ConfigurationError

SUFFIXES = (".parquet", ".csv")


def check_output(out: Path) -> None:
    """Raises ConfigurationError for another format, or a folder that is not there: before anything is spent on it."""
    if not out.name.endswith(SUFFIXES):
        raise ConfigurationError("out", got=out.name, expected=f"a file ending in {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise ConfigurationError("out", got=str(out.parent), expected="a folder that exists")


def write_output(frame: pl.DataFrame, out: Path) -> None:
    """Replaces `out` in one step. Raises ConfigurationError for a place that cannot be written."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        if out.name.endswith(".csv"):
            frame.write_csv(partial)
        else:
            frame.write_parquet(partial)
        partial.replace(out)
    except OSError as error:
        raise ConfigurationError(str(out), got=error.strerror, expected="a path that can be written") from error
