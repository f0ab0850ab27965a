"""Load on the pool's service: messages of up to 64 queries over gRPC and TLS, from a process beside it.

Queries are made before the clock starts and sent again and again: what is measured is the service, with the TLS of both
ends on the same cores. Every answer's signature is verified once at the end, outside the clock.
"""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.lookup.clocks import own_cpu

if TYPE_CHECKING:
    from clients.institution.lookup.channel import PoolClient
    from clients.institution.lookup.open_epoch import OpenEpoch

BATCH = 64
CALLS_AT_ONCE = 3


def measure(epoch: OpenEpoch, pool: PoolClient, seconds: float) -> dict[str, float]:
    """Queries a second, latency of a message (median, s), CPU seconds this process spent for each query.

    Raises SignatureError for an answer that the pool did not sign.
    """
    from protocols.lookup.evidence import check_answer

    client = epoch.client(pool)
    name = epoch.keys_name(client)
    client.prepare(BATCH)
    rows = epoch.geometry.rows
    queries = [client.query(place % rows)[1] for place in range(BATCH)]
    answers = pool.query(queries, name, timeout=60.0)  # warm
    latencies: list[float] = []
    lock, end = threading.Lock(), time.monotonic() + seconds

    def ask(_: int) -> int:
        asked = 0
        with epoch.pool(patience=5.0) as own:
            while (started := time.monotonic()) < end:
                asked += len(own.query(queries, name, timeout=60.0))
                with lock:
                    latencies.append(time.monotonic() - started)
        return asked

    cpu, began = own_cpu(), time.monotonic()
    with ThreadPoolExecutor(CALLS_AT_ONCE) as callers:
        total = sum(callers.map(ask, range(CALLS_AT_ONCE)))
    took, spent = time.monotonic() - began, own_cpu() - cpu
    for query, answer in zip(queries, answers, strict=True):
        check_answer(epoch.context.pool_key, epoch.context.epoch_id, name, query, answer.answer, answer.signature)
    return {
        "queries_per_s": total / took,
        "message_s": statistics.median(latencies),
        "caller_cpu_s": spent / total,
    }
