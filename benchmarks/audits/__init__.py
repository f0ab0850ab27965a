"""Which audit catches which planted fault, how often, and in how many seconds.

For every epsilon, fault and seed a subject is made whose trainer or ledger is at fault, and the audits are run on it;
the honest trainer is audited too. `caught` counts the seeds in which the audit failed: for "honest", false alarms. The
institution's trainer and ledger are made as its `audit` command makes them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import torch

from benchmarks.audits.faults import OTHERS, PLANTED
from clients.institution.audits import subject_of
from federation.audits import KINDS, Kind, Subject, audit
from federation.catalogue import load_catalogue
from federation.privacy import OsNoise, PrivacyPlan
from federation.rounds import CatalogueRef, Member, TrainingPlan
from federation.training import Recipe
from protocols.signing import SigningKey

HONEST = "honest"
EPSILONS, SEEDS, NOMINAL, DELTA, STATED = (1.0, 4.0), 20, 2_000, 1e-5, 8
BEYOND = "unreported round"  # no trainer's fault: `fedscore regulator verify` finds it, in step 9
_INSTITUTION = "bank-a"


@dataclass(frozen=True)
class Case:
    """One audit of one subject."""

    epsilon: float
    fault: str
    kind: Kind
    seed: int


@dataclass(frozen=True)
class Outcome:
    """Which checks failed, and in how many seconds of CPU: an audit has one thread, a machine has others to serve."""

    failed: tuple[str, ...]
    seconds: float


def training_plan(epsilon: float) -> TrainingPlan:
    """A plan of three members of 2,000 records on the synthetic catalogue."""
    catalogue = load_catalogue("synthetic")
    privacy = PrivacyPlan.calibrate(epsilon=epsilon, delta=DELTA)
    names = [f"bank-{letter}" for letter in "abc"]
    keys = {name: SigningKey.from_seed(name.encode().ljust(32, b".")).public.hex for name in (*names, "coordinator")}
    members = (
        Member(institution=name, key=keys[name], nominal_records=NOMINAL, features=catalogue.feature_names)
        for name in names
    )
    return TrainingPlan(
        run_id=f"audit-{epsilon:g}",
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        recipe=Recipe.default(catalogue, privacy, [NOMINAL] * len(names)),
        privacy=privacy,
        members=tuple(members),
        coordinator=keys["coordinator"],
        quorum=len(names),
        round_deadline_s=60.0,
        bundle_hash="ab" * 32,
        max_update_norm=1e3,
        expires=2**40,
    )


@cache
def honest_subject(epsilon: float) -> Subject:
    """The institution's trainer and ledger, as they are."""
    subject = subject_of(load_catalogue("synthetic"), training_plan(epsilon), _INSTITUTION, OsNoise(), STATED)
    assert isinstance(subject, Subject)
    return subject


def run_case(case: Case) -> Outcome:
    """Plant, audit, and say which checks failed."""
    torch.set_num_threads(1)
    subject = honest_subject(case.epsilon)
    if case.fault != HONEST:
        subject = {**PLANTED, **OTHERS}[case.fault](subject)
    started = time.process_time()
    report = audit(subject, case.kind, sha256(f"{case.seed}".encode()).digest())
    seconds = time.process_time() - started
    return Outcome(tuple(finding.check.value for finding in report.findings if not finding.passed), seconds)


def run_cases(cases: Iterable[Case], processes: int | None = None) -> dict[Case, Outcome]:
    """All of them, on all cores."""
    ordered = list(cases)
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        return dict(zip(ordered, pool.map(run_case, ordered, chunksize=4), strict=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each fault, epsilon and audit [20]")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this audit; repeat [all]")
    parser.add_argument("--fault", choices=[HONEST, *PLANTED, *OTHERS], action="append", help="only this; repeat")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table audit x fault x caught and return it."""
    faults, kinds = args.fault or [HONEST, *PLANTED], args.kind or list(KINDS)
    cases = [Case(e, f, k, s) for e in EPSILONS for f in faults for k in kinds for s in range(args.seeds)]
    started = time.perf_counter()
    outcomes = run_cases(cases)
    wall = time.perf_counter() - started
    table: dict[str, dict[str, Any]] = defaultdict(dict)
    for fault in faults:
        for kind in kinds:
            for epsilon in EPSILONS:
                of = [o for c, o in outcomes.items() if (c.epsilon, c.fault, c.kind) == (epsilon, fault, kind)]
                checks = Counter(check for outcome in of for check in outcome.failed)
                caught = sum(bool(outcome.failed) for outcome in of)
                table[fault][f"{kind}, epsilon {epsilon:g}"] = {"caught": caught, "of": len(of), "checks": dict(checks)}
    show(table, kinds)
    longest = {kind: max(o.seconds for c, o in outcomes.items() if c.kind == kind) for kind in kinds}
    return {"seeds": args.seeds, "wall_s": wall, "longest_cpu_s": longest, "faults": dict(table)}


def show(table: dict[str, dict[str, Any]], kinds: list[Kind]) -> None:
    """Faults down, audits across: caught of how many at each epsilon."""
    columns = [(kind, f"{kind}, epsilon {epsilon:g}") for kind in kinds for epsilon in EPSILONS]
    print(f"{'caught':<30}" + "".join(f"{name:>22}" for _, name in columns))
    for fault, row in table.items():
        cells = (f"{row[name]['caught']} of {row[name]['of']}" for _, name in columns)
        print(f"{fault:<30}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"{BEYOND:<30}" + "found by `fedscore regulator verify`, step 9".rjust(22))
