"""What a run has cost so far, as the ledger tells it: attempts reserved and rounds answered."""

from __future__ import annotations

from collections import Counter

from federation.ledger import Entry, Kind, Ledger, Reservation, SignedEntry
from federation.ledger.release import Slot


class RunHistory:
    """Reads the ledger once, then follows this node's own entries; whatever else was written makes it read again."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._head = ""
        self._length = 0
        self._attempts: Counter[Slot] = Counter()
        self._answered: set[Slot] = set()

    def attempts(self, run_id: str, phase: str) -> int:
        """How often budget was reserved for a phase of a run, whatever became of it."""
        self._catch_up()
        return sum(count for slot, count in self._attempts.items() if slot[:2] == (run_id, phase))

    def next_attempt(self, slot: Slot) -> int:
        """The number, from 1, that the ledger will give to the next reservation of this round."""
        self._catch_up()
        return self._attempts[slot] + 1

    def last_answered(self, run_id: str, phase: str) -> int:
        """The highest round of a phase that was answered; 0 where none was."""
        self._catch_up()
        return max((slot[2] for slot in self._answered if slot[:2] == (run_id, phase)), default=0)

    def answered(self, slot: Slot) -> bool:
        """Has this round been answered, for any model?"""
        self._catch_up()
        return slot in self._answered

    def follow(self, reservation: Reservation, spent: SignedEntry) -> None:
        """This node reserved and spent: if nothing came in between, there is nothing to read again."""
        release = reservation.release
        if (reservation.id, spent.entry.sequence) == (self._length + 1, self._length + 2):
            self._attempts[release.slot] += 1
            self._answered.add(release.slot)
            self._head, self._length = spent.hash, spent.entry.sequence

    def _catch_up(self) -> None:
        if self._ledger.head == self._head:
            return
        self._attempts.clear()
        self._answered.clear()
        entries = self._ledger.entries()
        for signed in entries:
            self._take(signed.entry)
        self._length = len(entries)
        self._head = entries[-1].hash if entries else self._ledger.head

    def _take(self, entry: Entry) -> None:
        if entry.release is None:
            return
        if entry.kind is Kind.RESERVE:
            self._attempts[entry.release.slot] += 1
        if entry.update_hash is not None:
            self._answered.add(entry.release.slot)
