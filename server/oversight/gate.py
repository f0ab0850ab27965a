"""The gate in front of the average: an update counts once a quorum of witnesses has cosigned what paid for it.

    gate = ReservationGate(log, coordinator_key, log_key)
    gate.start(index_of_plan)
    gate.on_record(expected, update)          # False: not yet. Raises Refused: something else was paid for

Without it a member could send an update and log the reservation later, or never, and nobody outside of the round would
learn that budget was spent. The quorum is that of the members and the regulator as the log itself names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.errors import Refused
from federation.ledger.entries import Kind, SignedEntry
from federation.ledger.heads import Head
from federation.oversight.members import ROSTER, Roster
from federation.oversight.reservations import LEDGER_ENTRY, check_reservation, read_logged
from federation.rounds.refusals import Code
from federation.rounds.reply import Expected, Update
from protocols.errors import MessageError
from protocols.signing import VerifyingKey
from protocols.transparency import Checkpoint, VerifierKey, leaf_hash, read_entry, verify_inclusion

if TYPE_CHECKING:
    from server.log import LogStore

_PAGE = 1000


@dataclass(frozen=True)
class _Logged:
    signed: SignedEntry
    leaf: bytes
    index: int


class ReservationGate:
    """Over the coordinator's own log; reads what is new since the last look. Not thread-safe."""

    def __init__(self, log: LogStore, coordinator: VerifyingKey, log_key: VerifierKey) -> None:
        self._log, self._log_key = log, log_key
        self._roster = Roster(coordinator)
        self._reservations: dict[str, _Logged] = {}
        self._heads: dict[tuple[str, str], Head] = {}  # the last entry of each ledger (institution, key id)
        self._given_up: set[str] = set()  # reservations whose work failed, or was lost
        self._next = 0  # where reservations are read on
        self._read = 0  # entries that the roster covers
        self._checkpoint: Checkpoint | None = None

    def start(self, index: int) -> None:
        """Look for reservations at `index` of the log and behind it: none precedes the plan it is for."""
        self._next = index

    def on_record(self, expected: Expected, update: Update) -> bool:
        """Whether what paid for `update` is cosigned. Raises Refused (wrong_reservation).

        1. the log has the ledger entry that the update names, next in its ledger's chain
        2. it reserved the budget of this very update, and its ledger has not given the work up
        3. a checkpoint covers it that a quorum cosigned       4. it is in the tree of that checkpoint
        """
        logged = self._reservations.get(update.reservation_hash)
        if logged is None:
            self._follow()
            logged = self._reservations.get(update.reservation_hash)
        if logged is None:
            return False
        check_reservation(logged.signed, expected, update)
        if update.reservation_hash in self._given_up:
            got, wanted = "one that its ledger has closed without an update", "one that is open, or spent"
            raise Refused(Code.WRONG_RESERVATION, "reservation", got=got, expected=wanted)
        checkpoint = self._covering(logged.index)
        if checkpoint is None:
            return False
        path = self._log.inclusion(logged.leaf, checkpoint.size).path
        verify_inclusion(path, logged.leaf, logged.index, checkpoint.size, checkpoint.root)
        return True

    def _follow(self) -> None:
        size = self._log.size()
        for index, data in self._said(LEDGER_ENTRY, self._next, size):
            self._next = index + 1
            try:
                signed = read_logged(read_entry(data))
            except MessageError:
                continue  # whatever a member logs under this kind pays for nothing
            if self._is_next(signed):
                self._reservations[signed.hash] = _Logged(signed, leaf_hash(data), index)
                if signed.entry.kind in (Kind.SPEND, Kind.UNKNOWN) and signed.entry.update_hash is None:
                    self._given_up.add(signed.entry.reservation or "")
        self._next = max(self._next, size)

    def _is_next(self, signed: SignedEntry) -> bool:
        """Whether it follows the entry before it in its ledger; the first one since the plan follows what the log has
        admitted. An entry beside the chain is in no order with the others, and pays for nothing.
        """
        entry = signed.entry
        ledger = (entry.institution, entry.key_id)
        head = self._heads.get(ledger)
        if head is not None and (entry.sequence, entry.previous) != (head.sequence + 1, head.hash):
            return False
        self._heads[ledger] = Head(entry.sequence, signed.hash)
        return True

    def _covering(self, index: int) -> Checkpoint | None:
        """The newest checkpoint that a quorum cosigned, if it covers `index`."""
        if self._checkpoint is None or self._checkpoint.size <= index:
            self._checkpoint = self._cosigned()
        return self._checkpoint if self._checkpoint is not None and self._checkpoint.size > index else None

    def _cosigned(self) -> Checkpoint | None:
        self._follow_roster()
        if not self._roster.witnesses:
            return None
        note = self._log.cosigned(self._roster.quorum)
        return None if note is None else self._roster.quorum.check(note, self._log_key).checkpoint

    def _follow_roster(self) -> None:
        """All kinds of one and the same size: the log grows while they are read. What is refused stays unread."""
        size, roster = self._log.size(), self._roster
        for index, data in sorted(each for kind in ROSTER for each in self._said(kind, self._read, size)):
            roster = roster.after(read_entry(data), index)
        self._roster, self._read = roster, size

    def _said(self, kind: str, start: int, size: int) -> Iterator[tuple[int, bytes]]:
        """(index, data) of the entries of `kind` from `start` on, of the first `size`."""
        while start < size:
            page = self._log.entries(start, _PAGE, kind)
            yield from (each for each in page.entries if each[0] < size)
            start = page.next
