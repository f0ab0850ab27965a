"""How fast a ledger spends, and when its caps would be reached at that pace. Pure: entries in, figures out.

    for scope in burn_down(entries, caps, now=now):
        scope.spent, scope.pace, scope.exhausted, scope.plans_left

A projection, no promise: plans come in bursts. Under a Renyi filter the capped figure is a constant, which any spending
brings with it, plus a part that adds up over releases. The pace is that of the part that adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from federation.ledger.budget import Amount, Caps, Scope
from federation.ledger.entries import Entry, Kind, format_time
from federation.ledger.renyi import conversion

SHORTEST = timedelta(days=1)  # a pace is not taken over less: the first plan of a ledger takes minutes
BEYOND = timedelta(days=36_525)  # a date further off than this is none


@dataclass(frozen=True)
class Point:
    """The capped figure after a charge."""

    time: datetime
    spent: float


@dataclass(frozen=True)
class BurnDown:
    """One scope's spending under today's cap.

    key         the year, or "" for the lifetime
    points      the capped figure after each charge, oldest first; `spent` is the last of them
    since       from when the pace is taken: the ledger's first charge, or the year's beginning if that is later
    pace        epsilon a day from `since` to now; 0 where nothing was spent
    exhausted   when the cap is reached at that pace; None where it is not: nothing spent, or the year ends before
    plans_left  how many more plans that cost what the last one did; None before the first
    """

    scope: Scope
    key: str
    cap: float
    capped_by: str
    points: tuple[Point, ...]
    since: datetime
    pace: float
    exhausted: datetime | None
    plans_left: int | None

    @property
    def spent(self) -> float:
        return self.points[-1].spent if self.points else 0.0

    @property
    def remaining(self) -> float:
        return max(0.0, self.cap - self.spent)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "scope": self.scope.value,
            "spent": self.spent,
            "remaining": self.remaining,
            "points": [[format_time(point.time), point.spent] for point in self.points],
            "since": format_time(self.since),
            "exhausted": format_time(self.exhausted) if self.exhausted else None,
        }


@dataclass(frozen=True)
class _Charge:
    time: datetime
    run_id: str
    amount: Amount

    @property
    def added(self) -> float:
        """The part of the capped figure that adds up over releases."""
        constant = conversion(self.amount.order, self.amount.delta) if self.amount.order else 0.0
        return max(0.0, self.amount.capped - constant)


def burn_down(entries: Iterable[Entry], caps: Caps, *, now: datetime) -> tuple[BurnDown, ...]:
    """Year (that of `now`, UTC) and lifetime, from verified `entries`, oldest first, under today's `caps`.

    A run is left out: its plan says in advance what it spends. Figures are as recorded: after a cap was changed they
    keep the Renyi order of the old one until the next charge.
    """
    charged = [entry for entry in entries if entry.kind in (Kind.RESERVE, Kind.CARRY)]
    number = now.astimezone(UTC).year
    new_year, begin = datetime(number, 1, 1, tzinfo=UTC), charged[0].time if charged else now
    return (
        _scope(
            Scope.YEAR, f"{number:04d}", charged, caps, max(begin, new_year), now, new_year.replace(year=number + 1)
        ),
        _scope(Scope.LIFETIME, "", charged, caps, begin, now, datetime.max.replace(tzinfo=UTC)),
    )


def _scope(
    scope: Scope, key: str, entries: Sequence[Entry], caps: Caps, since: datetime, now: datetime, end: datetime
) -> BurnDown:
    charges = [
        _Charge(entry.time, entry.release.run_id if entry.release else "", amount)
        for entry in entries
        for amount in entry.amounts
        if (amount.scope, amount.key) == (scope, key)
    ]
    cap = caps.of(scope)
    last = charges[-1].amount if charges else caps.blank(scope, key, caps.delta)
    days = max(now - since, SHORTEST) / timedelta(days=1)
    pace = charges[-1].added / days if charges else 0.0
    return BurnDown(
        scope=scope,
        key=key,
        cap=cap,
        capped_by=last.capped_by,
        points=tuple(Point(charge.time, charge.amount.capped) for charge in charges),
        since=since,
        pace=pace,
        exhausted=_exhausted(cap - last.capped, pace, now, end),
        plans_left=_plans_left(charges, cap),
    )


def _exhausted(remaining: float, pace: float, now: datetime, end: datetime) -> datetime | None:
    if pace <= 0:
        return None
    days = max(0.0, remaining) / pace
    if days > BEYOND / timedelta(days=1):
        return None
    reached = now + timedelta(days=days)
    return reached if reached < end else None


def _plans_left(charges: Sequence[_Charge], cap: float) -> int | None:
    """By what the last run has added."""
    if not charges or not charges[-1].run_id:
        return None
    before, cost = 0.0, 0.0
    for charge in charges:
        if charge.run_id == charges[-1].run_id:
            cost += charge.added - before
        before = charge.added
    return int(max(0.0, cap - charges[-1].amount.capped) / cost + 1e-6) if cost > 0 else None
