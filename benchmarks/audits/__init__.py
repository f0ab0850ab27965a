"""Which audit catches which planted fault, how often, and in how many seconds.

For every epsilon, fault and seed a subject is made whose trainer or ledger is at fault, and the audits are run on it;
the honest trainer is audited too. `caught` counts the seeds in which the audit failed: for "honest", false alarms. The
institution's trainer and ledger are made as its `audit` command makes them: that of federated averaging with local
noise, and that of a recipe of sums whose three members share their noise.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Literal, TypeAlias, get_args

import torch

from benchmarks.audits.faults import OTHERS, PLANTED
from benchmarks.audits.plans import sum_plan, training_plan
from benchmarks.audits.sum_faults import OTHERS as SUM_OTHERS
from benchmarks.audits.sum_faults import PLANTED as SUM_PLANTED
from clients.institution.audits import subject_of
from federation.audits import KINDS, Kind, Subject, SumSubject, audit
from federation.catalogue import load_catalogue
from federation.privacy import OsNoise

__all__ = ["training_plan"]
Trainer: TypeAlias = Literal["averaging", "sums"]
TRAINERS: tuple[Trainer, ...] = get_args(Trainer)
AVERAGING, SUMS = {**PLANTED, **OTHERS}, {**SUM_PLANTED, **SUM_OTHERS}
HONEST = "honest"
EPSILONS, SEEDS, STATED = (1.0, 4.0), 20, 8
BEYOND = "unreported round"  # no trainer's fault: `fedscore regulator verify` finds it, in step 9
_INSTITUTION = "bank-a"


@dataclass(frozen=True)
class Case:
    """One audit of one subject."""

    epsilon: float
    fault: str
    kind: Kind
    seed: int
    trainer: Trainer = "averaging"


@dataclass(frozen=True)
class Outcome:
    """Which checks failed, and in how many seconds of CPU: an audit has one thread, a machine has others to serve."""

    failed: tuple[str, ...]
    seconds: float


@cache
def honest_subject(epsilon: float) -> Subject:
    """The institution's trainer and ledger, as they are."""
    subject = subject_of(load_catalogue("synthetic"), training_plan(epsilon), _INSTITUTION, OsNoise(), STATED)
    assert isinstance(subject, Subject)
    return subject


@cache
def honest_sums(epsilon: float) -> SumSubject:
    """The same under a recipe of sums."""
    subject = subject_of(load_catalogue("taiwan"), sum_plan(epsilon=epsilon), _INSTITUTION, OsNoise())
    assert isinstance(subject, SumSubject)
    return subject


def subject_for(case: Case) -> Subject | SumSubject:
    """With its fault planted."""
    if case.trainer == "sums":
        summed = honest_sums(case.epsilon)
        return summed if case.fault == HONEST else SUMS[case.fault](summed)
    subject = honest_subject(case.epsilon)
    return subject if case.fault == HONEST else AVERAGING[case.fault](subject)


def run_case(case: Case) -> Outcome:
    """Plant, audit, and say which checks failed."""
    torch.set_num_threads(1)
    subject = subject_for(case)
    started = time.process_time()
    report = audit(subject, case.kind, sha256(f"{case.seed}".encode()).digest())
    seconds = time.process_time() - started
    return Outcome(tuple(finding.name for finding in report.findings if not finding.passed), seconds)


def run_cases(cases: Iterable[Case], processes: int | None = None) -> dict[Case, Outcome]:
    """All of them, on all cores."""
    ordered = list(cases)
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        return dict(zip(ordered, pool.map(run_case, ordered, chunksize=4), strict=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    known = dict.fromkeys([HONEST, *AVERAGING, *SUMS])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each fault, epsilon and audit [20]")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this audit; repeat [all]")
    parser.add_argument("--trainer", choices=TRAINERS, action="append", help="only this recipe's; repeat [both]")
    parser.add_argument("--fault", choices=list(known), action="append", help="only this; repeat [the planted ones]")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print a table audit x fault x caught for each trainer and return them."""
    kinds, trainers = args.kind or list(KINDS), args.trainer or list(TRAINERS)
    planted = {"averaging": [HONEST, *PLANTED], "sums": [HONEST, *SUM_PLANTED]}
    known = {"averaging": {HONEST, *AVERAGING}, "sums": {HONEST, *SUMS}}
    cases = [
        Case(epsilon, fault, kind, seed, trainer)
        for trainer in trainers
        for epsilon in EPSILONS
        for fault in args.fault or planted[trainer]
        for kind in kinds
        for seed in range(args.seeds)
        if fault in known[trainer]
    ]
    started = time.perf_counter()
    outcomes = run_cases(cases)
    wall = time.perf_counter() - started
    tables = {trainer: tabulate(outcomes, trainer) for trainer in trainers}
    for trainer, table in tables.items():
        show(trainer, table, kinds)
    longest = {kind: max(o.seconds for c, o in outcomes.items() if c.kind == kind) for kind in kinds}
    return {"seeds": args.seeds, "wall_s": wall, "longest_cpu_s": longest, "faults": tables}


def tabulate(outcomes: Mapping[Case, Outcome], trainer: Trainer) -> dict[str, dict[str, Any]]:
    """{fault: {audit and epsilon: caught, of how many, by which checks}} of one trainer."""
    grouped: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for case, outcome in outcomes.items():
        if case.trainer == trainer:
            grouped[case.fault, f"{case.kind}, epsilon {case.epsilon:g}"].append(outcome)
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for (fault, column), of in grouped.items():
        checks = Counter(check for outcome in of for check in outcome.failed)
        caught = sum(bool(outcome.failed) for outcome in of)
        table[fault][column] = {"caught": caught, "of": len(of), "checks": dict(checks)}
    return dict(table)


def show(trainer: str, table: Mapping[str, Mapping[str, Any]], kinds: Sequence[Kind]) -> None:
    """Faults down, audits across: caught of how many at each epsilon."""
    columns = [(kind, f"{kind}, epsilon {epsilon:g}") for kind in kinds for epsilon in EPSILONS]
    print(f"{f'{trainer}: caught':<38}" + "".join(f"{name:>22}" for _, name in columns))
    for fault, row in table.items():
        cells = (f"{row[name]['caught']} of {row[name]['of']}" for _, name in columns)
        print(f"{fault:<38}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"{BEYOND:<38}" + "found by `fedscore regulator verify`, step 9".rjust(22))
