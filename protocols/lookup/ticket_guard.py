"""What a member remembers of the requests it served: its own quota, and that a receipt serves once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocols.lookup.fault import TicketRefused


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One request to be paid for. `day` counts from 1970-01-01 (UTC), `limit` is what `querier` may have on it."""

    querier: str
    day: int
    leaf_hash: bytes
    serial: str
    limit: int
    promise: bytes


class TicketGuard(Protocol):
    """Kept durably at the institution; `charge` is one exclusive transaction."""

    def charge(self, charges: Sequence[Charge]) -> list[TicketRefused | None]:
        """Remember leaves and the log's promises for them, on disk when it returns; what is refused, and why.

        One result for each, in order, as if each had come alone: the same leaf again is free, on any day. Refused, and
        not remembered: "conflict" if the querier's receipt `serial` was charged for another leaf, "quota" if `limit`
        leaves were charged to it on this day or one was asked for without end, "closed" if this member has ended the
        epoch.
        """

    def charged(self, leaves: Collection[bytes]) -> Collection[bytes]:
        """Those of the `leaves` that were charged, in an epoch that this member has not ended."""


def check_charge(*, served: bytes | None, used: int, limit: int, leaf_hash: bytes) -> None:
    """The rule itself, for a guard that does not put it into its database. Not asked for a leaf that was charged.

    served: the leaf that the querier's receipt serial was charged for, if any; used: leaves charged to this querier
    today; limit: how many it may have. Raises TicketRefused.
    """
    if served is not None and served != leaf_hash:
        raise TicketRefused("conflict", "receipt serial", got="one that served another request", expected="a fresh one")
    if used >= limit:
        raise TicketRefused("quota", "tickets today", got=used + 1, expected=f"at most {limit}")
