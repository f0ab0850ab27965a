"""The one-run audit of a recipe of sums: many canaries, each there or not by a coin, in one run of all its rounds.

As `federation.audits.one_run`. A stage's rounds are added up, and canaries are told apart by linear regression of all
stages' sums, each over its noise, on what the canaries add to them. The claim is that of this member's own noise: under
shared noise that is less than the run's, for the bound knows of no other's.
"""

from __future__ import annotations

import numpy as np

from federation.audits.bounds import guessed_epsilon
from federation.audits.finding import Check, Finding
from federation.audits.instrument import F32, F64
from federation.audits.one_run import ALPHA, GUESSED, MOST, SHARE
from federation.audits.sums.probes import seeded_sum_records, states
from federation.audits.sums.subject import SumBench, SumSubject
from federation.privacy.accounting import spent
from federation.records.encoded import Encoded

_CERTAIN_OF_BAD = 2  # of the probes' states: it is wrong about canaries, which are good


def check_sums_one_run(subject: SumSubject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """One finding: the epsilon of the run that right guesses show. Raises PrivacyError for a release that is none."""
    bench, start = SumBench(subject), states(subject.model, generator)[_CERTAIN_OF_BAD]
    widths = sum(subject.model.width(numbers[0]) for numbers in subject.stages.values())
    count = max(2, min(MOST, int(SHARE * widths)))
    canaries = seeded_sum_records(subject.model.catalogue, 2 * count, generator).take(np.arange(0, 2 * count, 2))
    gradients = np.stack([_parts(bench, start, canaries.take(np.array([i]))) for i in range(count)])
    there = generator.random(count) < 0.5
    seen = _run(bench, start, canaries.take(there))
    scores = np.linalg.lstsq(gradients.T, seen)[0]
    order, half = np.argsort(scores), max(1, round(count * GUESSED / 2))
    right = int(there[order[-half:]].sum() + (~there[order[:half]]).sum())
    least = guessed_epsilon(count, 2 * half, right, delta=subject.privacy.delta, alpha=ALPHA)
    return (Finding.bounded(Check.ONE_RUN, spent(subject.own_events(), subject.privacy.delta), least, ALPHA),)


def _parts(bench: SumBench, start: F32, records: Encoded) -> F64:
    """What records add to every stage's rounds, over the noise of their sum; float64 [sum of widths]."""
    subject = bench.subject
    return np.concatenate(
        [
            bench.silent(numbers[0], start, records) * (np.sqrt(len(numbers)) / subject.sigma(numbers[0]))
            for numbers in subject.stages.values()
        ]
    )


def _run(bench: SumBench, start: F32, records: Encoded) -> F64:
    """The run's releases on the same scale, each round once, on production's own source."""
    subject = bench.subject
    stages = []
    for numbers in subject.stages.values():
        total = np.sum([bench.produced(number, start, records) for number in numbers], axis=0, dtype=np.float64)
        stages.append(total / (np.sqrt(len(numbers)) * subject.sigma(numbers[0])))
    return np.concatenate(stages)
