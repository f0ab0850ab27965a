"""Refusals into the ledger, without letting a stranger fill the disk."""

from __future__ import annotations

from collections.abc import Callable
from logging import getLogger

from federation.errors import LedgerError, Refused
from federation.ledger import Ledger
from federation.rounds.refusals import UNPROVEN

_log = getLogger(__name__)
LIMIT, PERIOD_S = 100, 3600.0


class RefusalLog:
    """Every refusal of a request that the coordinator signed is recorded.

    Of requests that nobody is known to have sent, `LIMIT` per hour are; the rest are counted in the node's own log.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger, self._clock = ledger, clock
        self._since, self._count = clock(), 0

    def record(self, refusal: Refused, request_hash: str) -> None:
        """Never raises: a ledger that cannot be written also reserves nothing."""
        _log.warning("refused %s: %s", refusal.code, refusal)
        if refusal.code in UNPROVEN and not self._room():
            return
        try:
            self._ledger.refuse(
                str(refusal.code), refusal.where, got=refusal.got, expected=refusal.expected, request_hash=request_hash
            )
        except LedgerError:
            _log.exception("a refusal could not be recorded")

    def _room(self) -> bool:
        now = self._clock()
        if now - self._since > PERIOD_S:
            _log.warning("%d requests of unknown origin refused within an hour", self._count)
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= LIMIT
