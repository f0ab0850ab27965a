"""The layout: where every subject of the union stands, the same for all members and known to all of them.

    relay    union(contributions) -> lift(z, points), chunk by chunk -> arrange(...) -> published
    member   check_points(...) for every chunk, layout.check_named(epoch), dummies present, own places (`placement`)

A subject stands at H(layout_id, Q): nobody chooses a place. A layout is refused unless its points are canonical, not
the identity and strictly increasing: otherwise the relay could list a subject twice, or hide one from a search.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from protocols.canonical import digest
from protocols.errors import MessageError, ProofError
from protocols.lookup.manifest import EpochHeader
from protocols.lookup.roster import Roster
from protocols.oprf.group import SIZE, Element, Scalar, check_element, multiply

_ORDER = b"fedscore/v1/lookup/order\0"
_LAYOUT = "fedscore/v1/lookup/layout"
_CHUNK = 4096


@dataclass(frozen=True)
class PointsChunk:
    """Part of a layout to check: `points` from index `first` on, and the point `before` them (b"" at the start)."""

    first: int
    points: bytes
    before: bytes


@dataclass(frozen=True)
class Layout:
    """The points Q in their order (32 bytes each) and the records in a row. Not checked yet: see `check_points`."""

    layout_id: bytes
    points: bytes = field(repr=False)
    slots: int

    def __post_init__(self) -> None:
        if not self.points or len(self.points) % SIZE:
            raise MessageError("layout", got=f"{len(self.points)} bytes", expected=f"a multiple of {SIZE}")
        if self.slots < 1:
            raise MessageError("layout.slots", got=self.slots, expected="at least 1")

    @property
    def subjects(self) -> int:
        return len(self.points) // SIZE

    @property
    def rows(self) -> int:
        return -(-self.subjects // self.slots)

    def point(self, index: int) -> Element:
        return self.points[index * SIZE : (index + 1) * SIZE]

    @cached_property
    def digest(self) -> bytes:
        """32 bytes over layout_id, slots and all points."""
        return digest(_LAYOUT, self.layout_id + self.slots.to_bytes(8, "big") + self.points)

    def find(self, point: Element) -> tuple[int, int] | None:
        """(row, slot) of Q, or None if it has no place. 20 hashes for a million subjects."""
        key = order_key(self.layout_id, point)
        index = bisect_left(range(self.subjects), key, key=lambda at: order_key(self.layout_id, self.point(at)))
        if index == self.subjects or self.point(index) != point:
            return None
        return divmod(index, self.slots)

    def positions(self, points: Sequence[Element]) -> NDArray[np.int64]:
        """int64[m]: the index row * slots + slot of every point, -1 where there is none. One pass over the layout."""
        wanted = {point: number for number, point in enumerate(points)}
        found = np.full(len(points), -1, dtype=np.int64)
        for index, offset in enumerate(range(0, len(self.points), SIZE)):
            number = wanted.get(self.points[offset : offset + SIZE])
            if number is not None:
                found[number] = index
        return found

    def chunks(self, size: int = _CHUNK) -> Iterator[PointsChunk]:
        """The whole layout, for `check_points`, in parts of `size` points."""
        for first in range(0, self.subjects, size):
            before = self.point(first - 1) if first else b""
            yield PointsChunk(first, self.points[first * SIZE : (first + size) * SIZE], before)

    def check_named(self, epoch: EpochHeader) -> None:
        """Raises MessageError unless `epoch` names this very layout: its points, order and shape."""
        for name, got, expected in (
            ("layout_id", self.layout_id.hex()[:16], epoch.layout_id.hex()[:16]),
            ("layout_digest", self.digest.hex()[:16], epoch.layout_digest.hex()[:16]),
            ("subjects", self.subjects, epoch.subjects),
            ("slots", self.slots, epoch.slots),
        ):
            if got != expected:
                raise MessageError(f"epoch.{name}", got=expected, expected=f"{got}, of the layout")

    def check_holds(self, points: Sequence[Element], what: str) -> None:
        """Raises ProofError naming the first of `points` (the dummies) that has no place."""
        for number, point in enumerate(points):
            if self.find(point) is None:
                raise ProofError(f"relay, layout, {what} {number}", got="no place", expected="a place for every one")


def order_key(layout_id: bytes, point: Element) -> bytes:
    """What a layout is sorted by, 16 bytes."""
    return hashlib.sha256(_ORDER + layout_id + point).digest()[:16]


def check_points(layout_id: bytes, chunk: PointsChunk) -> None:
    """Raises ProofError naming the relay and the index of the first point that is no element, the identity, or not
    after its predecessor in the order. 6 microseconds a point."""
    last = order_key(layout_id, chunk.before) if chunk.before else b""
    for offset in range(0, len(chunk.points), SIZE):
        index = chunk.first + offset // SIZE
        point = chunk.points[offset : offset + SIZE]
        try:
            check_element(point, f"relay, layout, point {index}")
        except MessageError as error:
            raise ProofError(error.field, got=error.got, expected=error.expected) from error
        key = order_key(layout_id, point)
        if key <= last:
            where = f"relay, layout, points {index - 1} to {index}"
            raise ProofError(where, got="the same point" if key == last else "another order", expected="increasing")
        last = key


def check_contribution(roster: Roster, institution: str, points: bytes) -> None:
    """What the relay checks of one member's P: at most its attested customers, elements, each once.

    Raises MessageError naming the institution.
    """
    count, rest = divmod(len(points), SIZE)
    attested = roster.member(institution).customers
    if rest or count > attested:
        raise MessageError(f"points of {institution}", got=f"{len(points)} bytes", expected=f"<= {attested} points")
    elements = split(points)
    if len(set(elements)) != count:
        raise MessageError(f"points of {institution}", got="one point twice", expected="every customer once")
    for number, element in enumerate(elements):
        check_element(element, f"point {number} of {institution}")


def union(contributions: Mapping[str, bytes]) -> bytes:
    """Every P that some member contributed, once, in an order that does not tell whose it is."""
    return b"".join(sorted({point for points in contributions.values() for point in split(points)}))


def lift(z: Scalar, points: bytes) -> bytes:
    """Q = z P for every point of a chunk: 41 microseconds each, at the relay. Raises MessageError for no element."""
    return b"".join([multiply(z, point) for point in split(points)])


def arrange(layout_id: bytes, lifted: bytes, dummies: Sequence[Element], slots: int) -> Layout:
    """The layout of the lifted union and the dummies. Raises MessageError for a point that is there twice."""
    points = [*split(lifted), *dummies]
    if len(set(points)) != len(points):
        raise MessageError("lifted points", got="one point twice", expected="every point once")
    points.sort(key=lambda point: order_key(layout_id, point))
    return Layout(layout_id, b"".join(points), slots)


def split(points: bytes) -> list[Element]:
    """The elements that stand one after the other."""
    return [points[offset : offset + SIZE] for offset in range(0, len(points), SIZE)]
