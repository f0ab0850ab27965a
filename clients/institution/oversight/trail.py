"""What a node asks of the log, before and after it works."""

from __future__ import annotations

from typing import Protocol


class Trail(Protocol):
    """Where a node's ledger is said. `Oversight` is the real one; `Unlogged` is for back-tests."""

    def begin(self) -> None:
        """Something was written; what is done next need not wait for it."""

    def settle(self) -> None:
        """Returns once all that was written is promised. Raises Refused (log_unavailable)."""


class Unlogged:
    """No log: for records of one owner in one process."""

    def begin(self) -> None:
        """Nobody is told."""

    def settle(self) -> None:
        """Nobody is waited for."""
