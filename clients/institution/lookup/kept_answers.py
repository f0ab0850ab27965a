"""Queries and answers kept for an auditor until the epoch closes: all that failed, one success in fifty.

Files in the epoch's private folder, gone with it. Nothing in them names a subject or a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clients.institution.lookup.folders import EpochFolder
from protocols.lookup.evidence import HandOver
from protocols.lookup.hand_over import Batch, capacity, hand_overs

ONE_IN = 50
KEYS_FILE = "query.pub"
_MOST = 200  # files of a kind: a pool that fails always needs no more proof


@dataclass(frozen=True)
class KeptAnswers:
    """The queue of one epoch."""

    folder: EpochFolder

    def keep(self, item: HandOver, *, failed: bool, random: Callable[[int], bytes]) -> None:
        """Queue a failure always, a success with probability 1/50."""
        kind = "failed" if failed else "passed"
        if not failed and int.from_bytes(random(8), "big") % ONE_IN:
            return
        if len(list(self.folder.handovers.glob(f"{kind}-*"))) < _MOST:
            data = Batch(b"", (item,)).encode(capacity(1, len(item.query), len(item.answer), 0))
            self.folder.keep(f"handovers/{kind}-{random(8).hex()}", data)

    def batch(self, size: int, random: Callable[[int], bytes]) -> Batch:
        """As many as `size` bytes can hold, failures first, in random order."""
        keys = self.folder.read(KEYS_FILE) or b""
        failed, passed = self._items("failed"), self._items("passed")
        count = len(failed) + len(passed)
        while count and size < capacity(count, *_largest(failed + passed), len(keys)):
            count -= 1
        return Batch(keys, hand_overs(failed, passed, count, random))

    def _items(self, kind: str) -> list[HandOver]:
        files = sorted(self.folder.handovers.glob(f"{kind}-*"))
        return [Batch.decode(file.read_bytes()).items[0] for file in files]


def _largest(items: list[HandOver]) -> tuple[int, int]:
    return max(len(item.query) for item in items), max(len(item.answer) for item in items)
