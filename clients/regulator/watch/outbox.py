"""The regulator's own statements on their way: kept before they are sent, promised by the log, then shown by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import LogReader, LogUnreachable, MirrorStore
from clients.regulator.rotation import lost_heir
from clients.regulator.watch.lateness import Late, unkept
from federation.oversight.handover import HANDOVER
from federation.runtime.log_reader import LogRefused
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError
from protocols.transparency import Promise, VerifierKey, leaf_hash, verify_promise

_log = get_logger("watch")


@dataclass
class Outbox:
    """What `store` keeps for the log of `origin`. `alert` takes what is wrong."""

    home: RegulatorHome
    store: MirrorStore
    origin: VerifierKey
    alert: Callable[[Late], None]
    _shown: set[str] = field(default_factory=set)  # leaf hashes that stand where the log promised

    def send(self, log: LogReader, now: float) -> None:
        """What is unanswered, in order: beacons count by their place in the log. What it refuses is an alert, is said
        again in the next turn, and keeps nothing else back. Raises LogUnreachable.
        """
        for said in self.store.said(unanswered=True):
            if said.kind == HANDOVER and (lost := lost_heir(self.home, said.entry)) is not None:
                self.alert(Late("handover", said.slot, str(lost)))
                continue
            try:
                promise = log.say(said.entry)
            except LogRefused as error:
                self.alert(Late("statement_refused", said.slot, str(error)))
                continue
            try:
                verify_promise(promise, bytes.fromhex(said.leaf), self.origin, now)
            except ProtocolError as error:
                self.alert(Late("bad_promise", said.slot, str(error)))
                raise LogUnreachable("statement", got="no promise of the log's", expected="one") from error
            self.store.answered(said.leaf, promise.encode())
            _log.info("statement promised", kind=said.kind.replace("-", "_"))

    def check_promises(self, size: int, heard_at: float) -> None:
        """Whether the copy of `size` entries, which the log showed at `heard_at` (Unix s), has what it promised."""
        for said in self.store.said():
            if said.promise is None or said.leaf in self._shown:
                continue
            promise = Promise.decode(said.promise)
            data = next(iter(self.store.entries(promise.index, min(promise.index + 1, size))), None)
            late = unkept(promise, None if data is None else leaf_hash(data), heard_at)
            if late is not None:
                self.alert(late)
            elif data is not None:
                self._shown.add(said.leaf)
