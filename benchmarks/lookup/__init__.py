"""The private score query over processes and loopback: every party its own, answers against a plaintext oracle.

A coordinator's membership with the relay, its pool, the node of every member, a process for each member's part in the
epoch, and one that asks. Records are random, and so is who knows whom; 30 % of the questions are about nobody. See
`docs/lookup-bench.md` for what each figure means.
"""

from __future__ import annotations

import argparse
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--engine", choices=("bfv", "lwe"), default="bfv")
    parser.add_argument("--subjects", type=int, default=5_000, help="size of the union of all customers")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--full", action="store_true", help="no short cut, however long it takes")
    parser.add_argument("--scan-only", action="store_true", help="the engine alone: no deployment, seconds")
    parser.add_argument("--portable", action="store_true", help="the scan of lwe as on a machine without VNNI")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All figures, the bars that apply, and `ok` if every one is met."""
    from benchmarks.lookup import figures, scan

    if args.scan_only or args.portable:
        return scan.measure(args.engine, args.subjects, portable=args.portable)
    return figures.measure(args)
