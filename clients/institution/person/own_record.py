"""A person's own record as it is held, in the catalogue's words, and the score that it gives here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from clients.institution.person.desk import Desk
from clients.institution.scoring import open_scorer, score_subject
from federation.catalogue import Catalogue
from federation.catalogue.document import Column
from federation.errors import RecordsError
from federation.scorecard import Scaling, SubjectScore


@dataclass(frozen=True)
class Item:
    """One value of the record: what it is called, what it says, and what the file said where it was corrected."""

    column: str
    title: str
    role: str
    value: str | None = field(repr=False)
    text: str = field(repr=False)
    corrected_from: str | None = field(default=None, repr=False)
    corrected: bool = False

    def to_json(self) -> dict[str, Any]:
        told = {"column": self.column, "title": self.title, "role": self.role, "value": self.value, "text": self.text}
        return told | ({"corrected": True, "file_says": self.corrected_from} if self.corrected else {})


@dataclass(frozen=True)
class OwnRecord:
    """What the data file holds about one person, as it counts; `erased`: the file has it, and nothing reads it.

    further  rows of the same person beside the first: they are held as well, though training and scores read one
    """

    items: tuple[Item, ...] = field(repr=False)
    held: bool
    erased: bool
    rows: int
    further: tuple[tuple[Item, ...], ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "held": self.held,
            "erased": self.erased,
            "rows": self.rows,
            "items": [item.to_json() for item in self.items],
            "further": [[item.to_json() for item in row] for row in self.further],
        }


def own_record(desk: Desk, subject: str) -> OwnRecord:
    """The record of `subject`. Raises IdentifierError, RecordsError or ConfigurationError."""
    filed, counting = desk.rows(subject)
    if not counting.height:
        return OwnRecord((), held=False, erased=bool(filed.height), rows=0)
    of = (tuple(_items(filed[at], counting[at], desk.catalogue)) for at in range(counting.height))
    first, *further = of
    return OwnRecord(first, held=True, erased=False, rows=counting.height, further=tuple(further))


@dataclass(frozen=True)
class OwnScore:
    """The score, None where no model is named or the record breaks a rule of the catalogue: `problem` says which."""

    score: SubjectScore | None
    problem: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any] | None:
        if self.problem:
            return {"outcome": "unusable", "score": None, "problem": self.problem}
        return None if self.score is None else self.score.to_json()


def own_score(desk: Desk, subject: str, model: Path | None, evaluation: Path | None) -> OwnScore:
    """The score under the published model, with parts and reasons. Whoever has a record that cannot be scored is shown
    why: it is theirs to dispute.
    """
    home = desk.home
    chosen = model or (home.path / home.settings.lookup.model if home.settings.lookup.model else None)
    if chosen is None:
        return OwnScore(None)
    _, counting = desk.rows(subject)
    filed = str(counting[str(desk.catalogue.subject)][0]) if counting.height else subject  # as the file spells it
    try:
        return OwnScore(score_subject(home, open_scorer(home, chosen, evaluation, Scaling()), home.data, filed))
    except RecordsError as error:
        if "the record of subject" not in error.where:
            raise
        return OwnScore(None, f"the record breaks a rule of the catalogue: {error.got}")


def _items(filed: pl.DataFrame, counting: pl.DataFrame, catalogue: Catalogue) -> Iterator[Item]:
    for name in counting.columns:
        column, value, before = catalogue.columns.get(name), _text(counting[name][0]), _text(filed[name][0])
        if column is None:
            yield Item(name, name, "not used", value, value or "")
            continue
        title = column.title or name.replace("_", " ")
        yield Item(name, title, str(column.role), value, in_words(column, value), before, value != before)


def in_words(column: Column, value: str | None) -> str:
    """What a value says: the label of a code, the number with its unit, "not known" for a missing one."""
    if value is None or not value.strip() or value.strip() in map(str, column.missing):
        return "not known"
    for special in column.special:
        if _same(value, special.code):
            return special.text
    label = column.labels.get(value.strip())
    if label is None and column.numeric:
        label = next((text for code, text in column.labels.items() if _same(value, code)), None)
    return label or (f"{value} {column.unit}" if column.unit else value)


def _same(value: str, code: object) -> bool:
    try:
        return float(value) == float(str(code))
    except ValueError:
        return value.strip() == str(code)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
