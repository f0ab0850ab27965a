"""A process that holds the prepared table of one epoch and answers queries: SEAL holds the interpreter's lock.

`server.lookup.scanner` starts it as `server.lookup.scan_process`; it hears plan and work over a pipe, and ends with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from federation.lookup.engines import load
from federation.runtime.processes import release_memory
from protocols.errors import MessageError
from protocols.lookup.engines.base import Prepared
from protocols.lookup.packing import unpack
from protocols.lookup.parameters import COEFFICIENTS, RECORD_BYTES
from protocols.lookup.rows import SIGNATURE_BYTES, Rows

_RECORDS_AT_ONCE = 16384


@dataclass(frozen=True)
class Plan:
    """What to prepare: the packed rows of `file` (values and signatures, row after row) for one engine and epoch."""

    engine: str
    epoch_id: bytes
    file: Path
    rows: int
    slots: int
    quorum: int

    def read(self) -> Rows:
        """All of it. Raises as `parts`."""
        values = np.empty((self.rows, self.slots, COEFFICIENTS), dtype=np.uint32)
        signatures = np.empty((self.rows, self.quorum * SIGNATURE_BYTES), dtype=np.uint8)
        first = 0
        for part in self.parts():
            here = slice(first, first + len(part.values))
            values[here], signatures[here] = part.values, part.signatures
            first = here.stop
        return Rows(values, signatures)

    def parts(self) -> Iterator[Rows]:
        """Some rows after the other: a table unpacked at once takes several times its size.

        Raises MessageError for a file of another shape, or values out of range.
        """
        records, signed = self.slots * RECORD_BYTES, self.quorum * SIGNATURE_BYTES
        size, expected = self.file.stat().st_size, self.rows * (records + signed)
        if size != expected:
            raise MessageError("rows", got=f"{size} bytes", expected=f"{expected} bytes")
        at_once = max(1, _RECORDS_AT_ONCE // self.slots)
        with self.file.open("rb") as file:
            while data := file.read(at_once * (records + signed)):
                packed = np.frombuffer(data, dtype=np.uint8).reshape(-1, records + signed)
                values = unpack(packed[:, :records].tobytes(), "rows")
                yield Rows(values.reshape(-1, self.slots, COEFFICIENTS), packed[:, records:])


@dataclass(frozen=True)
class Work:
    """Queries of one engine call; `keys` is the file of the querier's evaluation keys, named `keys_hash`."""

    queries: tuple[bytes, ...]
    keys: Path | None
    keys_hash: bytes


@dataclass(frozen=True)
class Trouble:
    """What the engine objects to: the parts of a MessageError."""

    field: str
    got: str
    expected: str


def work(connection: Connection) -> None:
    """Hear the plan, prepare, say the hint, answer until the pipe ends."""
    with suppress(EOFError, OSError):
        plan: Plan = connection.recv()
        prepared = load(plan.engine).prepare(plan.read(), plan.epoch_id)
        release_memory()
        connection.send(prepared.hint)
        while True:
            asked: Work = connection.recv()
            connection.send(_answer(prepared, asked))


def _answer(prepared: Prepared, asked: Work) -> list[bytes] | Trouble:
    try:
        return prepared.answer(asked.queries, _keys(asked))
    except MessageError as error:
        return Trouble(error.field, error.got, error.expected)


def _keys(asked: Work) -> bytes | None:
    """Read each time: 3 MB that the kernel has in its cache, where kept ones would lie beside what the engine keeps."""
    if asked.keys is None:
        return None
    with asked.keys.open("rb") as file:
        if file.read(32) != asked.keys_hash:
            raise MessageError("keys", got="others, registered since", expected="those the query names")
        return file.read()
