"""Refusals: signed for whoever asked, and into the ledger, without letting a stranger fill the disk."""

from __future__ import annotations

from collections.abc import Callable

from federation.errors import LedgerError, Refused
from federation.ledger import Ledger
from federation.observability import metrics
from federation.rounds.refusals import UNPROVEN, Code
from federation.rounds.request import request_hash
from federation.runtime.logging import get_logger
from protocols.envelope import seal
from protocols.printable import printable
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Refusal

_log = get_logger("node")
LIMIT, PERIOD_S = 100, 3600.0
# The ledger recorded the first itself; of the others there may be many, while log or regulator are away.
_UNRECORDED = frozenset({Code.BUDGET_EXCEEDED, Code.LOG_UNAVAILABLE, Code.NO_BEACON})


class RefusalLog:
    """Every refusal of a request that the coordinator signed is logged and recorded.

    Of requests that nobody is known to have sent, `LIMIT` per hour are; the rest are counted in the node's own log.
    """

    def __init__(self, institution: str, key: SigningKey, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._institution, self._key, self._ledger, self._clock = institution, key, ledger, clock
        self._since, self._count = clock(), 0

    def answer(self, refusal: Refused, envelope: bytes, run_id: str | None) -> bytes:
        """The signed refusal of the request `envelope`, on record. `run_id` where it got so far as to name one."""
        name = request_hash(envelope)
        self._record(refusal, name.hex(), run_id)
        message = Refusal(
            institution=self._institution,
            code=str(refusal.code),
            field=printable(refusal.where),
            got=printable(refusal.got),
            expected=printable(refusal.expected),
            request_hash=name,
        )
        return seal(message, self._key)

    def _record(self, refusal: Refused, request_hash: str, run_id: str | None) -> None:
        """Never raises: a broken ledger reserves nothing."""
        metrics.count("fedscore_refusals_total", code=refusal.code)
        if refusal.code in UNPROVEN and not self._room():
            return
        code = str(refusal.code)
        facts = {"institution": self._institution, "run_id": run_id, "code": code, "request_hash": request_hash}
        _log.warning("request refused", where=refusal.where, **facts)
        if refusal.code in _UNRECORDED:
            return
        try:
            self._ledger.refuse(
                code, refusal.where, got=refusal.got, expected=refusal.expected, request_hash=request_hash
            )
        except LedgerError as error:
            _log.error("refusal not recorded", error=error, **facts)

    def _room(self) -> bool:
        now = self._clock()
        if now - self._since > PERIOD_S:
            _log.warning("requests of unknown origin within the hour", institution=self._institution, count=self._count)
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= LIMIT
