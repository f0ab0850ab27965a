"""A process that holds the prepared table of one epoch and answers queries: SEAL holds the interpreter's lock.

It is started by `server.lookup.scanner`, hears work over a pipe, and ends with it.
"""

from __future__ import annotations

import signal
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from federation.lookup.engines import load
from federation.runtime.processes import protect_memory
from protocols.errors import MessageError
from protocols.lookup.engines.base import Prepared
from protocols.lookup.packing import unpack
from protocols.lookup.parameters import COEFFICIENTS, RECORD_BYTES
from protocols.lookup.rows import SIGNATURE_BYTES, Rows

_KEYS_HELD = 4  # evaluation keys kept in memory, of the queriers served last


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
        """Raises MessageError for a file of another shape."""
        values, signatures = self.slots * RECORD_BYTES, self.quorum * SIGNATURE_BYTES
        data = np.fromfile(self.file, dtype=np.uint8).reshape(self.rows, values + signatures)
        packed = np.ascontiguousarray(data[:, :values]).tobytes()
        shaped = unpack(packed, "rows").reshape(self.rows, self.slots, COEFFICIENTS)
        return Rows(shaped, np.ascontiguousarray(data[:, values:]))


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


def work(connection: Connection, plan: Plan) -> None:
    """Prepare, say the hint, answer until the pipe ends."""
    protect_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    held: OrderedDict[bytes, bytes] = OrderedDict()
    with suppress(EOFError, OSError):
        prepared = load(plan.engine).prepare(plan.read(), plan.epoch_id)
        connection.send(prepared.hint)
        while True:
            asked: Work = connection.recv()
            connection.send(_answer(prepared, asked, held))


def _answer(prepared: Prepared, asked: Work, held: OrderedDict[bytes, bytes]) -> list[bytes] | Trouble:
    try:
        return prepared.answer(asked.queries, _keys(asked, held))
    except MessageError as error:
        return Trouble(error.field, error.got, error.expected)


def _keys(asked: Work, held: OrderedDict[bytes, bytes]) -> bytes | None:
    if asked.keys is None:
        return None
    if asked.keys_hash not in held:
        data = asked.keys.read_bytes()
        if data[:32] != asked.keys_hash:
            raise MessageError("keys", got="others, registered since", expected="those the query names")
        held[asked.keys_hash] = data[32:]
        if len(held) > _KEYS_HELD:
            held.popitem(last=False)
    held.move_to_end(asked.keys_hash)
    return held[asked.keys_hash]
