"""The transparency log: entries appended per second in batches, and how long a proof takes, at a given size.

Bars: 2,000 entries a second in batches of 64, promises and commits included, and 5 ms (median) for an inclusion proof
with the tree at its full size. SQLite in a temporary folder unless --url says otherwise. Bars are on wall time; the CPU
of this process is given beside it, for machines that are shared.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocols.canonical import canonical
from protocols.transparency import Entry, LogKey, Tile, leaf_hash, open_checkpoint, verify_inclusion
from server.log import LogStore

APPEND_BAR = 2000.0
PROOF_BAR_MS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--proofs", type=int, default=1000)
    parser.add_argument("--url", default="", help="the database, empty of a log (SQLAlchemy form)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Rates and times, and `ok` if both bars are met."""
    with tempfile.TemporaryDirectory() as folder:
        url = args.url or f"sqlite:///{Path(folder) / 'log.db'}"
        log = LogStore.open(url, LogKey.generate(), time.time)
        try:
            return {"url": url.split(":")[0], "entries": args.entries, "batch": args.batch, **measure(log, args)}
        finally:
            log.close()


def measure(log: LogStore, args: argparse.Namespace) -> dict[str, Any]:
    """Fill the log, then ask for what readers ask for."""
    cpu = -time.process_time()
    rates = fill(log, args.entries, args.batch)
    cpu += time.process_time()
    start = time.perf_counter()
    checkpoint = log.checkpoint()
    publish_ms = 1000 * (time.perf_counter() - start)
    draw = random.Random(0)
    places = [draw.randrange(args.entries) for _ in range(args.proofs)]
    leaves = [entry(place).hash for place in places]
    proof = timed(lambda at: log.inclusion(leaves[at]), args.proofs)
    check(log, checkpoint, leaves[:20])
    consistency = timed(lambda at: log.consistency(places[at]), min(200, args.proofs))
    full = args.entries // 256
    tile = timed(lambda _: log.tile(Tile(0, draw.randrange(full))), 200) if full else {}
    one = timed(lambda at: log.append("one-at-a-time", canonical(at)), 200)
    last = rates[-1]
    figures: dict[str, Any] = {
        "ok": min(last, statistics.mean(rates)) >= APPEND_BAR and proof["median_ms"] <= PROOF_BAR_MS,
        "append_per_s": args.entries / sum(args.entries / len(rates) / rate for rate in rates),
        "append_per_s_in_the_last_tenth": last,
        "append_cpu_ms": 1000 * cpu / args.entries,
        "publish_ms": publish_ms,
    }
    return figures | {"inclusion": proof, "consistency": consistency, "tile": tile, "single_append": one}


def entry(number: int) -> Entry:
    """Of the size of a ticket's leaf, some 1 KB."""
    return Entry("benchmark", canonical({"leaf": f"{number:0900x}"}))


def fill(log: LogStore, count: int, batch: int) -> list[float]:
    """Entries a second, in each tenth. Making the entries is part of it: whoever appends must read them."""
    rates = []
    for tenth in range(10):
        first, last = count * tenth // 10, count * (tenth + 1) // 10
        start = time.perf_counter()
        for at in range(first, last, batch):
            log.extend([entry(number) for number in range(at, min(at + batch, last))])
        rates.append((last - first) / (time.perf_counter() - start))
    return rates


def timed(ask: Callable[[int], object], count: int) -> dict[str, float]:
    """Milliseconds, one call after the other."""
    taken = []
    cpu = -time.process_time()
    for at in range(count):
        start = time.perf_counter()
        ask(at)
        taken.append(1000 * (time.perf_counter() - start))
    cpu += time.process_time()
    taken.sort()
    p99 = taken[int(0.99 * (count - 1))]
    return {"median_ms": statistics.median(taken), "p99_ms": p99, "cpu_ms": 1000 * cpu / count}


def check(log: LogStore, note: bytes, leaves: list[bytes]) -> None:
    """The proofs that were timed lead to the checkpoint."""
    checkpoint = open_checkpoint(note, log.key)
    for leaf in leaves:
        found = log.inclusion(leaf, checkpoint.size)
        verify_inclusion(found.path, leaf, found.index, checkpoint.size, checkpoint.root)
    for index, data in log.entries(0, 20).entries:
        verify_inclusion(log.inclusion(leaf_hash(data)).path, leaf_hash(data), index, checkpoint.size, checkpoint.root)
