"""Retention clocks: what has been kept as long as the jurisdiction profile says, and the sweep that ends it.

What belongs to this program is swept: inquiries that were made, files of closed cases. Records lie in the institution's
own file, which is never changed here: those that are due are counted.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from clients.institution.person.case import Case
from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import asked_store
from clients.institution.person.notice_store import NoticeStore
from clients.institution.person.overlay import Overlay
from clients.institution.person.records import counting_table
from federation.catalogue.categories import Category
from federation.jurisdiction import Period, Retained
from federation.oversight.cases import Event

_QUARTER = re.compile(r"(\d{4})-?Q([1-4])")
_IN_FORCE = frozenset({Event.CORRECTED, Event.ERASED})


@dataclass(frozen=True)
class Due:
    """So many things of a kind were kept longer than `years`; `swept`: whether they are gone now."""

    what: str
    count: int
    years: int
    counted_from: str
    source: str
    swept: bool
    ours: bool = True

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def sweep(desk: Desk, today: date, *, do: bool) -> tuple[Due, ...]:
    """What is due `today`; with `do`, whatever is this program's is erased."""
    return (_inquiries(desk, today, do), _cases(desk, today, do), _records(desk, today))


def _inquiries(desk: Desk, today: date, do: bool) -> Due:
    rule, store = desk.profile.kept(Retained.INQUIRIES), asked_store(desk.home)
    first = Period(years=rule.years).before(today)
    limit = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    count = 0 if store is None else store.forget(limit) if do else store.older(limit)
    if do:
        NoticeStore.open(desk.home).forget(limit)
    return Due("inquiries made here", count, rule.years, rule.counted_from, rule.source, do)


def _cases(desk: Desk, today: date, do: bool) -> Due:
    rule = desk.profile.kept(Retained.CASES)
    erased = Overlay.of(desk.journal.steps()).erased
    closed = [case for case in desk.cases() if rule.until(_closed(case) or today) < today]
    left = [steps for case in closed if (steps := _left(case, erased))]
    if do and left:
        sequences = sorted(sequence for steps in left for sequence in steps)
        desk.journal.purge(sequences, secrets.token_hex(16), day=today)
    return Due("files of closed cases", len(left), rule.years, rule.counted_from, rule.source, do)


def _closed(case: Case) -> date | None:
    return case.told or (case.decided if case.result is Event.WITHDRAWN else None)


def _left(case: Case, erased: frozenset[str]) -> list[int]:
    """Steps whose content can go. What is in force stays, and what it says: an erasure, and a correction unless the
    person was erased, when it would keep the values that nobody reads any more.
    """
    stays = {Event.ERASED} if case.subject in erased else _IN_FORCE
    return [d.step.sequence for d in case.steps if d.content is not None and d.step.event not in stays]


def _records(desk: Desk, today: date) -> Due:
    rule = desk.profile.kept(Retained.ADVERSE)
    table, limit = counting_table(desk.home), Period(years=rule.years).before(today)
    names = [n for n, c in desk.catalogue.columns.items() if c.category is Category.VINTAGE and n in table.columns]
    days = [_day(text) for text in table[names[0]].cast(pl.String).to_list()] if names else []
    count = sum(day is not None and day < limit for day in days)
    return Due(
        "records observed so long ago, in the institution's own file", count, rule.years, rule.counted_from,
        rule.source, False, ours=False,
    )  # fmt: skip


def _day(text: str | None) -> date | None:
    """The last day of a quarter such as 2025Q3, or an ISO day."""
    quarter = _QUARTER.fullmatch((text or "").strip())
    if quarter:
        month = 3 * int(quarter[2])
        return Period(days=1).before(Period(months=1).after(date(int(quarter[1]), month, 1)))
    try:
        return date.fromisoformat((text or "").strip()[:10])
    except ValueError:
        return None
