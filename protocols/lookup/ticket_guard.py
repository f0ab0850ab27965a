"""What a member remembers of the requests it served: its own quota, and that a receipt serves once."""

from __future__ import annotations

from typing import Protocol

from protocols.lookup.fault import TicketRefused


class TicketGuard(Protocol):
    """Kept durably at the institution; `charge` is one exclusive transaction."""

    def charge(self, *, querier: str, day: int, leaf_hash: bytes, serial: str, limit: int, promise: bytes) -> None:
        """Remember the leaf and the log's promise, on disk when it returns. The same leaf again is free, on any day.

        `day` counts from 1970-01-01 (UTC). Raises TicketRefused, and remembers nothing: "conflict" if the querier's
        receipt `serial` was charged for another leaf, "quota" if `limit` leaves were charged to it on this day or
        one was asked for without end, "closed" if this member has ended the epoch.
        """

    def charged(self, leaf_hash: bytes) -> bool:
        """Whether this leaf was charged, in an epoch that this member has not ended."""


def check_charge(*, served: bytes | None, used: int, limit: int, leaf_hash: bytes) -> None:
    """The rule itself, for a guard that does not put it into its database. Not asked for a leaf that was charged.

    served: the leaf that the querier's receipt serial was charged for, if any; used: leaves charged to this querier
    today; limit: how many it may have. Raises TicketRefused.
    """
    if served is not None and served != leaf_hash:
        raise TicketRefused("conflict", "receipt serial", got="one that served another request", expected="a fresh one")
    if used >= limit:
        raise TicketRefused("quota", "tickets today", got=used + 1, expected=f"at most {limit}")
