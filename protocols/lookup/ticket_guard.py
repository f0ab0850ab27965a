"""What a member remembers of the requests it served: its own quota, and that a receipt serves once."""

from __future__ import annotations

from typing import Protocol


class TicketGuard(Protocol):
    """Kept durably at the institution; `charge` is one exclusive transaction."""

    def charge(self, *, querier: str, day: int, leaf_hash: bytes, serial: str, limit: int) -> None:
        """Remember the leaf, on disk when it returns. The same leaf again changes nothing, on whatever day.

        `day` counts from 1970-01-01 (UTC). Raises TicketRefused, and remembers nothing: "conflict" if the querier's
        receipt `serial` was charged for another leaf, "quota" if `limit` leaves were charged to it on this day.
        """

    def charged(self, leaf_hash: bytes) -> bool:
        """Whether this leaf was charged."""
