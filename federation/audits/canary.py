"""The canary audit: repeated rounds with and without a crowd of crafted records, sampled and noised as in production.

The trainer runs on production's own noise source; nothing is silenced or scripted while it is measured. The audited
event is ONE ROUND, from a model that is certain of the wrong outcome of the canary: its gradient is then as long as the
clip lets it be. Beside the canaries are records of their very cells and the other outcome, which the model has right:
their gradients vanish, and the batch is one that an average would be taken over.

A crowd of k canaries is k neighbours in a row, each adding one record, so that if a round is mu-Gaussian DP for one
record it is k mu-Gaussian DP for the crowd (Dong, Roth, Su, arXiv:1905.02383, theorem 2.14). The separation of the two
samples, over k, is therefore a lower bound on mu; rounds compose by adding mu^2 (corollary 3.3), and mu is an epsilon
at the plan's delta (corollary 2.13). The bound assumes that the noise is Gaussian in the canary's direction. Counted
guesses, from a few canaries, assume nothing and see less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from federation.audits.bounds import Separation, counted_epsilon
from federation.audits.finding import Check, Finding
from federation.audits.instrument import F32, F64, Bench, Claim
from federation.audits.subject import Subject, seeded_records
from federation.privacy.accounting import gaussian_epsilon, spent
from federation.records.encoded import Encoded

ALPHA = 1e-6  # a Gaussian bound is above the truth with at most this probability
COUNTING_ALPHA = 1e-3  # the same of counted guesses: what an honest trainer shows lies far below its claim
_WITHOUT, _WITH, _FEW = 300, 100, 200  # rounds: of either outcome without and with a crowd, and with a few canaries
_SEPARATION = 10.0  # standard deviations by which a crowd should move a round's release, under the claim
_MOST = 5_000  # canaries in a crowd
_BESIDE = 3  # records beside each canary
_CERTAIN = 16.0  # how far the model is pushed, at least, to be certain of the wrong outcome: log-odds, if additive
_LARGEST = 100.0  # stands for every epsilon from here on: no plan promises as little
_APART = 20.0  # a mu whose epsilon is beyond that at any delta of a plan


def check_canary(subject: Subject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """Canaries of either outcome against the run's epsilon, both against the ledger's, and guesses about a round.

    A thousand rounds. Raises PrivacyError for a trainer whose updates are none.
    """
    claim, delta = subject.claim, subject.claim.privacy.delta
    stages = [_Stage.of(subject, outcome, generator) for outcome in (0, 1)]
    absent = [stage.released(0, _WITHOUT) for stage in stages]
    fits = [
        Separation.of(without, stage.released(stage.crowd, _WITH), ALPHA).over(stage.crowd)
        for stage, without in zip(stages, absent, strict=True)
    ]
    run = [claim.privacy.round_event()] * (claim.privacy.rounds + claim.privacy.spare_rounds)
    whole, most = spent(run, delta), max(fit.least for fit in fits)
    together = _epsilon(most, len(subject.stated), delta)
    return (
        *(
            Finding.bounded(
                check, whole, _epsilon(fit.least, len(run), delta), ALPHA, _epsilon(fit.estimate, len(run), delta)
            )
            for check, fit in zip((Check.CANARY_GOOD, Check.CANARY_BAD), fits, strict=True)
        ),
        Finding.bounded(Check.LEDGER, subject.stated[-1], together, 2 * ALPHA),
        _counted(stages[-1], absent[-1], spent(run[:1], delta)),
    )


@dataclass(frozen=True)
class _Stage:
    """A model, a canary that it is wrong about, the records beside it, and the direction in which it is looked for."""

    bench: Bench
    start: F32
    canary: Encoded
    beside: Encoded
    direction: F64

    @classmethod
    def of(cls, subject: Subject, outcome: int, generator: np.random.Generator) -> _Stage:
        """The model is pushed up the canary's own loss, past all that a round of its crowd could undo."""
        bench, claim = Bench(subject.build, subject.claim, subject.noise), subject.claim
        pair = seeded_records(subject.cells, 1, generator).take(np.zeros(2, dtype=np.int64))
        both = Encoded(pair.codes, np.array([0, 1], dtype=np.uint8))
        canary, other = both.take(np.array([outcome])), both.take(np.array([1 - outcome]))
        undone = claim.unit * claim.privacy.clip * _crowd(claim) * float(claim.weights.sum())
        uphill = _unit(bench.clipped_sum(subject.initial, canary, 0))
        start = (subject.initial + (_CERTAIN + undone) * uphill).astype(np.float32)
        beside = other.take(np.zeros(_BESIDE * _crowd(claim), dtype=np.int64))
        return cls(bench, start, canary, beside, _unit(bench.clipped_sum(start, canary, 0)))

    @property
    def crowd(self) -> int:
        return _crowd(self.bench.claim)

    def released(self, canaries: int, rounds: int) -> F64:
        """What rounds release in the canary's direction with so many canaries present, float64 [rounds]."""
        present = self.canary.take(np.zeros(canaries, dtype=np.int64))
        records = Encoded(
            np.concatenate([self.beside.codes, present.codes]), np.concatenate([self.beside.target, present.target])
        )
        return np.array([self.bench.produced(self.start, records) @ self.direction for _ in range(rounds)])


def _crowd(claim: Claim) -> int:
    """k: canaries that together move a round's release far enough to be measured, if the claim is true."""
    return int(np.clip(math.ceil(_SEPARATION / _mu(claim)), 1, _MOST))


def _mu(claim: Claim) -> float:
    """By how many standard deviations one canary moves the mean of a round's release, if the claim is true."""
    c, privacy = claim.weights, claim.privacy
    return privacy.sampling_rate * float(c.sum()) / (privacy.noise_multiplier * float(np.linalg.norm(c)))


def _counted(stage: _Stage, absent: F64, claimed: float) -> Finding:
    """Guesses by one threshold, fixed before anything is seen: the mean release with a few canaries under the claim.

    As many canaries as keep the group's epsilon near 1: a count of hundreds shows no more than a few.
    """
    claim, few = stage.bench.claim, max(1, int(1 / claimed))
    threshold = few * claim.privacy.sampling_rate * claim.privacy.clip * float(claim.weights.sum())
    right, wrong = ((int((sample > threshold).sum()), len(sample)) for sample in (stage.released(few, _FEW), absent))
    least = counted_epsilon(right, wrong, delta=claim.privacy.delta, alpha=COUNTING_ALPHA, group=few)
    return Finding.bounded(Check.COUNTED, claimed, least, COUNTING_ALPHA)


def _epsilon(mu: float, rounds: int, delta: float) -> float:
    """Of `rounds` rounds that are mu-Gaussian DP each, at `delta`."""
    return epsilon_of(mu * math.sqrt(rounds), delta)


def epsilon_of(mu: float, delta: float) -> float:
    """Of what is mu-Gaussian DP, at `delta`; 100 stands for 100 or more."""
    return _LARGEST if mu > _APART else min(_LARGEST, gaussian_epsilon(mu, delta) if mu > 0 else 0.0)


def _unit(vector: F64) -> F64:
    return vector / max(float(np.linalg.norm(vector)), np.finfo(float).tiny)
