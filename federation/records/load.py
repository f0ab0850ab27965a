"""From a data file to encoded records in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import polars as pl

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.records.encode import encode
from federation.records.encoded import Encoded
from federation.records.report import ValidationReport
from federation.records.table import read_table
from federation.records.validate import validate


def load_records(
    path: str | Path,
    catalogue: Catalogue,
    *,
    coverage: Collection[str] | None = None,
    require_target: bool = True,
    quarantine: str | Path | None = None,
    amend: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table,
) -> tuple[Encoded, ValidationReport]:
    """Reads, validates and encodes `path`; bad rows go to the CSV file `quarantine` (written only if there are any).

    `amend` changes the table as it was read, before anything is checked: corrections that the file does not have.
    An earlier `quarantine` is replaced: it is this caller's own. Raises RecordsError where it is `path` itself, and as
    `read_table`, `validate` and `encode` do.
    """
    if quarantine is not None:
        refuse_same_file(Path(quarantine), Path(path))
    checked = validate(amend(read_table(path)), catalogue, require_target=require_target, coverage=coverage)
    report = checked.report
    if quarantine is not None and checked.quarantine.height:
        write_quarantine(checked.quarantine, Path(quarantine), replace=True)
        report = replace(report, quarantine_file=str(quarantine))
    return encode(checked.good, catalogue, coverage=coverage), report


def refuse_same_file(quarantine: Path, *inputs: Path) -> None:
    """Raises RecordsError where `quarantine` is one of the files that are read, by whatever path or link."""
    for path in inputs:
        if path.exists() and quarantine.exists() and quarantine.samefile(path):
            raise RecordsError(str(quarantine), got=f"the file that is read ({path})", expected="a file of its own")


def refuse_taken(quarantine: Path) -> None:
    """Raises RecordsError where `quarantine` cannot be a new file: something is there, or its folder is not."""
    if os.path.lexists(quarantine):
        raise RecordsError(str(quarantine), got="something that exists", expected="a new file: nothing is overwritten")
    if not quarantine.parent.is_dir():
        raise RecordsError(str(quarantine), got=f"no folder {quarantine.parent}", expected="a new file in a folder")


def write_quarantine(rows: pl.DataFrame, path: Path, *, replace: bool = False) -> None:
    """Writes bad rows as CSV, readable by the owner alone: they are records like any other.

    With `replace`, `path` is the caller's own place: its folder is made and an earlier file overwritten. Otherwise
    `path` must be new. Raises RecordsError where it is not, or cannot be written.
    """
    if replace:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    else:
        refuse_taken(path)
    # Exclusive creation holds even where another process makes the file after the look above.
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # an earlier file keeps its mode otherwise
            rows.write_csv(file)
    except OSError as error:
        raise RecordsError(str(path), got=type(error).__name__, expected="a file that can be written") from None
