"""Queries and answers kept for an auditor until the epoch closes: those a coin drew, and all that failed.

The coin falls before the answer is read, so whose verdicts are published says nothing about what failed. Every answer
costs the same: it is written to disk in full, and the file gets a name that counts, or the name that the next answer
takes. Files in the epoch's private folder, gone with it; nothing in them names a subject or a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clients.institution.lookup.folders import EpochFolder
from protocols.lookup.evidence import HandOver
from protocols.lookup.hand_over import Batch, capacity, choose, overhead

ONE_IN = 50
KEYS_FILE = "query.pub"
_SPARE = "spare"
_MOST = 200  # files of a kind: a pool that fails always needs no more proof
Random = Callable[[int], bytes]


def draw(random: Random) -> bool:
    """The coin for one query, before it goes out: whether its verdict will be published. One in fifty."""
    return not int.from_bytes(random(8), "big") % ONE_IN


@dataclass(frozen=True)
class KeptAnswers:
    """The queue of one epoch."""

    folder: EpochFolder

    def keep(self, item: HandOver, *, drawn: bool, failed: bool, random: Random) -> None:
        """Queue one that was drawn or failed; the same bytes are written, and reach the disk, for every other one."""
        handovers, name = self.folder.handovers, random(8).hex()
        draft = f"{_SPARE}-{os.getpid()}"
        data = Batch(b"", b"", (item,), ()).encode(capacity(1, len(item.query), len(item.answer), 0))
        self.folder.keep(f"handovers/{draft}", data)
        counts = {kind: len(list(handovers.glob(f"{kind}-*"))) for kind in ("drawn", "failed")}
        kind = "drawn" if drawn else "failed" if failed else _SPARE
        full = kind == _SPARE or counts[kind] >= _MOST
        (handovers / draft).replace(handovers / (_SPARE if full else f"{kind}-{name}"))

    def batch(self, size: int, reply: bytes, random: Random) -> Batch:
        """As many as `size` bytes can hold; verdicts on what was not drawn are to be sealed to `reply`."""
        keys = self.folder.read(KEYS_FILE) or b""
        drawn, failed = choose(self._items("drawn"), self._items("failed"), size - overhead(len(keys)), random)
        return Batch(keys, reply, drawn, failed)

    def _items(self, kind: str) -> list[HandOver]:
        return [_read(file) for file in sorted(self.folder.handovers.glob(f"{kind}-*"))]


def _read(file: Path) -> HandOver:
    return Batch.decode(file.read_bytes()).drawn[0]
