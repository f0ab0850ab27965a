"""Holding the log to its promises: proofs that what it promised is in the tree that a quorum cosigned.

    receipts = Receipts(kept, folder, log_key, coordinator_key, time.time)
    receipts.collect(log, note)

Regulators are remembered in HOME/oversight/regulators.json: once the log has named one here, no checkpoint counts
without it, or without the key it handed over to, whatever a log says or hides later.

Who witnesses, the coordinator says in the log, and for everybody: what it said of that to this node alone, beside the
tree, is a finding, and no checkpoint counts here as long as it is said.

A promise that a checkpoint shows to be broken is a finding; promise and note are the evidence. What is proved moves the
mark in HOME/oversight/included.json, against which a restored ledger is held.
"""

from __future__ import annotations

from collections.abc import Callable

from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import Kept, KeptStore, Proof
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.proved import prove
from federation.errors import Refused
from federation.oversight.members import ROSTER, Roster
from protocols.errors import MessageError, ProofError, ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Checkpoint, VerifierKey, check_kept, leaf_hash, open_checkpoint, read_entry

_SAID_BYTES = 400  # of an entry that is refused: enough to know it by; its hash says which it is


class Receipts:
    """`coordinator` is the key that says who is a member, and so a witness. One thread at a time."""

    def __init__(
        self,
        kept: KeptStore,
        folder: OversightFolder,
        log_key: VerifierKey,
        coordinator: VerifyingKey,
        clock: Callable[[], float],
    ) -> None:
        self._kept, self._folder, self._log_key, self._clock = kept, folder, log_key, clock
        self._roster = Roster(coordinator, overseers=folder.overseers())
        self._next = dict.fromkeys(ROSTER, 0)
        self._unproved: list[tuple[int, bytes]] = []

    def collect(self, log: LogClient, note: bytes) -> int:
        """The size of the tree of `note`, whose promises are checked. Raises SignatureError without a quorum of
        witnesses, ProofError where the tree has not what was said of them, and what the log's calls raise: it is
        tried again.
        """
        self._follow(log, open_checkpoint(note, self._log_key).size)
        checkpoint = self._roster.quorum.check(note, self._log_key, self._clock()).checkpoint
        self._prove_roster(log, checkpoint, note)
        for owed in self._kept.owed(checkpoint.size):
            self._hold(log, owed, checkpoint, note)
        for late in self._kept.overdue(self._clock()):
            self._find("promise_overdue", late, note)
        return checkpoint.size

    def _prove_roster(self, log: LogClient, checkpoint: Checkpoint, note: bytes) -> None:
        try:
            prove(log, checkpoint, self._unproved)
        except ProofError:
            said = [[at, data.decode()] for at, data in self._unproved]
            self._folder.find("roster_not_logged", said=said, note=note.decode())
            raise
        self._unproved = [(at, data) for at, data in self._unproved if at >= checkpoint.size]

    def _hold(self, log: LogClient, owed: Kept, checkpoint: Checkpoint, note: bytes) -> None:
        try:
            _, path = log.inclusion(owed.promise.leaf_hash, checkpoint.size)
            check_kept(owed.promise, checkpoint, path)
        except (Refused, ProofError, MessageError) as error:
            if isinstance(error, Refused) and error.code != "unknown":
                raise  # too many calls, or no longer a member: nothing is said of the promise
            self._find("promise_broken", owed, note)
            return
        self._kept.proved(owed.head.sequence, checkpoint.size, Proof(note, tuple(path)))
        self._folder.include(owed.head)

    def _find(self, code: str, kept: Kept, note: bytes) -> None:
        text = kept.promise.encode().decode()
        if any(known["code"] == code and known["promise"] == text for known in self._folder.findings()):
            return  # told, with the first note that shows it
        self._folder.find(code, sequence=kept.head.sequence, promise=text, note=note.decode())

    def _follow(self, log: LogClient, size: int) -> None:
        """The roster of the first `size` entries, which were all there before any was read: the log grows meanwhile."""
        said = [(index, kind, data) for kind in self._next for index, data in log.entries(kind, self._next[kind])]
        for index, kind, data in sorted(each for each in said if each[0] < size):
            try:
                self._roster = self._roster.after(read_entry(data), index)
            except ProtocolError as error:
                text = data[:_SAID_BYTES].decode(errors="replace")
                self._folder.find(
                    "roster_refused", index=index, hash=leaf_hash(data).hex(), said=text, why=str(error)[:_SAID_BYTES]
                )
                raise
            self._next[kind] = index + 1
            self._unproved.append((index, data))
        self._folder.oversee(self._roster.overseers)
