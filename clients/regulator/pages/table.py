"""A table of a page: the same rows as HTML, CSV and JSON, filtered the same way. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Value = str | int | float | bool | None
MAX_SHOWN = 500  # rows on a page; downloads have all


@dataclass(frozen=True)
class Column:
    """`number`: right-aligned; `choice`: a filter of the page; `code`: a hash or a name, in a fixed-width font."""

    key: str
    title: str
    number: bool = False
    choice: bool = False
    code: bool = False


@dataclass(frozen=True)
class Row:
    """Values by column key; `red`: why the row is red, empty where it is not."""

    values: Mapping[str, Value]
    red: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "None so far."

    def filtered(self, wanted: Mapping[str, str]) -> Table:
        """The rows whose choice columns have the `wanted` values; columns that it has not are not asked."""
        asked = {column.key: wanted[column.key] for column in self.columns if column.choice and wanted.get(column.key)}
        if not asked:
            return self
        rows = (row for row in self.rows if all(str(row.values.get(key)) == value for key, value in asked.items()))
        return replace(self, rows=tuple(rows))

    @property
    def choices(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """{key: (title, values there are)} of the choice columns."""
        return {
            column.key: (column.title, tuple(sorted({str(row.values.get(column.key)) for row in self.rows})))
            for column in self.columns
            if column.choice
        }

    @property
    def shown(self) -> tuple[Row, ...]:
        return self.rows[:MAX_SHOWN]

    def to_csv(self) -> str:
        """RFC 4180, with the reason for red as its last column."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([column.key for column in self.columns] + ["red"])
        for row in self.rows:
            writer.writerow([_cell(row.values.get(column.key)) for column in self.columns] + [_cell(row.red)])
        return text.getvalue()

    def to_json(self) -> str:
        rows: list[dict[str, Any]] = [
            {**{column.key: row.values.get(column.key) for column in self.columns}, "red": row.red} for row in self.rows
        ]
        return json.dumps({"table": self.name, "caption": self.caption, "rows": rows}, allow_nan=False)


def _cell(value: Value) -> Value:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
