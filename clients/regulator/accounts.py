"""What each ledger charged to each of its runs, years and lifetime: events for accountants, a curve for every entry.

Steps 7 and 10 keep one such sum; it is folded from mechanisms alone and believes no amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from clients.regulator.renyi_curve import Curve, divergence
from federation.ledger.book import keys_of
from federation.ledger.budget import Scope
from federation.ledger.charges import composition, unit
from federation.ledger.entries import Entry, Kind
from federation.ledger.renyi import ORDERS
from federation.privacy.event import Event

Name: TypeAlias = tuple[str, str, Scope, str]  # institution, key id, scope, which run or year


@dataclass
class Charged:
    """Everything charged to one account so far."""

    curve: Curve = field(default_factory=lambda: np.zeros(len(ORDERS)))
    steps: Counter[Event] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        self.curve = self.curve + divergence(event.sampling_rate, event.noise_multiplier) * event.steps
        self.steps[unit(event)] += event.steps

    @property
    def events(self) -> tuple[Event, ...]:
        return composition(self.steps)


class Charges:
    """All accounts of all ledgers."""

    def __init__(self) -> None:
        self.accounts: dict[Name, Charged] = {}

    def take(self, entry: Entry) -> None:
        """Charge a reservation, or what a ledger carries on; other entries charge nothing."""
        for scope, key, event in _charged(entry):
            name = (entry.institution, entry.key_id, scope, key)
            account = self.accounts.get(name)
            if account is None:
                account = self.accounts[name] = Charged()
            account.add(event)

    def of(self, entry: Entry, scope: Scope, key: str) -> Charged:
        return self.accounts.get((entry.institution, entry.key_id, scope, key)) or Charged()


def _charged(entry: Entry) -> Iterator[tuple[Scope, str, Event]]:
    if entry.kind is Kind.RESERVE and entry.release is not None:
        for scope, key in keys_of(entry.release.run_id, entry.time).items():
            yield scope, key, entry.release.event
    elif entry.carry is not None:
        for year, events in dict(entry.carry.years).items():
            for event in events:
                yield Scope.YEAR, year, event
                yield Scope.LIFETIME, "", event
