"""The engine alone: the pool's own scan worker on a table of random values, one thread each, every row compared.

Quick, and free of everything that is not the scan: `python -m benchmarks lookup --scan-only`.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.lookup.clocks import cpu_of, peak_memory, resident_memory
from benchmarks.lookup.deployment import QUORUM
from federation.lookup.engines import load
from protocols.lookup.engines import Engine, Geometry
from protocols.lookup.evidence import keys_hash
from protocols.lookup.packing import pack
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows
from server.lookup.pool_files import PoolFiles
from server.lookup.scan_worker import Plan
from server.lookup.scanner import Scanner

BATCH = 64
_EPOCH = bytes(32)
_DUMMIES = 64
_REPEATS = 5
_QUERIER = "querier"
T = TypeVar("T")


@dataclass(frozen=True)
class _Worker:
    """The scan of one table, and the querier's keys where it reads them."""

    scanner: Scanner
    files: PoolFiles
    name: bytes

    @property
    def pid(self) -> int:
        return self.scanner.pids()[0]

    def answer(self, queries: list[bytes]) -> tuple[float, list[bytes]]:
        """CPU seconds of the worker, reading and writing its pipe included, and the answers."""
        keys = self.files.keys_file(_QUERIER, self.name) if self.name else None
        before = cpu_of(self.pid)
        answers = self.scanner.answer(_QUERIER, queries, keys=keys, keys_hash=self.name, seconds=60.0)
        return cpu_of(self.pid) - before, answers


def measure(engine_name: str, subjects: int, *, portable: bool = False) -> dict[str, Any]:
    """CPU seconds are medians of a few. Raises RuntimeError for a row that is not the one asked for.

    `portable`: lwe as on a machine without fast int8 instructions.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # as the coordinator starts its pool
    if portable:
        os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"  # whose int8 product saturates: it is refused, and NumPy serves
    engine = _engine(engine_name)
    geometry = engine.geometry(subjects + _DUMMIES, QUORUM)
    rows = _table(geometry)
    prepare_cpu_s, prepared = _timed(lambda: engine.prepare(rows, _EPOCH))
    hint = prepared.hint
    del prepared
    keys_cpu_s, client = _timed(lambda: engine.client(geometry, _EPOCH, hint, os.urandom))
    figures: dict[str, Any] = {
        "rows": geometry.rows,
        "slots": geometry.slots,
        "scan_prepare_cpu_s": prepare_cpu_s,
        "scan_key_bytes": len(client.keys) + len(hint),
        "scan_querier_start_cpu_s": keys_cpu_s,
    }
    with _serving(engine_name, rows, hint, client.keys) as worker:
        figures |= _singly(worker, client, rows)
        if engine_name == "lwe":
            figures |= _batched(worker, client, rows) | {"scan_portable": portable}
        figures |= {
            "scan_rss_gb": resident_memory(worker.pid) / 1e9,
            "scan_rss_peak_gb": peak_memory(worker.pid) / 1e9,
        }
    return figures


@contextmanager
def _serving(engine_name: str, rows: Rows, hint: bytes, keys: bytes) -> Iterator[_Worker]:
    """A worker that is ready. Raises RuntimeError for another hint than this process computed."""
    count, slots, _ = rows.values.shape
    with tempfile.TemporaryDirectory(prefix="fedscore-bench-") as folder:
        files = PoolFiles(Path(folder))
        with files.rows_file.open("wb") as file:
            for values, signed in zip(rows.values, rows.signatures, strict=True):
                file.write(pack(values) + signed.tobytes())
        name = keys_hash(keys) if keys else b""
        if keys:
            files.keep_keys(_QUERIER, keys, name)
        scanner = Scanner(Plan(engine_name, _EPOCH, files.rows_file, count, slots, QUORUM), processes=1)
        try:
            if scanner.start() != hint:
                raise RuntimeError("two processes computed different hints")
            yield _Worker(scanner, files, name)
        finally:
            scanner.stop()


def _singly(worker: _Worker, client: Any, rows: Rows) -> dict[str, float]:
    """One question at a time; a worker that was asleep pays for cold caches, as it does when it serves."""
    made, opened, alone, noise = [], [], [], []
    worker.answer([client.query(0)[1]])  # keys are read once an epoch
    for row in _some(rows, _REPEATS):
        cpu_s, (pending, query) = _timed(lambda row=row: client.query(row))  # type: ignore[misc]
        made.append(cpu_s)
        served_s, [answer] = worker.answer([query])
        alone.append(served_s)
        if hasattr(pending, "noise_budget"):
            noise.append(pending.noise_budget(answer))
        opened.append(_timed(lambda: _compare(rows, row, pending.open(answer)))[0])  # noqa: B023
    figures = {
        "scan_cpu_s": statistics.median(alone),
        "scan_bytes_up": len(query),
        "scan_bytes_down": len(answer),
        "scan_querier_ask_cpu_s": statistics.median(made),
        "scan_querier_open_cpu_s": statistics.median(opened),
    }
    return figures | ({"scan_noise_budget_min": min(noise)} if noise else {})


def _batched(worker: _Worker, client: Any, rows: Rows) -> dict[str, float]:
    """Batches of 64: queries a second and core at the pool, CPU a query at the querier."""
    prepared_s, _ = _timed(lambda: client.prepare(BATCH))
    asked = _some(rows, BATCH)
    pending, queries = zip(*[client.query(row) for row in asked], strict=True)
    served = []
    for _ in range(_REPEATS):
        cpu_s, answers = worker.answer(list(queries))
        served.append(cpu_s)
    for row, waiting, answer in zip(asked, pending, answers, strict=True):
        _compare(rows, row, waiting.open(answer))
    return {
        "batch_queries_per_s_per_core": BATCH / min(served),
        "scan_querier_ask_batched_cpu_s": prepared_s / BATCH,
    }


def _engine(name: str) -> Engine:
    if name == "lwe":
        import torch

        torch.set_num_threads(1)
    return load(name)


def _table(geometry: Geometry) -> Rows:
    """Uniform values and signatures, as a padded sum table has."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, MODULUS, (geometry.rows, geometry.slots, 8), dtype=np.uint32)
    return Rows(values, rng.integers(0, 256, (geometry.rows, geometry.signature_bytes), dtype=np.uint8))


def _compare(rows: Rows, row: int, opened: tuple[Any, bytes]) -> None:
    if (opened[0] != rows.values[row]).any() or opened[1] != rows.signatures[row].tobytes():
        raise RuntimeError("the scan did not read the row asked for")


def _some(rows: Rows, count: int) -> list[int]:
    return [int(row) for row in np.random.default_rng(2).integers(len(rows.values), size=count)]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    done = work()
    return time.process_time() - start, done
