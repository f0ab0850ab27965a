"""One ticket at a member, both steps, and one entry in the log: CPU, in process.

Bars for a member, gRPC not included: 2 ms of CPU with 3 members, 4 ms with 8; .5 ms for a logged entry and its promise,
appended by 16 threads. Every ticket is finished by its querier, which checks everything; guards are in memory.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BARS = {3: 2.0, 8: 4.0}
LOG_BAR = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--tickets", type=int, default=200)
    parser.add_argument("--appends", type=int, default=800)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of CPU, medians over the tickets, and `ok` if every bar is met."""
    members = {count: measure(count, args.tickets) for count in BARS}
    entry = measure_log(args.appends)
    ok = entry <= LOG_BAR and all(members[count]["both_ms"] <= bar for count, bar in BARS.items())
    return {"ok": ok, **{f"members_{count}": found for count, found in members.items()}, "log_entry_ms": entry}


def measure(members: int, tickets: int) -> dict[str, float]:
    """CPU of one member for the two steps of a ticket."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    world_module = importlib.import_module("tickets_world")
    world = world_module.World(members, daily_tickets=tickets + 1)
    name = sorted(world.parties)[1]
    member, first, second = world.member(name), [], []
    for number in range(tickets):
        asked = world.ask(b"person-%d" % number)
        body = asked.leaf.encode()
        start = time.process_time()
        own = member.first(body, asked.promise, asked.blinded, world_module.NOW)
        first.append(time.process_time() - start)
        evaluations = {**world.first(asked), name: own}
        combination = world.combine(asked, evaluations)
        start = time.process_time()
        pad = member.second(body, asked.blinded, evaluations, combination, world_module.NOW)
        second.append(time.process_time() - start)
        pads = {**world.second(asked, evaluations, combination), name: pad}
        asked.state.finish(world_module.TicketReply(evaluations, combination, pads))
    both = [one + two for one, two in zip(first, second, strict=True)]
    medians = {"first": first, "second": second, "both": both}
    return {f"{step}_ms": 1000 * statistics.median(seconds) for step, seconds in medians.items()}


def measure_log(appends: int, threads: int = 16) -> float:
    """CPU of one entry, promise and commit included, in SQLite."""
    from protocols.canonical import canonical
    from protocols.transparency import LogKey
    from server.log import LogStore

    bodies = [canonical({"leaf": f"{number:0800x}"}) for number in range(appends)]
    with tempfile.TemporaryDirectory() as folder:
        log = LogStore.open(f"sqlite:///{folder}/log.db", LogKey.generate(), time.time)
        log.append("benchmark", canonical("warm"))
        start = time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda body: log.append("benchmark", body), bodies))
        elapsed = time.process_time() - start
        log.close()
    return 1000 * elapsed / appends
