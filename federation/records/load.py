"""From a data file to encoded records in one call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import polars as pl

from federation.catalogue import Catalogue
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
) -> tuple[Encoded, ValidationReport]:
    """Reads, validates and encodes `path`; bad rows go to the CSV file `quarantine` (written only if there are any).

    Raises RecordsError as `read_table`, `validate` and `encode` do.
    """
    checked = validate(read_table(path), catalogue, require_target=require_target, coverage=coverage)
    report = checked.report
    if quarantine is not None and checked.quarantine.height:
        write_quarantine(checked.quarantine, Path(quarantine))
        report = replace(report, quarantine_file=str(quarantine))
    return encode(checked.good, catalogue, coverage=coverage), report


def write_quarantine(rows: pl.DataFrame, path: Path) -> None:
    """Writes bad rows as CSV, readable by the owner alone: they are records like any other."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.chmod(0o600)
    rows.write_csv(path)
