"""A data file before it is used: the whole of it is held against the catalogue, and must have good records."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError, RecordsError


@dataclass(frozen=True)
class DataFile:
    """What a file can give: how many good records, of how many rows, and which features."""

    records: int
    rows: int
    features: tuple[str, ...]


def look_at(
    data: Path, catalogue: Catalogue, *, without: frozenset[str] = frozenset(), features: Collection[str] | None = None
) -> DataFile:
    """The file with `features` of the catalogue; None: all that it has, less `without`.

    Raises RecordsError (a file that cannot be read, a prohibited or missing column, no good record) or
    ConfigurationError (a feature that the catalogue does not have, or none left).
    """
    from federation.records import read_table, refuse_empty, refuse_prohibited, validate

    unknown = sorted(without.difference(catalogue.feature_names))
    if unknown:
        raise ConfigurationError("--without", got=", ".join(unknown), expected="features of the catalogue")
    frame = read_table(data)
    refuse_prohibited(frame.columns, catalogue)
    held = tuple(features or (name for name in catalogue.held(frame.columns) if name not in without))
    if not held:
        raise ConfigurationError(str(data), got="no feature of the catalogue", expected="at least one")
    try:
        report = validate(frame, catalogue, coverage=held).report
    except RecordsError as error:
        raise RecordsError(f"{data}: {error.where}", got=error.got, expected=error.expected) from None
    refuse_empty(report, str(data))
    return DataFile(report.rows_good, report.rows_read, held)
