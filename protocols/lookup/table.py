"""A member's table: record or zero, plus pad, plus masks, mod t; and the sum of all members' tables.

    snapshot = Snapshot.of(places, values, members=len(roster.members))
    secrets  = secrets.bind(context.signed.epoch, snapshot.digest)  # stored before anything is built
    table    = MemberTable.plan(secrets, context, layout, snapshot)
    for packed in map(partial(build_rows, table.key), table.chunks()):  # or in processes; 20 bytes a record

A table is a function of (secrets, snapshot, signed epoch, layout) and nothing else: built again after a crash it has
the same bytes. Another snapshot under the same secrets is refused by `EpochSecrets.bind`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from protocols.canonical import digest
from protocols.errors import MessageError, StageError
from protocols.lookup.context import EpochContext
from protocols.lookup.layout import Layout
from protocols.lookup.manifest import EpochHeader
from protocols.lookup.packing import pack, unpack
from protocols.lookup.pads import net_masks, pads
from protocols.lookup.parameters import CHECK, COEFFICIENTS, COUNT, LIMIT, MODULUS, RECORD_BYTES
from protocols.lookup.placement import Places
from protocols.lookup.secrets import Binding, EpochSecrets
from protocols.oprf.group import SIZE

_SNAPSHOT = "fedscore/v1/lookup/snapshot"
_TABLE = b"fedscore/v1/lookup/table\0"
_SUM = b"fedscore/v1/lookup/sum\0"
_CHUNK_SLOTS = 8192
_SUM_RECORDS = 16384
_NAMES = ("check", "count", "evidence", "part 1", "part 2", "part 3", "part 4", "part 5")


@dataclass(frozen=True)
class Snapshot:
    """A member's records as they stand for one epoch: places in increasing order (int64[m]) and values (int32[m, 8]).

    Raises MessageError naming record and coefficient (never a value) unless check is 0, count is 1 and J * |value|
    stays below t / 2, so that no sum over J members wraps around.
    """

    layout_digest: bytes
    positions: NDArray[np.int64] = field(repr=False)
    values: NDArray[np.int32] = field(repr=False)
    members: int

    def __post_init__(self) -> None:
        if self.values.dtype != np.int32 or self.values.shape != (len(self.positions), COEFFICIENTS):
            got = f"{self.values.dtype}{list(self.values.shape)}"
            raise MessageError("records", got=got, expected=f"int32[{len(self.positions)}, {COEFFICIENTS}]")
        if self.positions.dtype != np.int64 or (np.diff(self.positions, prepend=-1) <= 0).any():
            raise MessageError("records", got="places in another order", expected="increasing, each once")
        for column, expected in ((CHECK, 0), (COUNT, 1)):
            self._refuse(self.values[:, column] != expected, column, f"{expected}")
        bound = LIMIT // self.members
        for column in range(COUNT + 1, COEFFICIENTS):
            values = self.values[:, column].astype(np.int64)
            self._refuse(np.abs(values) > bound, column, f"at most {bound} in size, for {self.members} members")

    def _refuse(self, wrong: NDArray[np.bool_], column: int, expected: str) -> None:
        rows = np.flatnonzero(wrong)
        if rows.size:
            raise MessageError(f"record {rows[0]}, {_NAMES[column]}", got="another value", expected=expected)

    @classmethod
    def of(cls, places: Places, values: NDArray[np.int32], members: int) -> Snapshot:
        """The records `values`, in the order of the customers whose proved `places` these are, for J = `members`."""
        if len(values) != len(places.positions):
            raise MessageError("records", got=len(values), expected=f"{len(places.positions)}, one for every place")
        order = np.argsort(places.positions)
        return cls(places.layout_digest, places.positions[order], values[order], members)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes; kept in the private file with the secrets, never sent."""
        parts = (self.positions.astype("<i8").tobytes(), self.values.astype("<i4").tobytes())
        return digest(_SNAPSHOT, self.layout_digest + len(self.positions).to_bytes(8, "big") + b"".join(parts))


@dataclass(frozen=True)
class TableKey:
    """What every chunk of one table shares: whose, which epoch, s_j and the seeds of the masks. Never printed."""

    institution: str
    epoch_id: bytes
    pad: bytes = field(repr=False)
    seeds: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class TableChunk:
    """Some rows: their first slot and how many, the points that stand there, the own records among them."""

    first_slot: int
    count: int
    points: bytes
    positions: NDArray[np.int64] = field(repr=False)
    values: NDArray[np.int32] = field(repr=False)


@dataclass(frozen=True)
class MemberTable:
    """A table that may be built: secrets bound to this epoch and this snapshot."""

    key: TableKey
    layout: Layout = field(repr=False)
    snapshot: Snapshot = field(repr=False)

    @classmethod
    def plan(cls, secrets: EpochSecrets, context: EpochContext, layout: Layout, snapshot: Snapshot) -> MemberTable:
        """Raises StageError unless `secrets` are bound to this epoch and snapshot; MessageError for another layout, for
        keys that the epoch does not name, or a snapshot checked for another number of members."""
        signed = context.signed
        layout.check_named(signed.epoch)
        secrets.check_named(signed.layout)
        if snapshot.layout_digest != layout.digest or snapshot.members != len(context.institutions):
            raise MessageError("snapshot", got="one of another layout", expected="places of this layout, this roster")
        if secrets.bound != Binding(signed.epoch.id, snapshot.digest):
            got = "none" if secrets.bound is None else "another epoch or snapshot"
            raise StageError("binding of the secrets", got=got, expected="this epoch and this snapshot")
        seeds = secrets.mask_seeds(signed.layout)
        return cls(TableKey(secrets.institution, signed.epoch.id, secrets.pad, seeds), layout, snapshot)

    def chunks(self, rows: int | None = None, first_row: int = 0) -> Iterator[TableChunk]:
        """The table in parts of `rows` rows (by default about 8,192 slots), from `first_row` on."""
        slots, positions = self.layout.slots, self.snapshot.positions
        step = rows or max(1, _CHUNK_SLOTS // slots)
        for row in range(first_row, self.layout.rows, step):
            first, count = row * slots, (min(row + step, self.layout.rows) - row) * slots
            low, high = np.searchsorted(positions, (first, first + count))
            points = self.layout.points[first * SIZE : (first + count) * SIZE]
            yield TableChunk(first, count, points, positions[low:high] - first, self.snapshot.values[low:high])


def build_rows(key: TableKey, chunk: TableChunk) -> bytes:
    """The chunk's rows, 20 bytes a record: record or 0 + pad + masks mod t; empty slots hold the masks alone."""
    total = net_masks(key.institution, key.seeds, key.epoch_id, chunk.first_slot, chunk.count).astype(np.int64)
    total[: len(chunk.points) // SIZE] += pads(key.pad, key.epoch_id, key.institution, chunk.points)
    total[chunk.positions] += chunk.values
    return pack((total % MODULUS).astype(np.uint32))


class TableHash:
    """The digest of one member's table, fed as the bytes come: SHA-256(label, epoch_id, institution, packed rows)."""

    def __init__(self, epoch_id: bytes, institution: str) -> None:
        name = institution.encode()
        self._state = hashlib.sha256(_TABLE + epoch_id + len(name).to_bytes(2, "big") + name)

    def update(self, packed: bytes | memoryview) -> None:
        self._state.update(packed)

    def digest(self) -> bytes:
        return self._state.digest()


def table_digest(epoch_id: bytes, institution: str, packed: bytes | memoryview) -> bytes:
    """What a member logs before its table goes to the pool, 32 bytes."""
    state = TableHash(epoch_id, institution)
    state.update(packed)
    return state.digest()


class SumTable:
    """The sum of all members' tables, uint32[rows, slots, 8] mod t. Order of adding does not matter."""

    def __init__(self, epoch: EpochHeader, institutions: tuple[str, ...]) -> None:
        self._epoch = epoch
        self._missing = set(institutions)
        self._total = np.zeros((epoch.rows, epoch.slots, COEFFICIENTS), dtype=np.uint32)
        self.digests: dict[str, bytes] = {}

    def add(self, institution: str, packed: bytes | memoryview, logged: bytes) -> None:
        """Add one member's table, given the digest it signed and logged.

        Raises StageError for a table that was added or is not awaited; MessageError, naming the institution, for
        another length or digest or a value not below t. Nothing is added then.
        """
        if institution not in self._missing:
            raise StageError(f"table of {institution}", got="one more", expected="one of every member")
        size = self._epoch.rows * self._epoch.slots * RECORD_BYTES
        if len(packed) != size:
            raise MessageError(f"table of {institution}", got=f"{len(packed)} bytes", expected=f"{size} bytes")
        found = table_digest(self._epoch.id, institution, packed)
        if found != logged:
            raise MessageError(
                f"table of {institution}", got=found.hex()[:16], expected=f"{logged.hex()[:16]}, as logged"
            )
        self._add(institution, memoryview(packed))
        self._missing.discard(institution)
        self.digests[institution] = found

    def _add(self, institution: str, packed: memoryview) -> None:
        """Chunk by chunk: a whole table unpacked would take six times its size."""
        total = self._total.reshape(-1, COEFFICIENTS)
        for first in range(0, len(total), _SUM_RECORDS):
            part = slice(first, first + _SUM_RECORDS)
            try:
                values = unpack(_records(packed, part), f"table of {institution}", first)
            except MessageError:
                self._take_back(packed, first)
                raise
            add_residues(total[part], values)

    def _take_back(self, packed: memoryview, end: int) -> None:
        total = self._total.reshape(-1, COEFFICIENTS)
        for first in range(0, end, _SUM_RECORDS):
            part = slice(first, first + _SUM_RECORDS)
            add_residues(total[part], np.uint32(MODULUS) - unpack(_records(packed, part)))

    @property
    def values(self) -> NDArray[np.uint32]:
        """Raises StageError while a table is missing."""
        if self._missing:
            got = f"no table of {', '.join(sorted(self._missing))}"
            raise StageError("sum of the tables", got=got, expected="one of every member")
        return self._total


def _records(packed: memoryview, part: slice) -> memoryview:
    return packed[part.start * RECORD_BYTES : part.stop * RECORD_BYTES]


def add_residues(total: NDArray[np.uint32], values: NDArray[np.uint32]) -> None:
    """total += values, below t again where both are at most t: unsigned, total - t wraps around unless total >= t."""
    total += values
    np.minimum(total, total - np.uint32(MODULUS), out=total)


def sum_digest(epoch_id: bytes, values: Iterable[NDArray[np.uint32]]) -> bytes:
    """32 bytes over the packed sum table, row after row: uint32[rows, slots, 8], or its rows as they come."""
    state = hashlib.sha256(_SUM + epoch_id)
    for row in values:
        state.update(pack(row))
    return state.digest()
