"""Every entry of the ledger is said in the log, in the ledger's order, each with a promise that is kept here.

    outbox = Outbox(ledger, kept, folder, log_key, institution_key, time.time)
    outbox.check(log)            # once: the log shows nothing of this ledger that the ledger does not have
    outbox.flush(log)            # whatever has no promise yet

What is sent is read back from the ledger, so nothing that was written is forgotten, whatever died; what is sent twice
is in the log once.
"""

from __future__ import annotations

from collections.abc import Callable

from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import Kept, KeptStore
from clients.institution.oversight.log_client import MAX_ENTRIES, LogClient
from federation.errors import LedgerBehind
from federation.ledger import Head, Ledger
from federation.ledger.entries import SignedEntry
from federation.oversight.reservations import LEDGER_ENTRY, logged, read_logged, verify_logged
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import Promise, VerifierKey, read_entry, verify_promise

CURE = "the ledger as it was last: restore its newest copy, or carry on in a new home (docs/operations.md)"


class Outbox:
    """One institution's. `clock` is Unix time (s). One thread at a time."""

    def __init__(
        self,
        ledger: Ledger,
        kept: KeptStore,
        folder: OversightFolder,
        log_key: VerifierKey,
        key: VerifyingKey,
        clock: Callable[[], float],
    ) -> None:
        self._ledger, self._kept, self._folder = ledger, kept, folder
        self._log_key, self._key, self._clock = log_key, key, clock

    def check(self, log: LogClient) -> None:
        """Raises LedgerBehind where the log holds an entry under this institution's key that its ledger lacks.

        Such an entry is remembered beside the ledger, so that the next start needs no log to stop. What the log hides
        is not found here; the memory in HOME/oversight is for that. Raises Refused or Unreachable.
        """
        newest = newest_logged(log, self._ledger.institution, self._key, start=self._kept.position())
        for head in (self._kept.last(), newest):
            if head is not None:
                self._folder.include(head)
            check_not_behind(self._ledger, head)

    def flush(self, log: LogClient) -> None:
        """Have everything promised that was in the ledger when this began.

        Raises Refused, Unreachable, ProtocolError: what was promised until then stays.
        """
        last = self._kept.last()
        waiting = self._ledger.entries(0 if last is None else last.sequence)
        for start in range(0, len(waiting), MAX_ENTRIES):
            self._say(log, waiting[start : start + MAX_ENTRIES])

    def _say(self, log: LogClient, batch: tuple[SignedEntry, ...]) -> None:
        entries = [logged(signed) for signed in batch]
        kept = []
        for signed, entry, answer in zip(batch, entries, log.append(entries), strict=True):
            promise = Promise.decode(answer)
            verify_promise(promise, entry.hash, self._log_key, self._clock())
            kept.append(Kept(Head(signed.entry.sequence, signed.hash), promise))
        self._kept.promised(kept)


def check_not_behind(ledger: Ledger, head: Head | None) -> None:
    """Raises LedgerBehind unless `ledger` holds the entry `head`, which was logged (None: nothing was)."""
    why = ledger.behind(head)
    if why is not None:
        raise LedgerBehind("ledger", got=why, expected=CURE)


def newest_logged(log: LogClient, institution: str, key: VerifyingKey, *, start: int = 0) -> Head | None:
    """The last entry of the ledger of `institution` under `key` at place `start` of the log or behind it."""
    newest: Head | None = None
    for _, data in log.entries(LEDGER_ENTRY, start):
        try:
            signed = read_logged(read_entry(data))
            verify_logged(signed, institution, key)
        except (MessageError, SignatureError, ProtocolError):
            continue  # another's, or an earlier key's
        if newest is None or signed.entry.sequence > newest.sequence:
            newest = Head(signed.entry.sequence, signed.hash)
    return newest
