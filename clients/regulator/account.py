"""What a trail adds up to: who spent what on which runs, what was refused, published and audited. Pure.

An account is a summary for people (the report, the deployment description). It judges nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clients.regulator.line import Line
from federation.ledger.budget import Amount, Scope
from federation.ledger.charges import unit
from federation.ledger.entries import Entry, Kind
from federation.ledger.release import Release
from federation.privacy.event import Event

AccountKey = tuple[Scope, str]
MAX_LISTED = 1000  # refusals kept one by one; the rest is counted


@dataclass
class RunAccount:
    """One institution in one run."""

    release: Release  # the last one
    amount: Amount | None = None
    reserved: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass
class LedgerAccount:
    """One ledger: an institution under one key."""

    institution: str
    key_id: str
    entries: int = 0
    first: datetime | None = None
    last: datetime | None = None
    amounts: dict[AccountKey, Amount] = field(default_factory=dict)
    runs: dict[str, RunAccount] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    mechanisms: set[Event] = field(default_factory=set)  # each as one step
    retired: bool = False

    def to_json(self) -> dict[str, Any]:
        amounts = [amount.to_json() for _, amount in sorted(self.amounts.items())]
        refusals = dict(sorted(self.refusals.items()))
        return {
            "institution": self.institution,
            "key_id": self.key_id,
            "entries": self.entries,
            "amounts": amounts,
            "refusals": refusals,
        }

    def take(self, entry: Entry) -> None:
        self.entries += 1
        self.first, self.last = self.first or entry.time, entry.time
        if entry.kind in (Kind.RESERVE, Kind.CARRY):
            self.amounts |= {(amount.scope, amount.key): amount for amount in entry.amounts}
        if entry.kind is Kind.REFUSE and entry.refusal is not None:
            self.refusals[entry.refusal.code] += 1
        if entry.carry is not None:
            self.mechanisms |= {unit(event) for events in dict(entry.carry.years).values() for event in events}
        if entry.release is not None:
            self._release(entry, entry.release)
        self.retired = entry.kind is Kind.RETIRE

    def _release(self, entry: Entry, release: Release) -> None:
        run = self.runs.setdefault(release.run_id, RunAccount(release))
        run.release = release
        if entry.kind is Kind.RESERVE:
            run.reserved += 1
            run.amount = entry.amount(Scope.RUN)
            self.mechanisms.add(unit(release.event))
        elif entry.kind is Kind.SPEND:
            run.outcomes["answered" if entry.error is None else "failed"] += 1
        elif entry.kind is Kind.UNKNOWN:
            run.outcomes["unknown"] += 1


@dataclass
class Account:
    """The whole trail."""

    ledgers: dict[tuple[str, str], LedgerAccount] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    published: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    audits: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    replays: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    asked: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)  # place, leaf hash, audit requests
    drawn: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)  # the same of draws
    rounds: Counter[tuple[str, str]] = field(default_factory=Counter)
    plans: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """One entry; lines must come in log order."""
        self.kinds[line.kind or "unreadable"] += 1
        if line.signed is not None:
            entry = line.signed.entry
            key = (entry.institution, entry.key_id)
            self.ledgers.setdefault(key, LedgerAccount(*key)).take(entry)
        elif line.content is not None:
            self._statement(line, line.content)

    def _statement(self, line: Line, content: Mapping[str, Any]) -> None:
        if line.kind in ("model", "evaluation"):
            self.published.append((line.kind, content))
        elif line.kind == "audit-result":
            self.audits.append((line.index, content))
        elif line.kind == "replay-result":
            self.replays.append((line.index, content))
        elif line.kind == "audit-request":
            self.asked.append((line.index, line.leaf.hex(), content))
        elif line.kind == "draw":
            self.drawn.append((line.index, line.leaf.hex(), content))
        elif line.kind == "round":
            self.rounds[str(content.get("run_id")), str(content.get("phase"))] += 1
        elif line.kind == "plan" and isinstance(content.get("plan"), dict):
            self.plans[str(content["plan"].get("run_id"))] = content["plan"]

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """From the first to the last ledger entry (UTC), by the institutions' own clocks."""
        firsts = [ledger.first for ledger in self.ledgers.values() if ledger.first]
        lasts = [ledger.last for ledger in self.ledgers.values() if ledger.last]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    def to_json(self) -> dict[str, Any]:
        """For machines: entries by kind, what every ledger states of every run, year and lifetime, audits, replays."""
        return {
            "entries": dict(sorted(self.kinds.items())),
            "ledgers": [self.ledgers[key].to_json() for key in sorted(self.ledgers)],
            "audits": [{**content, "index": index} for index, content in self.audits],
            "replays": [{**content, "index": index} for index, content in self.replays],
            "audit_requests": [{**content, "index": index} for index, _, content in self.asked],
            "draws": [{**content, "index": index} for index, _, content in self.drawn],
        }
