"""What each ledger charged to each run, year and lifetime, folded from mechanisms alone: amounts are not believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from federation.ledger.budget import Scope, keys_of
from federation.ledger.charges import composition, unit
from federation.ledger.entries import Entry, Kind
from federation.privacy.event import Event

Name: TypeAlias = tuple[str, str, Scope, str]  # institution, key id, scope, which run or year


class Charges:
    """All accounts of all ledgers: steps of each mechanism."""

    def __init__(self) -> None:
        self.steps: dict[Name, Counter[Event]] = {}

    def take(self, entry: Entry) -> None:
        """Charge a reservation, or what a ledger carries on; other entries charge nothing."""
        for name, event in charged(entry):
            steps = self.steps.get(name)
            if steps is None:
                steps = self.steps[name] = Counter()
            steps[_mechanism(event)] += event.steps

    def events(self, name: Name) -> tuple[Event, ...]:
        """Merged and sorted, as accountants compose them."""
        return composition(self.steps.get(name, {}))


_mechanism = lru_cache(maxsize=4096)(unit)  # a log has few, and says each thousands of times


def charged(entry: Entry) -> Iterator[tuple[Name, Event]]:
    """(account, mechanism) of all that an entry charges."""
    institution, key_id = entry.institution, entry.key_id
    if entry.kind is Kind.RESERVE and entry.release is not None:
        for scope, key in keys_of(entry.release.run_id, entry.time).items():
            yield (institution, key_id, scope, key), entry.release.event
    elif entry.carry is not None:
        for year, events in entry.carry.years:
            for event in events:
                yield (institution, key_id, Scope.YEAR, year), event
                yield (institution, key_id, Scope.LIFETIME, ""), event
