"""The engine that encrypts nothing: the whole padded sum table is downloaded once per epoch and read at home.

Perfect privacy of the query, against anyone and for ever, because no query is sent: the pool learns that a querier
took the table, and not even when it looks something up. The table is as safe in its hands as in the pool's, which
already holds it: what opens a record is the ticket for its subject (`protocols.lookup.pads`). The price is the
download, 22 MB per million subjects and epoch, and that a table once copied stays copied: see `docs/engines.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError, StageError
from protocols.lookup.engines.base import Geometry, Random, check_epoch_id, check_row, check_subjects
from protocols.lookup.packing import pack, unpack
from protocols.lookup.parameters import RECORD_BYTES
from protocols.lookup.rows import Rows

SLOTS = 64
"""Records a row: two signatures then add a tenth to the table."""


class MirrorEngine:
    """hint: every row's records, 20 bytes each, and its signatures. Queries, answers and keys are empty."""

    name = "mirror"

    def geometry(self, subjects: int, quorum: int) -> Geometry:
        slots = min(SLOTS, check_subjects(subjects))
        return Geometry(rows=-(-subjects // slots), slots=slots, quorum=quorum)

    def prepare(self, rows: Rows, epoch_id: bytes) -> MirrorPrepared:
        check_epoch_id(epoch_id)
        return MirrorPrepared(rows)

    def client(
        self, geometry: Geometry, epoch_id: bytes, hint: bytes, random: Random, saved: bytes | None = None
    ) -> MirrorClient:
        check_epoch_id(epoch_id)
        if saved is not None:
            raise MessageError("saved", got="state", expected="none: mirror has no secrets")
        return MirrorClient(geometry, hint)


class MirrorPrepared:
    """The table, packed to be downloaded."""

    def __init__(self, rows: Rows) -> None:
        count = rows.values.shape[0]
        packed = np.frombuffer(pack(rows.values), dtype=np.uint8).reshape(count, -1)
        self.hint = np.hstack([packed, rows.signatures]).tobytes()

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        """Nothing for nothing; anything else raises MessageError."""
        if keys:
            raise MessageError("keys", got=f"{len(keys)} bytes", expected="none: mirror has no evaluation keys")
        for query in queries:
            if query:
                raise MessageError("query", got=f"{len(query)} bytes", expected="0 bytes")
        return [b""] * len(queries)


class MirrorClient:
    """Reads rows of the table it holds."""

    keys = b""

    def __init__(self, geometry: Geometry, hint: bytes) -> None:
        self._geometry = geometry
        self._row_bytes = RECORD_BYTES * geometry.slots + geometry.signature_bytes
        expected = geometry.rows * self._row_bytes
        if len(hint) != expected:
            raise MessageError("hint", got=f"{len(hint)} bytes", expected=f"{expected} bytes")
        self._table = hint

    def save(self) -> None:
        """Nothing: the table itself is kept by whoever downloaded it."""

    def prepare(self, queries: int) -> None:
        """Nothing to do."""

    def query(self, row: int) -> tuple[MirrorPending, bytes]:
        """The row, already here, and an empty message; see `Client.query`."""
        start = check_row(row, self._geometry) * self._row_bytes
        records = RECORD_BYTES * self._geometry.slots
        return MirrorPending(self._table[start : start + self._row_bytes], records), b""


class MirrorPending:
    """A row to be opened once."""

    def __init__(self, row: bytes, records: int) -> None:
        self._row: bytes | None = row
        self._records = records

    def open(self, answer: bytes) -> tuple[npt.NDArray[np.uint32], bytes]:
        """The row's values and signatures; `answer` is empty."""
        if self._row is None:
            raise StageError("mirror.answer", got="a second answer", expected="one answer per query")
        if answer:
            raise MessageError("answer", got=f"{len(answer)} bytes", expected="0 bytes")
        row, self._row = self._row, None
        return unpack(row[: self._records]), row[self._records :]
