"""The institution's records as they count: its file, with the corrections and without the people that were erased.

    load_records(home.data, catalogue, ..., amend=amendments(home))
    table = counting_table(home)

Whoever trains, scores, publishes or replays reads records through here. A change that is made while an epoch is open is
not in that epoch: its snapshot was taken when it began, and its secrets are bound to it (docs/person.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from clients.institution.home import InstitutionHome
from clients.institution.person.journal_store import Done, Journal
from clients.institution.person.overlay import Overlay
from clients.institution.person.pseudonym import SubjectTags
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import RecordsError
from federation.oversight.cases import Event
from federation.records import read_table

MOST_BACK = 32  # corrections that a replay takes back: each costs a reading of the file


def _steps(home: InstitutionHome) -> tuple[Done, ...]:
    if not Journal.there(home):
        return ()
    journal = Journal.open(home)
    try:
        return journal.steps()
    finally:
        journal.close()


def amendments(home: InstitutionHome, catalogue: Catalogue | None = None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What `load_records` does to the table of `home` before it is checked.

    Raises ConfigurationError for a journal that was tampered with, or whose key is lost.
    """
    steps = _steps(home)
    overlay = Overlay.of(steps)
    if not overlay:
        return lambda table: table
    column, tags = (catalogue or load_catalogue(home.catalogue)).subject, SubjectTags.of(home, steps)
    return lambda table: overlay.apply(table, column, tags.tags)


def amendments_back(home: InstitutionHome, catalogue: Catalogue) -> Iterator[Callable[[pl.DataFrame], pl.DataFrame]]:
    """`amendments`, then the same without the last correction, without the last two, and so on: with every erasure."""
    steps = _steps(home)
    corrections = [place for place, done in enumerate(steps) if done.step.event is Event.CORRECTED]
    column, tags = catalogue.subject, SubjectTags.of(home, steps).tags if steps else None
    for back in range(min(len(corrections), MOST_BACK) + 1):
        gone = set(corrections[len(corrections) - back :])
        overlay = Overlay.of(done for place, done in enumerate(steps) if place not in gone)
        yield lambda table, overlay=overlay: table if tags is None else overlay.apply(table, column, tags)  # type: ignore[misc]


def counting_rows(home: InstitutionHome, path: Path, column: str, subject: str) -> pl.DataFrame:
    """The rows of `path` whose `column` says `subject`, as they count. What counts of a row depends on that row alone,
    so the others of a large file are not tagged. Raises RecordsError for a file without the column.
    """
    table = read_table(path)
    if column not in table.columns:
        raise RecordsError(f"column {column}", got="no such column in the file", expected="the subject identifier")
    return amendments(home)(table.filter(pl.col(column).cast(pl.String).str.strip_chars() == subject.strip()))


def counting_table(home: InstitutionHome, path: Path | None = None) -> pl.DataFrame:
    """The table in `path` (the home's own file), as it counts."""
    return amendments(home)(read_table(path or home.data))
