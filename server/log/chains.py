"""Where each ledger in the log ends: what may be logged next of it, so that a broken chain never is.

    chains = Chains(store)
    with chains.of("bank-a"):
        chains.check(entries)                # raises Refused unless each is the next of its ledger
        store.extend(entries)

The log keeps what it was given for good, so one entry out of order would make every later verification fail.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

from federation.errors import Refused
from federation.ledger.entries import SignedEntry, genesis
from federation.ledger.heads import Head
from federation.oversight.reservations import LEDGER_ENTRY, read_logged
from protocols.errors import ProtocolError
from protocols.transparency import Entry, leaf_hash, read_entry
from server.log.log_store import MAX_PAGE, LogStore

Ledger = tuple[str, str]  # institution, key id


class Chains:
    """Reads the log once, when it is first asked, and then on as it grows. Thread-safe."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._heads: dict[Ledger, Head] = {}
        self._read = 0
        self._reading = threading.Lock()
        self._writing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, institution: str) -> threading.Lock:
        """To be held from `check` until what was checked is logged: a ledger has one next entry."""
        with self._reading:
            return self._writing[institution]

    def check(self, entries: Iterable[Entry]) -> None:
        """Raises Refused (invalid) where a ledger entry is neither logged already nor the next of its ledger.

        What was logged may be sent again: whoever died before the answer came does. Raises MessageError for another
        form; other kinds pass.
        """
        said = [(entry, read_logged(entry)) for entry in entries if entry.kind == LEDGER_ENTRY]
        if said:
            self._follow()
        heads = dict(self._heads)
        for entry, signed in said:
            self._check(heads, entry, signed)

    def _check(self, heads: dict[Ledger, Head], entry: Entry, signed: SignedEntry) -> None:
        ledger = (signed.entry.institution, signed.entry.key_id)
        head = heads.get(ledger) or Head(0, genesis(signed.entry.institution))
        place = (signed.entry.sequence, signed.entry.previous)
        if place == (head.sequence + 1, head.hash):
            heads[ledger] = Head(signed.entry.sequence, signed.hash)
        elif not self._holds(entry):
            got, expected = f"entry {place[0]} after {place[1]}", f"entry {head.sequence + 1} after {head.hash}"
            raise Refused("invalid", f"{LEDGER_ENTRY}.previous", got=got, expected=expected)

    def _holds(self, entry: Entry) -> bool:
        try:
            self._store.inclusion(leaf_hash(entry.data))
        except Refused:
            return False
        return True

    def _follow(self) -> None:
        with self._reading:
            while True:
                page = self._store.entries(self._read, MAX_PAGE, LEDGER_ENTRY)
                for _, data in page.entries:
                    self._take(data)
                self._read = max([page.next, *(index + 1 for index, _ in page.entries)])
                if len(page.entries) < MAX_PAGE:
                    return

    def _take(self, data: bytes) -> None:
        try:
            signed = read_logged(read_entry(data))
        except ProtocolError:
            return  # no entry of anybody's ledger
        ledger = (signed.entry.institution, signed.entry.key_id)
        head = self._heads.get(ledger) or Head(0, genesis(signed.entry.institution))
        if (signed.entry.sequence, signed.entry.previous) == (head.sequence + 1, head.hash):
            self._heads[ledger] = Head(signed.entry.sequence, signed.hash)
