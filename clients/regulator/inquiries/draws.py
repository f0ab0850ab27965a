"""Draws, seeds and verdicts in log order, and the sample that each draw gives. Pure: whoever has the log has the same.

    draws = Draws(regulator_key, ombudsman_key)
    draws.leaf(index, leaf_hash, querier)            # every inquiry that can be judged, at its place
    draws.take(line)                                 # every entry of KINDS
    draws.grow(tree)                                 # after every entry
    draws.seen[leaf].sample                          # {index: Leaf}, once the seeds are in the log

1. A draw is signed by the regulator, and by the ombudsman where the policy names one. It counts where it stands first.
2. It waits until no draw on the same leaves is open: who commits to several and reveals one has chosen its sample.
3. Seeds are those committed to, said once, after the log has reached the draw's size; the draw lies MARGIN before it.
4. An inquiry is drawn where it stands first: a copy of it, by whoever keeps the log, adds no coin.
5. A verdict is on leaves that were drawn, all of one querier's, and follows the one before it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from clients.regulator.line import Line
from federation.oversight.inquiries import DRAW, OMBUDSMAN, REGULATOR, ConsentVerdict, SeedsStatement, read_draw
from protocols.consent.draw import MARGIN, Draw, SignedDraw, check_alone, drawn, joint_seed
from protocols.errors import MessageError, ProofError
from protocols.signing import VerifyingKey
from protocols.transparency import Frontier, read_entry

STATEMENTS = frozenset({SeedsStatement.kind, ConsentVerdict.kind})
KINDS = STATEMENTS | {DRAW}
_HASH = 32


@dataclass(frozen=True)
class Leaf:
    """One inquiry: its leaf hash and who asked."""

    hash: bytes
    querier: str


class Leaves:
    """All inquiries of a log, 44 bytes each."""

    def __init__(self) -> None:
        self._places, self._queriers, self._hashes = array("Q"), array("I"), bytearray()
        self._names: dict[str, int] = {}

    def add(self, index: int, leaf: Leaf) -> None:
        self._places.append(index)
        self._queriers.append(self._names.setdefault(leaf.querier, len(self._names)))
        self._hashes += leaf.hash

    def between(self, first: int, size: int) -> Iterator[tuple[int, Leaf]]:
        """(index, leaf) of those with first <= index < size."""
        names = list(self._names)
        for at in range(bisect_left(self._places, first), bisect_left(self._places, size)):
            start = _HASH * at
            yield self._places[at], Leaf(bytes(self._hashes[start : start + _HASH]), names[self._queriers[at]])

    def copies(self, leaves: Mapping[int, Leaf]) -> set[int]:
        """Places of those `leaves` that stand in the log before."""
        first: dict[bytes, int] = {leaf.hash: at for at, leaf in sorted(leaves.items(), reverse=True)}
        for at, leaf in self.between(0, max(leaves, default=0)):
            if first.get(leaf.hash, -1) > at:
                first[leaf.hash] = at
        return {at for at, leaf in leaves.items() if first[leaf.hash] != at}


@dataclass(frozen=True)
class DrawSeen:
    """A draw at its place; `sample` and `root` once the seeds are revealed. verdicts: the last on each querier."""

    index: int
    signed: SignedDraw
    leaves: int = 0  # inquiries drawn from
    root: bytes = b""
    revealed: SeedsStatement | None = None
    sample: Mapping[int, Leaf] = field(default_factory=dict)
    verdicts: dict[str, ConsentVerdict] = field(default_factory=dict)

    @property
    def draw(self) -> Draw:
        return self.signed.draw

    @property
    def void(self) -> bool:
        """The log grew past its size, or nearly, before it was logged: nothing may be drawn by it."""
        return self.index + MARGIN >= self.draw.size

    @property
    def open(self) -> bool:
        """Whether its seeds are awaited."""
        return self.revealed is None and not self.void

    def of(self, querier: str) -> dict[int, Leaf]:
        """The querier's part of the sample."""
        return {index: leaf for index, leaf in self.sample.items() if leaf.querier == querier}


class Draws:
    """Told in log order. `ombudsman`: the key of the second holder, where one is known."""

    def __init__(self, regulator: VerifyingKey, ombudsman: VerifyingKey | None = None) -> None:
        self._regulator = regulator
        self._holders = {REGULATOR: regulator} | ({} if ombudsman is None else {OMBUDSMAN: ombudsman})
        self._leaves = Leaves()
        self._wanted: set[int] = set()
        self._roots: dict[int, bytes] = {}
        self.seen: dict[str, DrawSeen] = {}  # by the leaf hash of the draw, in hexadecimal

    def leaf(self, index: int, leaf_hash: bytes, querier: str) -> None:
        """An inquiry that a draw may open."""
        self._leaves.add(index, Leaf(leaf_hash, querier))

    def grow(self, tree: Frontier) -> None:
        """`tree`: with all entries so far."""
        if tree.size in self._wanted:
            self._wanted.remove(tree.size)
            self._roots[tree.size] = tree.root

    def take(self, line: Line) -> None:
        """Raises MessageError, SignatureError or ProofError for what may not be said here: it counts for nothing."""
        entry = read_entry(line.data)
        if line.kind == DRAW:
            self._commit(line, read_draw(entry, self._holders))
        elif line.kind == SeedsStatement.kind:
            self._reveal(line, SeedsStatement.read(entry, self._regulator))
        else:
            self._judged(ConsentVerdict.read(entry, self._regulator))

    def sampled(self, seen: DrawSeen, said: SeedsStatement) -> DrawSeen:
        """`seen` with the sample that these seeds give, whether they are in the log yet or not.

        Raises ProofError for seeds that were not committed to, a draw that is void, a log that is not so long yet.
        """
        where, size = f"{said.kind}.draw", seen.draw.size
        if seen.void:
            raise ProofError(where, got=f"one at entry {seen.index}", expected=f"one {MARGIN} entries before {size}")
        key = joint_seed(seen.draw, said.revealed)
        if size not in self._roots:
            raise ProofError(where, got="a shorter log", expected=f"none of the seeds before it has {size} entries")
        root, leaves, fallen = self._roots[size], 0, dict[int, Leaf]()
        for at, leaf in self._leaves.between(seen.draw.first, size):
            leaves += 1
            if drawn(key, root, at, seen.draw.rate):
                fallen[at] = leaf
        copies = self._leaves.copies(fallen)
        sample = {at: leaf for at, leaf in fallen.items() if at not in copies}
        return replace(seen, leaves=leaves, root=root, revealed=said, sample=sample)

    def _commit(self, line: Line, signed: SignedDraw) -> None:
        name = line.leaf.hex()
        if name in self.seen:
            raise MessageError(DRAW, got=f"{name[:16]} a second time", expected="once")
        seen = DrawSeen(line.index, signed)
        if not seen.void:
            check_alone(signed.draw, (each.draw for each in self.seen.values() if each.open))
            self._wanted.add(signed.draw.size)
        self.seen[name] = seen

    def _reveal(self, line: Line, said: SeedsStatement) -> None:
        seen = self._known(said.draw, said.kind)
        if line.index < seen.draw.size:
            expected = f"none before the log has {seen.draw.size}"
            raise ProofError(f"{said.kind}.draw", got=f"seeds at entry {line.index}", expected=expected)
        if seen.revealed is not None:
            raise MessageError(f"{said.kind}.draw", got="seeds for the second time", expected="once")
        self.seen[said.draw] = self.sampled(seen, said)

    def _judged(self, said: ConsentVerdict) -> None:
        seen = self._known(said.draw, said.kind)
        part, before = seen.of(said.querier), seen.verdicts.get(said.querier)
        if seen.revealed is None or said.drawn != len(part):
            got, expected = f"{said.drawn} of {said.querier}", f"{len(part)}, as drawn"
            raise ProofError(f"{said.kind}.drawn", got=got, expected=expected)
        for each in said.broken:
            if each.index not in part or part[each.index].hash.hex() != each.leaf:
                got = f"entry {each.index} of {said.querier}"
                raise ProofError(f"{said.kind}.broken", got=got, expected="one that was drawn")
        number = 1 if before is None else before.number + 1
        if said.number != number:
            raise MessageError(f"{said.kind}.number", got=said.number, expected=number)
        seen.verdicts[said.querier] = said

    def _known(self, draw: str, kind: str) -> DrawSeen:
        if draw not in self.seen:
            raise MessageError(f"{kind}.draw", got=f"{draw[:16]}, not in the log", expected="one that is logged before")
        return self.seen[draw]
