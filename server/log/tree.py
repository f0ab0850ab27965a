"""The tree as the database holds it: the hashes of entries at level 0, nodes above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select, true

from federation.errors import LedgerError
from protocols.errors import ProtocolError
from protocols.transparency import Frontier, NodeReader, Tile, leaf_hash, read_entry
from server.log.tables import entries, nodes

T = TypeVar("T")
_CHUNK = 1000
_UNREAD = bytes(32)
_LAST = select(func.max(entries.c.position))
_LEAVES = select(entries.c.position, entries.c.hash).where(entries.c.position.in_(bindparam("places", expanding=True)))
_KNOWN = select(entries.c.hash, entries.c.position, entries.c.logged_at).where(
    entries.c.hash.in_(bindparam("leaves", expanding=True))
)
_Place = tuple[int, int]


def tree_size(connection: Connection) -> int:
    """Positions have no gaps: each is given in the transaction that has seen the one before."""
    last = connection.scalar(_LAST)
    return 0 if last is None else last + 1


def known_places(connection: Connection, leaves: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """(index, time) of those leaves that are in the log already."""
    places: dict[bytes, tuple[int, int]] = {}
    for start in range(0, len(leaves), _CHUNK):
        for row in connection.execute(_KNOWN, {"leaves": leaves[start : start + _CHUNK]}):
            places[row.hash] = (row.position, row.logged_at)
    return places


def with_nodes(connection: Connection, build: Callable[[NodeReader], T]) -> T:
    """What `build` makes of the nodes it reads, which come in two queries: a first, dry run tells which they are."""
    places: list[_Place] = []

    def note(level: int, position: int) -> bytes:
        places.append((level, position))
        return _UNREAD

    build(note)
    hashes = read_nodes(connection, places)
    return build(lambda level, position: hashes[level, position])


def read_nodes(connection: Connection, places: Sequence[_Place]) -> dict[_Place, bytes]:
    """The hashes at (level, position). Raises LedgerError for one that is not there."""
    by_level: dict[int, list[int]] = {}
    for level, position in places:
        by_level.setdefault(level, []).append(position)
    found: dict[_Place, bytes] = {}
    leaves = by_level.pop(0, None)
    if leaves:
        found |= {(0, row.position): row.hash for row in connection.execute(_LEAVES, {"places": leaves})}
    if by_level:
        at = {f"on_level_{level}": positions for level, positions in by_level.items()}
        found |= {(row.level, row.position): row.hash for row in connection.execute(_nodes_of(*sorted(by_level)), at)}
    for place in places:
        if place not in found:
            raise LedgerError(f"log node {place}", got="nothing", expected="its hash")
    return found


@lru_cache(maxsize=1024)
def _nodes_of(*levels: int) -> Select[Any]:
    """Built once for each choice of levels: that costs more than running it. Level by level, because SQLite looks
    up no index for pairs: (level, position) IN (...) would read every node.
    """
    places = (nodes.c.position.in_(bindparam(f"on_level_{level}", expanding=True)) for level in levels)
    return select(nodes).where(or_(*((nodes.c.level == level) & at for level, at in zip(levels, places, strict=True))))


def read_tile(connection: Connection, tile: Tile) -> list[bytes]:
    """What the tile holds, hashes or entries, as far as it is there."""
    end = tile.first + tile.width
    if tile.level > 0:
        column, place, level = nodes.c.hash, nodes.c.position, nodes.c.level == tile.height
    else:
        column, place, level = (entries.c.data if tile.level < 0 else entries.c.hash), entries.c.position, true()
    query = select(column).where(level, place >= tile.first, place < end).order_by(place)
    return list(connection.scalars(query))


def verify_tree(connection: Connection) -> int:
    """The number of entries, every hash of which is recomputed. Raises LedgerError naming the first wrong one."""
    frontier, inner = Frontier(), 0
    query = select(entries).order_by(entries.c.position).limit(_CHUNK)
    while rows := connection.execute(query.where(entries.c.position >= frontier.size)).all():
        completed: dict[_Place, bytes] = {}
        for row in rows:
            _check_entry(row, frontier.size)
            frontier, made = frontier.append(row.hash)
            completed |= {(level, position): value for level, position, value in made[1:]}
        _check_nodes(connection, completed)
        inner += len(completed)
    stored = connection.scalar(select(func.count()).select_from(nodes))
    if stored != inner:
        raise LedgerError("log nodes", got=stored, expected=inner)
    return frontier.size


def _check_entry(row: Row[Any], expected: int) -> None:
    where = f"log entry {row.position}"
    if row.position != expected:
        raise LedgerError(where, got="a gap before it", expected=f"entry {expected}")
    if leaf_hash(row.data) != row.hash:
        raise LedgerError(where, got="other bytes", expected=f"those of {row.hash.hex()}")
    try:
        kind = read_entry(row.data).kind
    except ProtocolError as error:
        raise LedgerError(where, got=error.got, expected=error.expected) from error
    if kind != row.kind:
        raise LedgerError(where, got=f"kind {row.kind}", expected=kind)


def _check_nodes(connection: Connection, completed: Mapping[_Place, bytes]) -> None:
    places = list(completed)
    for start in range(0, len(places), _CHUNK):
        part = places[start : start + _CHUNK]
        stored = read_nodes(connection, part)
        for place in part:
            if stored[place] != completed[place]:
                raise LedgerError(f"log node {place}", got=stored[place].hex(), expected=completed[place].hex())
