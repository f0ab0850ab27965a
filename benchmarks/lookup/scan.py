"""What is measured apart from the deployment: the engine's scan in one thread, and the table pass in two processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.lookup.engines import Geometry
    from protocols.lookup.rows import Rows
    from protocols.lookup.table import TableChunk

BATCH = 64
EPOCH = bytes(32)
_REPEATS = 5
_CHUNK, _CHUNKS = 8192, 24  # slots of the table pass that is timed: some nine seconds of one core


def table(geometry: Geometry) -> Rows:
    """Uniform values and signatures, as a padded sum table has."""
    import numpy as np

    from protocols.lookup.parameters import MODULUS
    from protocols.lookup.rows import Rows

    rng = np.random.default_rng(1)
    values = rng.integers(0, MODULUS, (geometry.rows, geometry.slots, 8), dtype=np.uint32)
    return Rows(values, rng.integers(0, 256, (geometry.rows, geometry.signature_bytes), dtype=np.uint8))


def batches(rows: int, slots: int, quorum: int) -> dict[str, float]:
    """The lwe engine alone, in a process with one thread: queries a second in batches of 64, and one by itself.

    Raises RuntimeError for a row that is not the one asked for.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_scan, args=(theirs, rows, slots, quorum), daemon=True)
    process.start()
    theirs.close()
    figures: dict[str, float] | str = ours.recv()
    process.join()
    if isinstance(figures, str):
        raise RuntimeError(figures)
    return figures


def _scan(channel: Connection, rows: int, slots: int, quorum: int) -> None:
    import numpy as np
    import torch

    from federation.lookup import int8
    from federation.lookup.engines import load
    from protocols.lookup.engines import Geometry

    torch.set_num_threads(1)
    engine, geometry = load("lwe"), Geometry(rows, slots, quorum)
    held = table(geometry)
    prepared = engine.prepare(held, EPOCH)
    client = engine.client(geometry, EPOCH, prepared.hint, os.urandom)
    client.prepare(BATCH)
    asked = np.random.default_rng(2).integers(rows, size=BATCH).tolist()
    pending, queries = zip(*[client.query(row) for row in asked], strict=True)
    answers = prepared.answer(queries, None)
    for row, waiting, answer in zip(asked, pending, answers, strict=True):
        values, _ = waiting.open(answer)
        if not np.array_equal(values, held.values[row]):
            channel.send("the scan did not read the row asked for")
            return
    together = min(_cpu_s(lambda: prepared.answer(queries, None)) for _ in range(_REPEATS))
    alone = min(_cpu_s(lambda: prepared.answer(queries[:1], None)) for _ in range(_REPEATS))
    channel.send({"queries_per_s": BATCH / together, "alone_cpu_s": alone, "torch": int8.fastest().name == int8.TORCH})


def two_processes() -> dict[str, float]:
    """Wall seconds of the table pass over the same rows in one process and in two, and how much faster two are."""
    from federation.lookup.parallel import spread
    from protocols.lookup.table import TableKey, build_rows
    from protocols.oprf.group import random_scalar

    key = TableKey("bank-0", EPOCH, random_scalar(os.urandom), {"bank-1": os.urandom(32), "bank-2": os.urandom(32)})
    chunks = _chunks()
    took = {}
    for processes in (1, 2):
        started = time.monotonic()
        for _ in spread(partial(build_rows, key), chunks, processes=processes):
            pass
        took[processes] = time.monotonic() - started
    return {"one_s": took[1], "two_s": took[2], "speedup": took[1] / took[2]}


def _chunks() -> list[TableChunk]:
    """Chunks of random elements; the same ones in every chunk, which nothing that is timed can tell."""
    import numpy as np

    from protocols.lookup.parameters import COEFFICIENTS
    from protocols.lookup.table import TableChunk
    from protocols.oprf.group import hash_to_group

    points = b"".join(hash_to_group(os.urandom(16)) for _ in range(_CHUNK))
    empty, none = np.zeros(0, np.int64), np.zeros((0, COEFFICIENTS), np.int32)
    return [TableChunk(first * _CHUNK, _CHUNK, points, empty, none) for first in range(_CHUNKS)]


def _cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
