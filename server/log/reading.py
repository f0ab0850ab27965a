"""How much of the log one answer carries."""

from __future__ import annotations

from federation.errors import Refused
from server.log.log_store import Inclusion, LogStore, Page

PAGE_BYTES = 2**20
_LARGEST = 2**53  # what a database counts to


def read_page(log: LogStore, start: int, count: int, kind: str = "") -> Page:
    """Entries from `start` on, at most PAGE_BYTES of them but at least one. Raises Refused for no place in a log."""
    if start > _LARGEST:
        raise Refused("invalid", "start", got=start, expected=f"at most {_LARGEST}")
    page = log.entries(start, count, kind or None)
    size = 0
    for at, (index, data) in enumerate(page.entries):
        size += len(data)
        if at and size > PAGE_BYTES:
            return Page(page.entries[:at], index)
    return page


def read_proof(log: LogStore, leaf_hash: bytes | None, old_size: int, size: int) -> Inclusion:
    """Where a leaf stands in the tree of `size` (0: all), or how the tree of `old_size` grew to it. Raises Refused."""
    if leaf_hash is not None:
        return log.inclusion(leaf_hash, size or None)
    return Inclusion(0, size, log.consistency(old_size, size or None))
