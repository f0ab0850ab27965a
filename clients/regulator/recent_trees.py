"""The tree at every size since a place in the log, from 32 bytes for each entry since. Pure.

>>> from protocols.transparency import Frontier, leaf_hash
>>> tree, recent, roots = Frontier(), RecentTrees(), {}
>>> for number in range(9):
...     tree, _ = tree.append(leaf_hash(bytes([number])))
...     recent.take(tree, leaf_hash(bytes([number])))
...     roots[tree.size] = tree.root
>>> recent.advance(4) == roots[4], recent.advance(7) == roots[7], recent.advance(5), recent.advance(10)
(True, True, None, None)
"""

from __future__ import annotations

from protocols.transparency import Frontier

_HASH = 32


class RecentTrees:
    """Begins with the first tree it is told. A commitment may wait for its beacon as long as it likes: what is kept
    meanwhile is the least that any root can be computed from.
    """

    def __init__(self) -> None:
        self._base: Frontier | None = None
        self._leaves = bytearray()

    def take(self, tree: Frontier, leaf: bytes) -> None:
        """`tree` with `leaf` as its last; each one tree after the other."""
        if self._base is None:
            self._base = tree
        else:
            self._leaves += leaf

    def advance(self, size: int) -> bytes | None:
        """The root at `size`, before which everything is forgotten; None for a size that is not kept.

        Every leaf is hashed once, however often this is asked.
        """
        if self._base is None or not self._base.size <= size <= self._base.size + len(self._leaves) // _HASH:
            return None
        count = size - self._base.size
        for at in range(0, count * _HASH, _HASH):
            self._base, _ = self._base.append(bytes(self._leaves[at : at + _HASH]))
        del self._leaves[: count * _HASH]
        return self._base.root

    def forget(self) -> None:
        """Nobody waits any more."""
        self._base = None
        self._leaves.clear()
