"""The engine alone: one process that serves a table of random values, one thread each, every row compared.

Quick, and free of everything that is not the scan: `python -m benchmarks lookup --scan-only`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.lookup.clocks import peak_memory
from benchmarks.lookup.deployment import QUORUM
from benchmarks.lookup.parties import Party

if TYPE_CHECKING:
    from protocols.lookup.engines import Engine, Geometry
    from protocols.lookup.rows import Rows

BATCH = 64
_EPOCH = bytes(32)
_DUMMIES = 64
_REPEATS = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """What the serving process is given; `portable`: lwe as on a machine without int8 instructions."""

    engine: str
    subjects: int
    portable: bool = False

    def load(self) -> tuple[Engine, Geometry]:
        engine = _engine(self.engine, self.portable)
        return engine, engine.geometry(self.subjects + _DUMMIES, QUORUM)


def measure(engine_name: str, subjects: int, *, portable: bool = False) -> dict[str, Any]:
    """CPU seconds are medians of a few. Raises RuntimeError for a row that is not the one asked for."""
    given = Served(engine_name, subjects, portable)
    engine, geometry = given.load()
    with Party("scan", _serve, given) as server:
        hint, prepare_cpu_s = server.receive()
        keys_cpu_s, client = _timed(lambda: engine.client(geometry, _EPOCH, hint, os.urandom))
        server.send(client.keys)
        made, opened, alone, noise = [], [], [], []
        pending: Any
        for row in _rows(geometry, _REPEATS):
            cpu_s, (pending, query) = _timed(lambda row=row: client.query(row))  # type: ignore[misc]
            made.append(cpu_s)
            server.send([query])
            served_s, [answer] = server.receive()
            alone.append(served_s)
            if engine_name == "bfv":
                noise.append(pending.noise_budget(answer))
            opened.append(_timed(lambda: _compare(geometry, row, pending.open(answer)))[0])  # noqa: B023
        figures: dict[str, Any] = {
            "rows": geometry.rows,
            "slots": geometry.slots,
            "scan_cpu_s": statistics.median(alone),
            "scan_prepare_cpu_s": prepare_cpu_s,
            "scan_bytes_up": len(query),
            "scan_bytes_down": len(answer),
            "scan_key_bytes": len(client.keys) + len(hint),
            "scan_querier_start_cpu_s": keys_cpu_s,
            "scan_querier_ask_cpu_s": statistics.median(made),
            "scan_querier_open_cpu_s": statistics.median(opened),
        }
        if noise:
            figures["scan_noise_budget_min"] = min(noise)
        if engine_name == "lwe":
            figures |= _batched(server, client, geometry) | {"scan_portable": portable}
        server.send([])
        figures["scan_rss_peak_gb"] = server.receive()
    return figures


def _batched(server: Party, client: Any, geometry: Geometry) -> dict[str, float]:
    """Batches of 64: queries a second and core at the pool, CPU a query at the querier."""
    prepared_s, _ = _timed(lambda: client.prepare(BATCH))
    rows = _rows(geometry, BATCH)
    pending, queries = zip(*[client.query(row) for row in rows], strict=True)
    served = []
    for _ in range(_REPEATS):
        server.send(list(queries))
        cpu_s, answers = server.receive()
        served.append(cpu_s)
    for row, waiting, answer in zip(rows, pending, answers, strict=True):
        _compare(geometry, row, waiting.open(answer))
    return {
        "batch_queries_per_s_per_core": BATCH / min(served),
        "scan_querier_ask_batched_cpu_s": prepared_s / BATCH,
    }


def _serve(channel: Connection, given: Served) -> None:
    """Prepare, say the hint; hear the keys; answer until an empty list, then say what memory it took."""
    engine, geometry = given.load()
    held = _table(geometry)
    prepare_cpu_s, prepared = _timed(lambda: engine.prepare(held, _EPOCH))
    channel.send((prepared.hint, prepare_cpu_s))
    keys = channel.recv() or None
    warm = False
    while queries := channel.recv():
        if not warm:  # keys are read once an epoch
            prepared.answer(queries, keys)
            warm = True
        channel.send(_timed(lambda: prepared.answer(queries, keys)))
    channel.send(peak_memory(os.getpid()) / 1e9)


def _engine(name: str, portable: bool) -> Engine:
    from federation.lookup.engines import load
    from protocols.lookup.engines import engine
    from protocols.lookup.engines.lwe.product import blas_product

    if name == "lwe":
        import torch

        torch.set_num_threads(1)
    return engine("lwe", product=blas_product, process_id=os.getpid) if portable else load(name)


def _table(geometry: Geometry, row: int | None = None) -> Rows:
    """Uniform values and signatures, as a padded sum table has: the same in both processes; all of it, or one row."""
    import numpy as np

    from protocols.lookup.parameters import MODULUS
    from protocols.lookup.rows import Rows

    numbers = range(geometry.rows) if row is None else [row]
    values = np.empty((len(numbers), geometry.slots, 8), dtype=np.uint32)
    signatures = np.empty((len(numbers), geometry.signature_bytes), dtype=np.uint8)
    for place, number in enumerate(numbers):
        rng = np.random.default_rng((1, number))
        values[place] = rng.integers(0, MODULUS, values.shape[1:], dtype=np.uint32)
        signatures[place] = rng.integers(0, 256, geometry.signature_bytes, dtype=np.uint8)
    return Rows(values, signatures)


def _compare(geometry: Geometry, row: int, opened: tuple[Any, bytes]) -> None:
    held = _table(geometry, row)
    if (opened[0] != held.values[0]).any() or opened[1] != held.signatures[0].tobytes():
        raise RuntimeError("the scan did not read the row asked for")


def _rows(geometry: Geometry, count: int) -> list[int]:
    import numpy as np

    return [int(row) for row in np.random.default_rng(2).integers(geometry.rows, size=count)]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    done = work()
    return time.process_time() - start, done
