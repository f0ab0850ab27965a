"""What a ledger says, gathered for reading: by run, by scope, and what was refused. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from federation.ledger.book import Book
from federation.ledger.budget import Amount, Caps, Scope
from federation.ledger.burndown import BurnDown, burn_down
from federation.ledger.entries import Entry, Kind, SignedEntry, format_time
from federation.ledger.release import ADJACENCY, UNIT, Phase, Release
from federation.ledger.succession import Carried, Successor
from federation.privacy.event import Event


@dataclass(frozen=True)
class RunLine:
    """The releases of one phase of one run: when, which rounds, by which mechanism, and what became of them.

    `event` is the mechanism of one release. Every one of `reserved` is charged: those `answered` handed an update out,
    `failed` and `unknown` did not (as far as is known), the rest are open.
    """

    run_id: str
    phase: Phase
    family: str
    first: datetime
    last: datetime
    rounds: tuple[int, int]
    event: Event
    nominal_records: int
    vintage: str
    plan_hash: str
    reserved: int
    answered: int
    failed: int
    unknown: int
    amount: Amount

    def to_json(self) -> dict[str, Any]:
        times = {"first": format_time(self.first), "last": format_time(self.last)}
        return {**self.__dict__, **times, "event": self.event.to_json(), "amount": self.amount.to_json()}


@dataclass(frozen=True)
class RefusalLine:
    """Something that was refused, and so computed nothing."""

    time: datetime
    run_id: str
    code: str
    where: str
    got: str
    expected: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "time": format_time(self.time)}


@dataclass(frozen=True)
class Summary:
    """A ledger for reading. `amounts` are beside today's caps; every epsilon is for `unit` under `adjacency`.

    `deltas`: the sum of the deltas of all runs, by year and, under "", in the lifetime. `burn_down`: year and lifetime.
    `carried`: what an earlier ledger had spent, counted here; `successor`: who carries on, where this ledger has ended.
    """

    institution: str
    key_id: str
    head: str
    entries: int
    runs: tuple[RunLine, ...]
    amounts: tuple[Amount, ...]
    refusals: tuple[RefusalLine, ...]
    deltas: dict[str, float]
    burn_down: tuple[BurnDown, ...]
    carried: Carried | None = None
    successor: Successor | None = None
    adjacency: str = ADJACENCY
    unit: str = UNIT

    def to_json(self) -> dict[str, Any]:
        lists = {
            "runs": [line.to_json() for line in self.runs],
            "amounts": [_account(amount) for amount in self.amounts],
            "refusals": [line.to_json() for line in self.refusals],
            "burn_down": [scope.to_json() for scope in self.burn_down],
            "carried": self.carried.to_json() if self.carried else None,
            "successor": self.successor.to_json() if self.successor else None,
        }
        return {**self.__dict__, **lists}


def summarise(entries: Iterable[SignedEntry], book: Book, *, caps: Caps, now: datetime) -> Summary:
    """The summary of the `entries` that `book` has verified, oldest first, beside the `caps` that hold `now` (UTC)."""
    listed = [signed.entry for signed in entries]
    return Summary(
        institution=book.institution,
        key_id=book.key.key_id,
        head=book.head,
        entries=len(listed),
        runs=_run_lines(listed),
        amounts=_amounts(listed, caps, now),
        refusals=tuple(_refusal_line(entry) for entry in listed if entry.kind is Kind.REFUSE),
        deltas={**{year: book.deltas(Scope.YEAR, year) for year in book.years()}, "": book.deltas(Scope.LIFETIME, "")},
        burn_down=burn_down(listed, caps, now=now),
        carried=listed[0].carry if listed else None,
        successor=listed[-1].successor if listed else None,
    )


def _account(amount: Amount) -> dict[str, Any]:
    return {**amount.to_json(), "capped_by": amount.capped_by, "remaining": amount.remaining}


def _run_lines(entries: list[Entry]) -> tuple[RunLine, ...]:
    groups: dict[tuple[str, Phase, Event], list[Entry]] = {}
    for entry in entries:
        if entry.release is not None and entry.kind is not Kind.REFUSE:
            release = entry.release
            groups.setdefault((release.run_id, release.phase, release.event), []).append(entry)
    return tuple(_run_line(group) for group in groups.values())


def _run_line(group: list[Entry]) -> RunLine:
    releases = [entry.release for entry in group if entry.release is not None]
    last = releases[-1]
    outcomes = Counter(_outcome(entry) for entry in group)
    rounds = [release.round for release in releases]
    return RunLine(
        run_id=last.run_id,
        phase=last.phase,
        family=last.family,
        first=group[0].time,
        last=group[-1].time,
        rounds=(min(rounds), max(rounds)),
        event=last.event,
        nominal_records=last.nominal_records,
        vintage=last.vintage,
        plan_hash=last.plan_hash,
        reserved=outcomes["reserved"],
        answered=outcomes["answered"],
        failed=outcomes["failed"],
        unknown=outcomes["unknown"],
        amount=_run_amount(group[-1], last),
    )


def _outcome(entry: Entry) -> str:
    if entry.kind is Kind.SPEND:
        return "answered" if entry.error is None else "failed"
    return "reserved" if entry.kind is Kind.RESERVE else entry.kind.value


def _run_amount(entry: Entry, release: Release) -> Amount:
    """The run's amount after its last entry of this kind; the book has seen that there is one."""
    return next(a for a in entry.amounts if (a.scope, a.key) == (Scope.RUN, release.run_id))


def _amounts(entries: list[Entry], caps: Caps, now: datetime) -> tuple[Amount, ...]:
    """The last amount of every run and year that was charged, and of this year and the lifetime in any case."""
    latest = {(a.scope, a.key): a for entry in entries for a in entry.amounts if a.pld > 0}
    for scope, key in ((Scope.YEAR, f"{now.year:04d}"), (Scope.LIFETIME, "")):
        latest.setdefault((scope, key), caps.blank(scope, key, caps.delta))
    order = list(Scope)
    capped = [replace(amount, cap=caps.of(amount.scope)) for amount in latest.values()]
    return tuple(sorted(capped, key=lambda amount: (order.index(amount.scope), amount.key)))


def _refusal_line(entry: Entry) -> RefusalLine:
    refusal = entry.refusal
    assert refusal is not None  # noqa: S101 (the book has seen that a refusal says why)
    return RefusalLine(entry.time, refusal.run_id, refusal.code, refusal.where, refusal.got, refusal.expected)
