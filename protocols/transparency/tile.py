"""Tiles: the tree and its entries as files that never change (C2SP tlog-tiles).

>>> Tile(0, 1234067).path, Tile(1, 0, 17).path, Tile.parse("tile/entries/x001/x234/067.p/5")
('tile/0/x001/x234/067', 'tile/1/000.p/17', Tile(level=-1, index=1234067, width=5))

A tile of level L holds up to 256 nodes of tree level 8 L, its bundle of entries (level ENTRIES) up to 256 entries with
16-bit lengths. Whoever has tiles has every proof, so a log that serves them needs no other interface for readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from protocols.errors import MessageError, ProofError
from protocols.transparency.merkle import HASH_BYTES, NodeReader, node_hash

WIDTH = 256
ENTRIES = -1  # the level of entry bundles
MAX_ENTRY_BYTES = 2**16 - 1  # of an entry: a bundle of tlog-tiles has 16 bits for its length
_HEIGHT = 8  # tree levels in a tile
_MAX_LEVEL = 63
_MAX_INDEX = 2**63 // WIDTH
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Tile:
    """Tile `index` of `level` with its first `width` hashes (or entries). Raises MessageError for what is none."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= _MAX_LEVEL:
            raise MessageError("tile.level", got=self.level, expected=f"0 to {_MAX_LEVEL}, or entries")
        if not 0 <= self.index < _MAX_INDEX:
            raise MessageError("tile.index", got=self.index, expected=f"0 to {_MAX_INDEX - 1}")
        if not 1 <= self.width <= WIDTH:
            raise MessageError("tile.width", got=self.width, expected=f"1 to {WIDTH}")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Of its path below the log's prefix. Raises MessageError for any form but the one `path` gives."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise MessageError("tile", got=path[:80], expected="tile/LEVEL/x001/x234/067 or ....p/WIDTH")
        level = ENTRIES if found["level"] == "entries" else int(found["level"])
        width = WIDTH if found["width"] is None else int(found["width"])
        tile = cls(level, int(found["index"].replace("x", "").replace("/", "")), width)
        if tile.path != path:
            raise MessageError("tile", got=path[:80], expected=tile.path)
        return tile

    @property
    def path(self) -> str:
        rest, last = divmod(self.index, 1000)
        parts = [f"{last:03}"]
        while rest:
            rest, part = divmod(rest, 1000)
            parts.append(f"x{part:03}")
        level = "entries" if self.level == ENTRIES else str(self.level)
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(parts))}{suffix}"

    @property
    def first(self) -> int:
        """The position, in its tree level, of the first node or entry."""
        return self.index * WIDTH

    @property
    def height(self) -> int:
        """The tree level of the nodes; bundles hold what is below level 0."""
        return max(self.level, 0) * _HEIGHT

    def in_tree(self, size: int) -> bool:
        """Whether the tree of `size` has it, and so wide."""
        return self.first + self.width <= size >> self.height


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """The tiles of hashes of the tree of `size`, lower levels first, that the tree of `since` did not have in full."""
    level = 0
    while size >> (_HEIGHT * level):
        yield from _row(level, size >> (_HEIGHT * level), since >> (_HEIGHT * level))
        level += 1


def bundles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """The bundles of entries of the tree of `size` that hold entries from `since` on."""
    return _row(ENTRIES, size, since)


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries with 16-bit lengths, big-endian. Raises MessageError for an entry that is too long for it."""
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise MessageError("bundle", got=f"an entry of {len(entry)} bytes", expected=f"at most {MAX_ENTRY_BYTES}")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries in a bundle. Raises MessageError for another number of them, or bytes left over."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        length = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(data) or len(entries) != width:
        raise MessageError("bundle", got=f"{len(entries)} entries in {len(data)} bytes", expected=f"{width} entries")
    return entries


def read_tile(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes of a tile. Raises MessageError for another size."""
    if len(data) != tile.width * HASH_BYTES:
        raise MessageError(tile.path, got=f"{len(data)} bytes", expected=f"{tile.width * HASH_BYTES}")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def tile_nodes(fetch: Callable[[Tile], bytes], size: int) -> NodeReader:
    """The nodes of the tree of `size`, from tiles that `fetch` gets; each tile is got once.

    NOT yet verified: a proof made of them is, when it leads to the root of a checkpoint. Raises ProofError for a node
    that is not in the tree.
    """
    held: dict[Tile, list[bytes]] = {}

    def node(level: int, position: int) -> bytes:
        row, above = divmod(level, _HEIGHT)
        first, count = position << above, 1 << above
        index, start = divmod(first, WIDTH)
        width = min(WIDTH, (size >> (_HEIGHT * row)) - index * WIDTH)
        if position < 0 or start + count > width:
            raise ProofError("tile", got=f"node {position} of level {level}", expected=f"one in a tree of {size}")
        tile = Tile(row, index, width)
        if tile not in held:
            held[tile] = read_tile(tile, fetch(tile))
        hashes = held[tile][start : start + count]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    return node


def _row(level: int, count: int, since: int) -> Iterator[Tile]:
    for first in range(since - since % WIDTH, count, WIDTH):
        yield Tile(level, first // WIDTH, min(WIDTH, count - first))
