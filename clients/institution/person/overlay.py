"""Corrections and erasures over the institution's table, which itself is never changed. Pure.

    overlay = Overlay.of(journal.steps())
    overlay.apply(table, "person_id", tags)       # rows of erased people are gone, corrected cells have their new text

What a person had corrected holds for every row of theirs, in whatever file comes, until it is corrected again. An
erasure ends the corrections before it and holds for ever: whoever should be read again must come under a new case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from clients.institution.person.journal_store import Done
from federation.errors import RecordsError
from federation.oversight.cases import Event

Tags = Callable[[Iterable[str | None]], list[str]]
Cells = Mapping[str, str | None]


@dataclass(frozen=True)
class Overlay:
    """By tag: corrected cells, column -> text as a data file would have it (None: missing); and who was erased."""

    corrected: Mapping[str, Cells] = field(default_factory=dict, repr=False)
    erased: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, steps: Iterable[Done]) -> Overlay:
        """The overlay after `steps`. Raises RecordsError where one that is in force lost its content."""
        corrected: dict[str, dict[str, str | None]] = {}
        erased: set[str] = set()
        for done in steps:
            event, subject = done.step.event, done.subject
            if event not in (Event.CORRECTED, Event.ERASED) or (done.content is None and subject is None):
                continue
            if done.content is None or subject is None:
                where = f"step {done.step.sequence}"
                raise RecordsError(where, got="no content", expected="what was corrected or erased")
            if event is Event.ERASED:
                corrected.pop(subject, None)
                erased.add(subject)
            elif subject not in erased:
                corrected[subject] = corrected.get(subject, {}) | dict(done.content["values"])
        return cls(corrected, frozenset(erased))

    def __bool__(self) -> bool:
        return bool(self.corrected or self.erased)

    def apply(self, table: pl.DataFrame, column: str | None, tags: Tags) -> pl.DataFrame:
        """The table as it counts. `column`: where identifiers stand. Raises RecordsError where it cannot be applied."""
        if not self:
            return table
        if column is None or column not in table.columns:
            raise RecordsError("corrections", got="a table without identifiers", expected=f"the column {column}")
        named = tags(table[column].cast(pl.String).str.strip_chars().to_list())
        table = self._corrected(table, named)
        if not self.erased:
            return table
        return table.filter(pl.Series([tag not in self.erased for tag in named], dtype=pl.Boolean))

    def _corrected(self, table: pl.DataFrame, named: list[str]) -> pl.DataFrame:
        cells: dict[str, dict[int, str | None]] = {}
        for row, tag in enumerate(named):
            for name, text in self.corrected.get(tag, {}).items():
                if name in table.columns:  # a table that does not have it says nothing wrong
                    cells.setdefault(name, {})[row] = text
        return table.with_columns(_set(table, name, places) for name, places in cells.items())


def _set(table: pl.DataFrame, name: str, places: Mapping[int, str | None]) -> pl.Series:
    try:
        values: Any = pl.Series(list(places.values()), dtype=pl.String).cast(table[name].dtype)
    except pl.exceptions.PolarsError:  # its message may quote the value
        got = "a corrected value of another type"
        raise RecordsError(f"column {name}", got=got, expected=str(table[name].dtype)) from None
    return table[name].scatter(list(places), values)
