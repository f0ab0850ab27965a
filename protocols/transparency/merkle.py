"""The Merkle tree of RFC 6962 (section 2.1), SHA-256.

>>> leaves = [leaf_hash(bytes([i])) for i in range(5)]
>>> tree = Frontier()
>>> for leaf in leaves:
...     tree, _ = tree.append(leaf)
>>> tree.root == root(leaves)
True

A node is (level, index): the perfect subtree over the leaves index << level .. (index + 1) << level. Proofs read nodes
through a function, so that a database or tiles serve them with O(log size) reads and no tree in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from protocols.errors import ProofError

HASH_BYTES = 32
MAX_PATH = 64  # a tree of 2^63 leaves has no longer proof
EMPTY_ROOT = hashlib.sha256().digest()

NodeReader = Callable[[int, int], bytes]
Node = tuple[int, int, bytes]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """The right edge of a tree: the roots of its perfect subtrees, widest first, one per set bit of `size`."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.nodes) != self.size.bit_count():
            raise ProofError("frontier", got=f"{len(self.nodes)} nodes for size {self.size}", expected="one per bit")

    @classmethod
    def read(cls, node: NodeReader, size: int) -> Frontier:
        """The frontier of the first `size` leaves."""
        nodes, start = [], 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                nodes.append(node(level, start >> level))
                start += 1 << level
        return cls(size, tuple(nodes))

    def append(self, leaf: bytes) -> tuple[Frontier, list[Node]]:
        """The next frontier and the nodes that this leaf completes, the leaf itself (level 0) first."""
        stack, level, completed = list(self.nodes), 0, [(0, self.size, leaf)]
        while self.size >> level & 1:
            leaf = node_hash(stack.pop(), leaf)
            level += 1
            completed.append((level, self.size >> level, leaf))
        return Frontier(self.size + 1, (*stack, leaf)), completed

    @property
    def root(self) -> bytes:
        """The tree's root; EMPTY_ROOT for the empty tree."""
        if not self.nodes:
            return EMPTY_ROOT
        *rest, head = self.nodes
        for left in reversed(rest):
            head = node_hash(left, head)
        return head


class KeptNodes:
    """Nodes of a tree that grew from `start`: what inclusion paths of the leaves since are made of, 64 bytes a leaf.

    tree, completed = tree.append(leaf)
    kept.keep(completed)
    inclusion_path(kept.node, index, tree.size)            # index >= start.size
    """

    def __init__(self, start: Frontier) -> None:
        self._start = start.size
        self._rows: list[bytearray] = []  # by level: hashes in order, of the first node that was incomplete and after
        levels = (level for level in range(start.size.bit_length() - 1, -1, -1) if start.size >> level & 1)
        self._edge = {(level, (start.size >> level) - 1): node for level, node in zip(levels, start.nodes, strict=True)}

    def keep(self, completed: Iterable[Node]) -> None:
        """The nodes that `Frontier.append` says one more leaf completes."""
        for level, _, value in completed:
            if level == len(self._rows):
                self._rows.append(bytearray())
            self._rows[level] += value

    def node(self, level: int, position: int) -> bytes:
        """Raises KeyError for one that lies before `start` and is not of its edge, or is not complete."""
        if (level, position) in self._edge:
            return self._edge[level, position]
        place = HASH_BYTES * (position - (self._start >> level))
        if not 0 <= place < len(self._rows[level] if level < len(self._rows) else b""):
            raise KeyError(level, position)
        return bytes(self._rows[level][place : place + HASH_BYTES])


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in hashes:
        frontier, _ = frontier.append(leaf)
    return frontier.root


def inclusion_path(node: NodeReader, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1, leaf side first. Raises ProofError for no such leaf."""
    if not 0 <= index < size:
        raise ProofError("inclusion", got=f"leaf {index} of {size}", expected="a leaf in the tree")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(node, middle, end))
            end = middle
        else:
            path.append(_range_hash(node, start, middle))
            start = middle
    return path[::-1]


def consistency_path(node: NodeReader, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2. Empty where old is 0 or new. Raises ProofError for old > new."""
    if not 0 <= old <= new:
        raise ProofError("consistency", got=f"sizes {old} and {new}", expected="an older, smaller tree first")
    if old in (0, new):
        return []
    start, end, path = 0, new, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(node, middle, end))
            end = middle
        else:
            path.append(_range_hash(node, start, middle))
            start = middle
    if start > 0:  # the verifier knows the old root, but not this part of it
        path.append(_range_hash(node, start, end))
    return path[::-1]


def verify_inclusion(path: Sequence[bytes], leaf: bytes, index: int, size: int, root: bytes) -> None:
    """RFC 9162, section 2.1.3.2. Raises ProofError unless `leaf` is leaf `index` of the tree of `size` and `root`."""
    if not 0 <= index < size:
        raise ProofError("inclusion", got=f"leaf {index} of {size}", expected="a leaf in the tree")
    _check_hashes("inclusion", (*path, leaf, root))
    position, last, head = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("inclusion", got=f"{len(path)} hashes", expected="fewer")
        if position & 1 or position == last:
            head = node_hash(sibling, head)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            head = node_hash(head, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("inclusion", got=f"{len(path)} hashes", expected="more")
    if head != root:
        raise ProofError("inclusion", got="another root", expected="the root of the checkpoint")


def verify_consistency(path: Sequence[bytes], old: int, new: int, old_root: bytes, new_root: bytes) -> None:
    """RFC 9162, section 2.1.4.2. Raises ProofError unless the tree `new` only appends to the tree `old`."""
    if not 0 <= old <= new:
        raise ProofError("consistency", got=f"sizes {old} and {new}", expected="an older, smaller tree first")
    _check_hashes("consistency", (*path, old_root, new_root))
    if old in (0, new):
        _check_trivial(path, old, new, old_root, new_root)
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise ProofError("consistency", got="no hashes", expected="more")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("consistency", got=f"{len(path)} hashes", expected="fewer")
        if position & 1 or position == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ProofError("consistency", got=f"{len(path)} hashes", expected="more")
    if older != old_root or newer != new_root:
        raise ProofError("consistency", got="other roots", expected="the roots of both checkpoints")


def _check_trivial(path: Sequence[bytes], old: int, new: int, old_root: bytes, new_root: bytes) -> None:
    """Nothing is consistent with anything, and a tree with itself; neither takes a proof."""
    if path:
        raise ProofError("consistency", got=f"{len(path)} hashes", expected="none")
    if old == new and old_root != new_root:
        raise ProofError("consistency", got="two roots for one size", expected="the same root")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofError("consistency", got="another root of the empty tree", expected=EMPTY_ROOT.hex())


def _check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PATH + 2 or any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(
            what, got="a path of another form", expected=f"at most {MAX_PATH} hashes of {HASH_BYTES} bytes"
        )


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (>= 2)."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(node: NodeReader, start: int, end: int) -> bytes:
    """The root over leaves start .. end, where start is a multiple of a power of two >= end - start."""
    heads = []
    while start < end:
        level = (end - start).bit_length() - 1
        heads.append(node(level, start >> level))
        start += 1 << level
    head = heads.pop()
    while heads:
        head = node_hash(heads.pop(), head)
    return head
