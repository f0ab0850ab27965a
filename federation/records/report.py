"""What a validation found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Finding:
    """One value that breaks a rule. `row` counts records from 1 (the header is not counted)."""

    row: int
    column: str
    value: str | None
    rule: str


@dataclass(frozen=True)
class ValidationReport:
    """Counts of one file against one catalogue; rows_read == rows_good + rows_quarantined always.

    broken       (column, rule) -> rows that break it; a row may break several.
    examples     the first few findings per column and rule. Their values are records: they stay on this machine.
    missing      column -> missing values among good rows; special: column -> code name -> count among good rows.
    ignored      columns of the file that the catalogue does not know; they are not read.
    not_held     features that the file does not give.
    """

    catalogue: str
    rows_read: int
    rows_good: int
    rows_quarantined: int
    broken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    examples: tuple[Finding, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    special: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    quarantine_file: str | None = None

    def as_dict(self, *, show_values: bool = False) -> dict[str, object]:
        """Plain values. Without `show_values` no value of any record is in it."""
        return {
            "catalogue": self.catalogue,
            "rows": {"read": self.rows_read, "good": self.rows_good, "quarantined": self.rows_quarantined},
            "broken": [{"column": c, "rule": r, "rows": n} for (c, r), n in self.broken.items()],
            "examples": [_finding(item, show_values) for item in self.examples],
            "missing": dict(self.missing),
            "special": {column: dict(counts) for column, counts in self.special.items()},
            "ignored_columns": list(self.ignored),
            "features_not_held": list(self.not_held),
            "quarantine_file": self.quarantine_file,
        }

    def to_json(self, *, show_values: bool = False) -> str:
        """`as_dict` as JSON text. Values are for the institution's own eyes: leave them out of what is sent."""
        return json.dumps(self.as_dict(show_values=show_values), indent=2, ensure_ascii=False)


def _finding(item: Finding, show_values: bool) -> dict[str, object]:
    shown: dict[str, object] = {"row": item.row, "column": item.column, "rule": item.rule}
    return {**shown, "value": item.value} if show_values else shown


@dataclass(frozen=True)
class Validated:
    """Good rows with typed columns, bad rows as they were read, and the report.

    good         declared columns only: numbers as Float64, text as String, missing as null, special codes kept.
    quarantine   `row` (from 1), `reasons` ("column: rule; ..."), then every column of the file as read.
    """

    good: pl.DataFrame
    quarantine: pl.DataFrame
    report: ValidationReport
