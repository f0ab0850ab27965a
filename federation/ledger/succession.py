"""One ledger after another: what was spent under an old key counts under the new one, and the old one ends.

    carried = old.retire(Successor("bank-a", new_key.public.hex))     # the last entry of the old ledger, signed by it
    new.carry(carried)                                                # the first entry of the new one

The old ledger ends first: a crash in between leaves an institution that can spend nothing, never one that can spend
twice. Both steps may be repeated. Mechanisms are carried, not amounts, so the new caps measure them at their own delta.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from federation.errors import LedgerError
from federation.ledger import fields
from federation.ledger.charges import merged
from federation.privacy.event import Event, read_event
from protocols.signing import VerifyingKey

_YEAR = re.compile(r"[0-9]{4}")


@dataclass(frozen=True)
class Successor:
    """Who spends from now on: an institution's name and its public key (hex)."""

    institution: str
    key: str

    def __post_init__(self) -> None:
        fields.text("successor.institution", self.institution)
        fields.require_hash("successor.key", self.key)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Successor:
        return cls(**value)


@dataclass(frozen=True)
class Carried:
    """What an ended ledger had spent: its institution, public key (hex), last hash, length, and mechanisms by year.

    `years` are in order; the mechanisms of a year are merged and sorted. `deltas` has the sum of the deltas of the runs
    of each of those years; None in an entry of version 2, which did not say. Raises LedgerError for anything else.
    """

    institution: str
    key: str
    head: str
    entries: int
    years: tuple[tuple[str, tuple[Event, ...]], ...]
    deltas: tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        names = [year for year, _ in self.years]
        fields.text("carry.institution", self.institution)
        fields.require_hash("carry.key", self.key)
        fields.require_hash("carry.head", self.head)
        fields.whole("carry.entries", self.entries, least=1)  # the one that ended it
        _require(names == sorted(set(names)), "carry.years", names, "each year once, in order")
        for year, events in self.years:
            _require(_YEAR.fullmatch(year), "carry.years", year[:20], "a year")
            _require(events and events == merged(events), f"carry.years.{year}", len(events), "mechanisms, merged")
        if self.deltas is not None:
            _require([year for year, _ in self.deltas] == names, "carry.deltas", len(self.deltas), "one for each year")
            sums = [delta for _, delta in self.deltas]
            _require(all(0 < delta < math.inf for delta in sums), "carry.deltas", "one out of range", "positive sums")

    @property
    def key_id(self) -> str:
        return VerifyingKey.from_hex(self.key).key_id

    def to_json(self) -> dict[str, Any]:
        years = {year: [event.to_json() for event in events] for year, events in self.years}
        document = {**self.__dict__, "years": years, "deltas": dict(self.deltas or ())}
        if self.deltas is None:
            del document["deltas"]
        return document

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Carried:
        listed = sorted(value["years"].items())
        years = tuple((year, tuple(read_event(event) for event in events)) for year, events in listed)
        deltas = None
        if "deltas" in value:
            deltas = tuple((year, float(delta)) for year, delta in sorted(value["deltas"].items()))
        return cls(**{**value, "years": years, "deltas": deltas})


def _require(condition: object, field: str, got: object, expected: str) -> None:
    if not condition:
        raise LedgerError(field, got=got, expected=expected)
