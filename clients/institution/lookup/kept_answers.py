"""Queries and answers kept for an auditor until the epoch closes: those a coin drew, and those that failed.

The coin falls before the answer is read, so whose verdicts are published says nothing about what failed. Every answer
costs the same: it is written over one of the free places of a file that was filled before the first question, and the
first byte says whether the place is free for the next one. No file is made, renamed or removed for a failure. The file
lies in the epoch's private folder and goes with it; nothing in it names a subject or a row.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clients.institution.lookup.folders import EpochFolder
from protocols.lookup.evidence import HandOver
from protocols.lookup.hand_over import Batch, capacity, choose, overhead

ONE_IN = 50
KEYS_FILE, ANSWERS_FILE = "query.pub", "answers.bin"
PLACE_BYTES = 2**19  # of one query and its answer; what is larger is no answer of an engine, and is not kept
MOST = 24  # of a kind: more than a batch holds; a pool that fails always needs no more proof
_PLACES = 2 * MOST + 8
_FREE, _DRAWN, _FAILED = b"\0", b"d", b"f"
Random = Callable[[int], bytes]


def draw(random: Random) -> bool:
    """The coin for one query, before it goes out: whether its verdict will be published. One in fifty."""
    return not int.from_bytes(random(8), "big") % ONE_IN


@dataclass(frozen=True)
class KeptAnswers:
    """The answers of one epoch."""

    folder: EpochFolder

    def prepare(self) -> None:
        """Fill the file, before the first question: no answer is the first to take room on the disk."""
        with self._file():
            pass

    def keep(self, item: HandOver, *, drawn: bool, failed: bool, random: Random) -> None:
        """Keep one that was drawn or failed; the same is written, and reaches the disk, for every other one."""
        data = Batch(b"", b"", (item,), ()).encode(capacity(1, len(item.query), len(item.answer), 0))
        kind = _DRAWN if drawn else _FAILED if failed else _FREE
        with self._file() as file:
            kinds = [os.pread(file, 1, place * PLACE_BYTES) for place in range(_PLACES)]
            if kinds.count(kind) >= MOST or 5 + len(data) > PLACE_BYTES:
                kind = _FREE
            free = [place for place, taken in enumerate(kinds) if taken == _FREE]
            place = free[int.from_bytes(random(8), "big") % len(free)]
            record = kind + len(data).to_bytes(4, "big") + data
            os.pwrite(file, record[:PLACE_BYTES], place * PLACE_BYTES)
            os.fsync(file)

    def batch(self, size: int, reply: bytes, random: Random) -> Batch:
        """As many as `size` bytes can hold; verdicts on what was not drawn are to be sealed to `reply`."""
        keys = self.folder.read(KEYS_FILE) or b""
        drawn, failed = choose(self._items(_DRAWN), self._items(_FAILED), size - overhead(len(keys)), random)
        return Batch(keys, reply, drawn, failed)

    def _items(self, kind: bytes) -> list[HandOver]:
        if not self.folder.file(ANSWERS_FILE).exists():
            return []
        with self._file() as file:
            starts = [place * PLACE_BYTES for place in range(_PLACES)]
            return [_read(file, start) for start in starts if os.pread(file, 1, start) == kind]

    @contextmanager
    def _file(self) -> Iterator[int]:
        """The file's descriptor, for one process at a time; filled with zeros if it is new."""
        file = os.open(self.folder.file(ANSWERS_FILE), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            for place in range(os.fstat(file).st_size // PLACE_BYTES, _PLACES):
                os.pwrite(file, bytes(PLACE_BYTES), place * PLACE_BYTES)
            yield file
        finally:
            os.close(file)


def _read(file: int, start: int) -> HandOver:
    size = int.from_bytes(os.pread(file, 4, start + 1), "big")
    return Batch.decode(os.pread(file, size, start + 5)).drawn[0]
