"""The engine that hides nothing, for tests: what the others must agree with. No manifest can name it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protocols.errors import MessageError, StageError
from protocols.lookup.engines.base import Geometry, Random, check_epoch_id, check_row, check_subjects
from protocols.lookup.packing import pack, unpack
from protocols.lookup.rows import Rows


class PlaintextEngine:
    name = "plaintext"

    def geometry(self, subjects: int, quorum: int) -> Geometry:
        slots = min(5, check_subjects(subjects))
        return Geometry(-(-subjects // slots), slots, quorum)

    def prepare(self, rows: Rows, epoch_id: bytes) -> PlaintextPrepared:
        check_epoch_id(epoch_id)
        return PlaintextPrepared(rows)

    def client(
        self, geometry: Geometry, epoch_id: bytes, hint: bytes, random: Random, saved: bytes | None = None
    ) -> PlaintextClient:
        check_epoch_id(epoch_id)
        if hint or saved is not None:
            raise MessageError("hint", got=f"{len(hint)} bytes", expected="0 bytes and no state")
        return PlaintextClient(geometry, random)


class PlaintextPrepared:
    hint = b""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        if keys:
            raise MessageError("keys", got=f"{len(keys)} bytes", expected="none")
        return [self._row(query) for query in queries]

    def _row(self, query: bytes) -> bytes:
        if len(query) != 36:
            raise MessageError("query", got=f"{len(query)} bytes", expected="36 bytes")
        row = int.from_bytes(query[:4], "little")
        if row >= len(self._rows.values):
            raise MessageError("query", got="a row outside the table", expected=f"below {len(self._rows.values)}")
        return pack(self._rows.values[row]) + self._rows.signatures[row].tobytes()


class PlaintextClient:
    keys = b""

    def __init__(self, geometry: Geometry, random: Random) -> None:
        self._geometry = geometry
        self._random = random

    def save(self) -> None:
        return None

    def prepare(self, queries: int) -> None:
        return None

    def query(self, row: int) -> tuple[PlaintextPending, bytes]:
        query = check_row(row, self._geometry).to_bytes(4, "little") + self._random(32)
        return PlaintextPending(self._geometry), query


class PlaintextPending:
    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._opened = False

    def open(self, answer: bytes) -> tuple[np.ndarray, bytes]:
        if self._opened:
            raise StageError("answer", got="a second answer", expected="one")
        records = 20 * self._geometry.slots
        if len(answer) != records + self._geometry.signature_bytes:
            raise MessageError("answer", got=f"{len(answer)} bytes", expected="a row")
        self._opened = True
        return unpack(answer[:records]), answer[records:]
