"""The log at work: what witnesses are asked to cosign, what a quorum has cosigned, and who is told when.

    host = LogHost(store, home.log_key.public, home.signing_key.public)
    host.tick()                                   # every TICK_S, in a thread
    host.cosign(note)                             # a witness hands in what it pulled

Witnesses must cosign one and the same checkpoint to be a quorum. So there is one candidate at a time: it stays until
enough of them have cosigned it, or for PATIENCE_S, however fast the log grows. What comes meanwhile is in the next, and
an entry that comes after a pause is in one at once. Checkpoints come to their quorums in the order of their sizes: what
is cosigned late is not kept, or the first checkpoint to cover an entry could become another one afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from federation.errors import Refused
from federation.oversight.handover import HANDOVER
from federation.oversight.members import ROSTER, Roster
from federation.runtime.logging import get_logger
from federation.runtime.rate_limit import RateLimit
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, Promise, Quorum, VerifierKey, open_checkpoint, read_entry
from server.log.admission import MAX_ENTRIES, check_handover, check_member_entry, check_regulator_entry
from server.log.chains import Chains
from server.log.log_store import MAX_PAGE, LogStore

TICK_S = 0.1
PATIENCE_S = 5.0
SPACING_S = 0.25  # between two candidates: each costs every witness three calls
LOOK_S = 0.25  # how often what another process did is looked for
_log = get_logger("log")


class Which(IntEnum):
    """Of protocols/wire/log.proto."""

    CURRENT = 0
    CANDIDATE = 1
    COSIGNED = 2
    FIRST_COSIGNED = 3


@dataclass(frozen=True)
class _Seen:
    note: bytes
    size: int
    since: float = 0.0


class LogHost:
    """One per log: the coordinator's membership process has it. `clock` is monotonic, in seconds; thread-safe."""

    def __init__(
        self,
        store: LogStore,
        key: VerifierKey,
        coordinator: VerifyingKey,
        *,
        patience: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.key = store, key
        self._patience, self._clock = patience, clock
        self._roster = Roster(coordinator)
        self._quorum: Quorum | None = None  # of the roster; building one costs more than asking whether it has changed
        self._read = 0  # entries that the roster covers
        self._lock = threading.RLock()
        self._news = threading.Condition()  # notified of candidates and of what a quorum has cosigned
        self._candidate: _Seen | None = None
        self._cosigned: _Seen | None = None
        self._look = True  # whether a quorum may have come together
        self._chains = Chains(store)
        self._entries = RateLimit(burst=4096, per_second=100.0)

    def tick(self) -> None:
        """Look for new entries, members and cosignatures; publish the next candidate if it is time. Raises LedgerError
        where the log may sign nothing any more.
        """
        with self._lock:
            self._follow_roster()
            self._find_cosigned()
            if self._moves_on():
                note = self.store.checkpoint()
                self._candidate = self._seen(note)
                self._tell()

    def roster(self) -> Roster:
        """Members and regulator, as the log names them."""
        with self._lock:
            self._follow_roster()
            return self._roster

    def size_of(self, which: Which) -> int:
        """The size of the tree that `note` would be of, as far as this process has seen; -1 for none."""
        seen = self._candidate if which is Which.CANDIDATE else self._cosigned
        return -1 if seen is None else seen.size

    def note(self, which: Which, after: int = 0) -> bytes | None:
        """The checkpoint asked for, with its cosignatures; `after` is the first one's. None if there is none."""
        if which is Which.CURRENT:
            return self.store.checkpoint()
        if which is Which.FIRST_COSIGNED:
            with self._lock:
                self._follow_roster()
                quorum = self._quorum
            return None if quorum is None else self.store.cosigned(quorum, after=after, first=True)
        size = self.size_of(which)
        return None if size < 0 else self.store.published(size)

    def wait(self, which: Which, after: int, until: float, wanted: Callable[[], bool]) -> bytes | None:
        """As `note`, once it is of more than `after` entries; whatever there is at `until`, or when nobody wants it."""
        changed = self.store.changed if which is Which.CURRENT else self._news
        while not self._has_news(which, after) and (left := until - self._clock()) > 0 and wanted():
            with changed:
                changed.wait(min(left, LOOK_S))
        return self.note(which, after)

    def cosign(self, note: bytes) -> list[str]:
        """Store the cosignatures of this log's witnesses in `note`; their names. Raises as `LogStore.cosign`.

        Of a smaller tree than a quorum has cosigned, they are checked and not kept.
        """
        with self._lock:
            self._follow_roster()
            size = open_checkpoint(note, self.key).size
            witnesses = () if self._quorum is None else self._quorum.at(size).witnesses
            self._find_cosigned()
            found = self.store.cosign(note, witnesses, least=self.size_of(Which.COSIGNED))
            self._look = True
            self._find_cosigned()
            return found

    def append_for(self, institution: str, key: VerifyingKey, entries: Sequence[Entry]) -> list[Promise]:
        """Log what the member `institution` says under `key`. Raises Refused, MessageError or SignatureError.

        Once the log names it: what comes before would be nobody's for whoever reads the log in order, for good.
        """
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise Refused("invalid", "entries", got=len(entries), expected=f"1 to {MAX_ENTRIES}")
        named = self.roster().members.get(institution)
        if named is None or named.key != key.hex:
            raise Refused("unknown", "member", got=institution, expected="a member that the log names: ask again")
        for entry in entries:
            self._count(institution)
            check_member_entry(entry, institution, key)
        with self._chains.of(institution):
            self._chains.check(entries)
            return self.store.extend(entries)

    def append_of_regulator(self, entry: Entry) -> Promise:
        """Log what the regulator says. Raises Refused, MessageError or SignatureError.

        What is logged has its promise again, and counts for nothing: everybody can read it, and say it again.
        """
        if entry.kind == HANDOVER:
            check_handover(entry, self._roster.coordinator)
            return self.store.promised(entry.hash) or self._hand_over(entry)
        regulator = self.roster().regulator
        check_regulator_entry(entry, None if regulator is None else VerifyingKey.from_hex(regulator.key))
        known = self.store.promised(entry.hash)
        if known is not None:
            return known
        self._count("/regulator")
        return self.store.extend([entry])[0]

    def _hand_over(self, entry: Entry) -> Promise:
        """Under the keys it names, so whoever else the roster names as regulator; after the very roster it was held
        against: whatever is said of members and regulators meanwhile, it is held against that as well.
        """
        while True:
            with self._lock:
                self._follow_roster()
                roster, size = self._roster, self._read
            roster.after(entry, size)
            self._count("/regulator")
            promises = self.store.extend_since(size, ROSTER, [entry])
            if promises is not None:
                return promises[0]

    def _count(self, party: str) -> None:
        if not self._entries.allows(party, self._clock()):
            expected = f"{self._entries.per_second:g} entries a second"
            raise Refused("too_many", "entries", got="more than allowed", expected=expected)

    def _has_news(self, which: Which, after: int) -> bool:
        if which is Which.CURRENT:
            return self.store.size() > after
        return self.size_of(which) > after

    def _moves_on(self) -> bool:
        """Whether the next candidate is due: there is more to cosign, and the last one is done with or waited for."""
        size, candidate = self._read, self._candidate
        if candidate is None or self._quorum is None:
            return candidate is None or size > candidate.size
        # Of the empty tree there is nothing to cosign.
        done = candidate.size == 0 or self.size_of(Which.COSIGNED) >= candidate.size
        patience = min(SPACING_S, self._patience) if done else self._patience
        return size > candidate.size and self._clock() - candidate.since >= patience

    def _find_cosigned(self) -> None:
        if self._quorum is None or not self._look:
            return
        self._look = False
        note = self.store.cosigned(self._quorum, after=self.size_of(Which.COSIGNED))
        if note is not None:
            self._cosigned = self._seen(note)
            self._tell()

    def _follow_roster(self) -> None:
        """Fold what the coordinator says of members since the last look; what is not its saying changes nothing."""
        size = self.store.size()
        if size == self._read:
            return
        roster = self._roster
        for index, data in sorted(each for kind in ROSTER for each in self._said(kind, size)):
            try:
                roster = roster.after(read_entry(data), index)
            except ProtocolError as error:
                _log.error("an entry of the roster does not verify", index=index, code=type(error).__name__)
        if roster is not self._roster:
            self._quorum = roster.quorum if roster.witnesses else None
            self._look = True
        self._roster, self._read = roster, size

    def _said(self, kind: str, size: int) -> Iterator[tuple[int, bytes]]:
        """(index, data) of the entries of `kind` since the last look, of the first `size`."""
        start = self._read
        while start < size:
            page = self.store.entries(start, MAX_PAGE, kind)
            yield from (each for each in page.entries if each[0] < size)
            start = page.next

    def _seen(self, note: bytes) -> _Seen:
        return _Seen(note, open_checkpoint(note, self.key).size, self._clock())

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()
