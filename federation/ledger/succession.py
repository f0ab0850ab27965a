"""One ledger after another: what was spent under an old key counts under the new one, and the old one ends.

    carried = old.retire(Successor("bank-a", new_key.public.hex))     # the last entry of the old ledger, signed by it
    new.carry(carried)                                                # the first entry of the new one

The old ledger ends first: a crash in between leaves an institution that can spend nothing, never one that can spend
twice. Both steps may be repeated. Mechanisms are carried, not amounts, so the new caps measure them at their own delta.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from federation.errors import LedgerError
from federation.privacy.event import GaussianEvent
from protocols.signing import VerifyingKey

_HEX = re.compile(r"[0-9a-f]{64}")
_YEAR = re.compile(r"[0-9]{4}")


@dataclass(frozen=True)
class Successor:
    """Who spends from now on: an institution's name and its public key (hex)."""

    institution: str
    key: str

    def __post_init__(self) -> None:
        _require(_HEX.fullmatch(self.key), "successor.key", self.key[:70], "a public key in hexadecimal")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Successor:
        return cls(**value)


@dataclass(frozen=True)
class Carried:
    """What an ended ledger had spent: its institution, public key (hex), last hash, length, and mechanisms by year.

    `years` are in order; the mechanisms of a year are merged and sorted. Raises LedgerError for anything else.
    """

    institution: str
    key: str
    head: str
    entries: int
    years: tuple[tuple[str, tuple[GaussianEvent, ...]], ...]

    def __post_init__(self) -> None:
        names = [year for year, _ in self.years]
        _require(_HEX.fullmatch(self.key), "carry.key", self.key[:70], "a public key in hexadecimal")
        _require(_HEX.fullmatch(self.head), "carry.head", self.head[:70], "the hash of its last entry")
        _require(self.entries >= 1, "carry.entries", self.entries, "at least the one that ended it")
        _require(names == sorted(set(names)), "carry.years", names, "each year once, in order")
        for year, events in self.years:
            _require(_YEAR.fullmatch(year), "carry.years", year[:20], "a year")
            mechanisms = [(event.sampling_rate, event.noise_multiplier) for event in events]
            _require(mechanisms and mechanisms == sorted(set(mechanisms)), f"carry.years.{year}", mechanisms, "merged")

    @property
    def key_id(self) -> str:
        return VerifyingKey.from_hex(self.key).key_id

    def to_json(self) -> dict[str, Any]:
        years = {year: [event.to_json() for event in events] for year, events in self.years}
        return {**asdict(self), "years": years}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Carried:
        listed = sorted(value["years"].items())
        years = tuple((year, tuple(GaussianEvent.from_json(event) for event in events)) for year, events in listed)
        return cls(**{**value, "years": years})


def _require(condition: object, field: str, got: object, expected: str) -> None:
    if not condition:
        raise LedgerError(field, got=got, expected=expected)
