"""Blind scoring: CPU of the owner and of the lender, error and bytes, for one applicant and for 4,096 packed.

Bars of the owner, for 20 and 200 features: 20 and 60 ms of CPU for one applicant with five parts, .05 and .25 s for
4,096 of one part; error at most 1e-4 of log-odds before noise and rounding.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import time
from typing import Any

import numpy as np

from protocols.blind import BlindClient, BlindModel, BlindScorer, MemoryCount, Quota
from protocols.blind.messages import FLOOD_BITS

SINGLE_MS = {20: 20.0, 200: 60.0}
PACKED_MS = {20: 50.0, 200: 250.0}
ERROR = 1e-4
PACKED = 4096
PARTS = 5
_LENDER = "lender-a"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--features", type=int, nargs="+", default=[20, 200])
    parser.add_argument("--singles", type=int, default=50, help="requests about one applicant")
    parser.add_argument("--show-ckks-leak", action="store_true", help="read all weights from one answer of TenSEAL's")
    parser.add_argument("--batches", type=int, default=5, help="requests about 4,096 applicants")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians by number of features, and `ok` if every bar that exists for them is met."""
    figures: dict[str, Any] = {}
    for features in args.features:
        single = measure(features, PARTS, 1, args.singles)
        packed = measure(features, 1, PACKED, args.batches)
        ok = max(single["error"], packed["error"]) <= ERROR
        ok &= single["server_ms"] <= SINGLE_MS.get(features, float("inf"))
        ok &= packed["server_ms"] <= PACKED_MS.get(features, float("inf"))
        figures[f"features_{features}"] = {"ok": ok, "single": single, "packed": packed}
        if args.show_ckks_leak:
            from benchmarks.ckks_leak import leak  # with TenSEAL

            figures[f"features_{features}"]["ckks_leak"] = leak(features)
    bars = {"single_ms": list(SINGLE_MS.values()), "packed_ms": list(PACKED_MS.values()), "error": ERROR}
    return {"ok": all(found["ok"] for found in figures.values()), "bars": bars, **figures}


def measure(features: int, parts: int, applicants: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of CPU, bytes, the largest error without noise, and the share of scores that noise moves a step."""
    rng = np.random.default_rng(features)
    weights, part_of = rng.normal(size=features) * 0.3, tuple(index % parts for index in range(features))
    quota = Quota.extractable(repeats * applicants)
    times: dict[str, list[float]] = {"ask": [], "server": [], "open": []}
    errors, moved = [], []
    for flood in (0, FLOOD_BITS):  # without noise, and with that of the default
        model = BlindModel(tuple(weights.tolist()), part_of, secrets.token_bytes(16), intercept=-2.0, flood=flood)
        scorer = BlindScorer(model, quota, MemoryCount(), secrets.token_bytes)
        client = BlindClient(model.terms(), secrets.token_bytes)
        for _ in range(repeats):
            encoded = rng.integers(0, 2, size=(applicants, features))
            start = time.process_time()
            pending, request = client.ask(encoded)
            asked = time.process_time()
            answer = scorer.answer(_LENDER, request)
            answered = time.process_time()
            scores = pending.open(answer)
            opened = time.process_time()
            for name, seconds in zip(times, (asked - start, answered - asked, opened - answered), strict=True):
                times[name].append(1000 * seconds)
            exact = encoded @ weights - 2.0
            if flood:
                moved.append(float((scores.evidence != np.rint(exact * 8) / 8).mean()))
            else:
                errors.append(float(np.abs(scores.unrounded - exact).max()))
    medians = {f"{name}_ms": statistics.median(found) for name, found in times.items()}
    sizes = {"request_bytes": len(request), "answer_bytes": len(answer)}
    return {**medians, **sizes, "error": max(errors), "moved_by_noise": statistics.mean(moved)}
