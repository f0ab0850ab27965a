"""Verification of an export of many entries: seconds and memory of one process on one core.

The federation is synthetic and honest: institutions that run plan after plan, every entry signed for real, every
epsilon what the accountants say (PLD and PRV between a run's knots by interpolation). Making it is not measured.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--entries", type=int, default=20_000, help="entries of the log (default: %(default)s)")
    parser.add_argument("--institutions", type=int, default=10)
    parser.add_argument("--mechanisms", type=int, default=8, help="different noise multipliers (default: %(default)s)")
    parser.add_argument("--export", type=Path, help="keep the export here; one that is there is verified")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write a profile (slower) for pstats")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """wall_s, entries_per_s, peak_mb, and what the verdict was."""
    from benchmarks.verify.federation import Federation

    federation = Federation(args.entries, args.institutions, args.mechanisms)
    with tempfile.TemporaryDirectory() as folder:
        path = args.export or Path(folder, "export.zip")
        started = time.perf_counter()
        if not path.exists():
            federation.export(path)
        made = time.perf_counter() - started
        os.environ |= dict.fromkeys(_THREADS, "1")  # one core, whichever is free
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured: dict[str, Any] = pool.apply(_measure, (str(path), federation.policy_values(), args.profile))
        size = path.stat().st_size
    bar = {"wall_s": 60.0, "peak_mb": 1024.0}
    met = args.entries < 100_000 or all(measured[name] <= most for name, most in bar.items())
    return {"made_s": made, "export_mb": size / 1e6, **measured, "bars_at_100000": bar, "bars_met": met}


def _measure(path: str, policy: dict[str, Any], profile: Path | None) -> dict[str, Any]:
    """In a process of its own, on one core; what it imports is on the clock too."""
    profiler = cProfile.Profile() if profile else None
    started, cpu = time.perf_counter(), time.process_time()
    if profiler:
        profiler.enable()
    from clients.regulator.policy import Policy
    from clients.regulator.verify import verify

    verdict = verify(Path(path), Policy.of(policy))
    if profiler and profile:
        profiler.disable()
        profiler.dump_stats(profile)
    wall, spent = time.perf_counter() - started, time.process_time() - cpu
    entries = 0 if verdict.checkpoint is None else verdict.checkpoint["size"]
    return {
        "entries": entries,
        "wall_s": wall,
        "cpu_s": spent,
        "entries_per_s": entries / wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "holds": verdict.holds,
        "first": None if verdict.first is None else str(verdict.first[1]),
        "epsilon": verdict.step(7).facts[-1],
    }
