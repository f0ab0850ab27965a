"""The canary audit of a recipe of sums: releases with and without a crowd of crafted records, nothing replaced.

Everybody takes part, so that a stage is a Gaussian release whose mean one record moves by its own vector: a crowd of k
of them, looked for in that direction, bounds the stage's mu (as in `federation.audits.canary`), and mu^2 adds up over
rounds and stages. Where noise is shared, this member's is 1 / (K - c - d) of the variance that the guarantee counts on,
and mu is that of the sum: sqrt(K - c - d) times less. Guesses are counted on this member's own release.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.audits.bounds import Separation, counted_epsilon
from federation.audits.canary import ALPHA, COUNTING_ALPHA, epsilon_of
from federation.audits.finding import Check, Finding
from federation.audits.instrument import F32, F64
from federation.audits.sums.probes import extreme_records, states
from federation.audits.sums.subject import I64, SumBench, SumSubject
from federation.privacy.accounting import spent
from federation.privacy.event import GaussianEvent
from federation.records.encoded import Encoded
from federation.training.sums.recipe import Stage

_WITHOUT, _WITH, _FEW = 160, 50, 100  # releases of a stage and outcome without and with a crowd, and with a few
_SEPARATION = 10.0  # standard deviations by which a crowd should move a release, under the claim
_MOST = 5_000  # canaries in a crowd
_CERTAIN_OF_GOOD, _CERTAIN_OF_BAD = 1, 2  # of the probes' states


def check_sums_canary(subject: SumSubject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """Canaries of either outcome against the run's epsilon, both against the ledger's, and guesses about a release."""
    probes, starts = extreme_records(subject.model, generator), states(subject.model, generator)
    scenes = {
        outcome: [_Scene.of(subject, stage, outcome, probes, starts) for stage in subject.stages] for outcome in (0, 1)
    }
    alpha = ALPHA / len(subject.stages)
    absent = {outcome: [scene.released(0, _WITHOUT) for scene in listed] for outcome, listed in scenes.items()}
    fits = {
        outcome: {
            scene.stage: Separation.of(without, scene.released(scene.crowd, _WITH), alpha).over(scene.crowd)
            for scene, without in zip(listed, absent[outcome], strict=True)
        }
        for outcome, listed in scenes.items()
    }
    delta, run = subject.privacy.delta, subject.planned_events()
    rounds = {stage: len(numbers) for stage, numbers in subject.stages.items()}
    rounds[min(rounds, key=lambda stage: subject.multiplier(subject.stages[stage][0]))] += subject.privacy.spare_rounds
    whole, last = spent(run, delta), list(subject.stated.values())[-1]
    seen = {stage: sum(number in subject.stated for number in numbers) for stage, numbers in subject.stages.items()}
    findings = []
    for check, outcome in ((Check.CANARY_GOOD, 0), (Check.CANARY_BAD, 1)):
        least, likely = (
            epsilon_of(
                _together(subject, {stage: getattr(fit, which) for stage, fit in fits[outcome].items()}, rounds), delta
            )
            for which in ("least", "estimate")
        )
        findings.append(Finding.bounded(check, whole, least, ALPHA, likely))
    most = max(
        _together(subject, {stage: fit.least for stage, fit in fitted.items()}, seen) for fitted in fits.values()
    )
    findings.append(Finding.bounded(Check.LEDGER, last, epsilon_of(most, delta), 2 * ALPHA))
    longest = max(range(len(scenes[1])), key=lambda at: len(scenes[1][at].numbers))
    return (*findings, _counted(scenes[1][longest], absent[1][longest]))


def _together(subject: SumSubject, mu: dict[Stage, float], rounds: dict[Stage, int]) -> float:
    """mu of so many rounds of each stage, in the sum of the members that the plan counts on."""
    return math.sqrt(sum(rounds[stage] * mu[stage] ** 2 for stage in mu) / subject.provision)


@dataclass(frozen=True)
class _Scene:
    """A stage, a state that is certain of the wrong outcome, a canary, and the direction in which it is looked for."""

    subject: SumSubject
    stage: Stage
    numbers: Sequence[int]
    start: F32
    canary: Encoded
    direction: F64

    @classmethod
    def of(cls, subject: SumSubject, stage: Stage, outcome: int, probes: Encoded, starts: Sequence[F32]) -> _Scene:
        """The canary is the probe of this outcome that moves the stage's sum most."""
        numbers, bench = subject.stages[stage], SumBench(subject)
        start = starts[_CERTAIN_OF_GOOD if outcome else _CERTAIN_OF_BAD]
        rows = np.arange(outcome, len(probes), 2)
        parts = [
            bench.silent(numbers[0], start, probes.take(rows[i : i + 1])).astype(np.float64) for i in range(len(rows))
        ]
        lengths = [float(np.linalg.norm(part)) for part in parts]
        at = int(np.argmax(lengths))
        return cls(subject, stage, numbers, start, probes.take(rows[at : at + 1]), parts[at] / max(lengths[at], 1e-300))

    @property
    def crowd(self) -> int:
        """k: canaries that together move a release far enough to be measured, if the claim is true."""
        return int(np.clip(math.ceil(_SEPARATION * float(self.subject.privacy.noise_share(self.numbers[0]))), 1, _MOST))

    def released(self, canaries: int, releases: int) -> F64:
        """What releases of the stage's rounds in turn show in the canary's direction, with so many of them present."""
        bench, present = SumBench(self.subject), self.canary.take(np.zeros(canaries, dtype=np.int64))
        rounds = (self.numbers[at % len(self.numbers)] for at in range(releases))
        return np.array([self._seen(bench.produced(number, self.start, present)) for number in rounds])

    def _seen(self, released: I64) -> float:
        return float(released.astype(np.float64) @ self.direction)


def _counted(scene: _Scene, absent: F64) -> Finding:
    """Guesses by one threshold, fixed before anything is seen: half of what the canaries should move."""
    subject, number = scene.subject, scene.numbers[0]
    claimed = spent([GaussianEvent(1.0, float(subject.privacy.noise_share(number)), 1)], subject.privacy.delta)
    few = max(1, int(1 / claimed))
    threshold = few * subject.model.sensitivity(number) / 2
    present = scene.released(few, _FEW)
    right, wrong = ((int((sample > threshold).sum()), len(sample)) for sample in (present, absent))
    least = counted_epsilon(right, wrong, delta=subject.privacy.delta, alpha=COUNTING_ALPHA, group=few)
    return Finding.bounded(Check.COUNTED, claimed, least, COUNTING_ALPHA)
