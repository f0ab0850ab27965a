"""The white-box contract of a trainer: does the object that serves production do what the signed plan says?

    findings = check_contract(subject, rng)
    assert all(finding.passed for finding in findings)

Each check looks at what leaves the trainer (its updates) under the instrument of `federation.audits.instrument`, on
records that the auditor seeds. Checks with a tolerance involve no chance. Checks with a p-value fail an honest trainer
with probability at most ALPHA each; there are five of them. The contract tests the trainer that is presented: it does
not show which trainer ran in production.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise, product

import numpy as np
from scipy import stats

from federation.audits.finding import ALPHA, Check, Finding
from federation.audits.instrument import F32, F64, Bench, Claim
from federation.audits.measures import fit, largest_correlation, length, two_sided
from federation.audits.subject import Subject, seeded_records
from federation.errors import PrivacyError
from federation.privacy.accounting import spent
from federation.privacy.event import GaussianEvent
from federation.records.encoded import Encoded

AGREEMENT = 0.02  # of epsilon: what two versions of an accountant may differ by
_NEIGHBOURS = 6  # records, good and bad in turn, that are added and removed at each starting model
_NOISE_ROUNDS = 24
_SCALE_ROUNDS = 16
_RATE_ROUNDS = 16
_COPIES = 200  # of a record whose inclusions are counted
_INCLUSIONS = 600  # expected at least, for each outcome: a doubled rate is then beyond any doubt
_EXTREME = 2.0  # size of the starting parameters that make gradients of either outcome as large as they get
_ROUNDING = 0.05  # of the clip: what float32 may blur before a record's part can no longer be seen
_EXACT = 1e-3


def check_contract(subject: Subject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """Every check, on trainers that the subject's `build` makes from a noise source; some 170 rounds.

    `generator` is the auditor's seed. Raises PrivacyError where the nominal size is so large that float32 hides one
    record.
    """
    claim, initial = subject.claim, subject.initial
    bench = Bench(subject.build, claim, subject.noise)
    records = seeded_records(subject.cells, _NEIGHBOURS, generator)
    starts = _starts(initial, generator)
    alone = [bench.noise_alone(initial, records) for _ in range(_NOISE_ROUNDS)]
    return (
        *_clipping(bench, starts, records),
        *_noise(bench, initial, records, alone),
        _rate(bench, (starts[0], starts[-1]), records),
        _inclusions(bench, starts[2], records),
        *_accounting(claim, [len(drawn) for _, drawn in alone], subject.stated),
    )


def _starts(initial: F32, generator: np.random.Generator) -> list[F32]:
    """The initial model, two that are certain of either outcome (gradients of the other are huge), one at random."""
    random = generator.normal(size=initial.shape)
    return [(initial + _EXTREME * move).astype(np.float32) for move in (0.0, 1.0, -1.0, random)]


def _clipping(bench: Bench, starts: Sequence[F32], records: Encoded) -> tuple[Finding, Finding]:
    """Neighbours of the empty set and of all records, by adding and removing; sums against their own parts."""
    clip = bench.claim.privacy.clip
    blur = max(_rounding(bench.claim, start) for start in starts)
    moved, mixed = zip(*(_neighbours(bench, start, records, at) for at, start in enumerate(starts)), strict=True)
    tolerance = _EXACT * clip + 2 * blur
    measured = max(moved)
    return (
        Finding(Check.SENSITIVITY, clip, measured, measured <= clip + tolerance, tolerance),
        Finding.within(Check.CLIP_PER_RECORD, 0.0, max(mixed), len(records) * tolerance),
    )


def _neighbours(bench: Bench, start: F32, records: Encoded, at: int) -> tuple[float, float]:
    """The most that one record moves a sum, and how far the sum is from the sum of its records' parts (L2).

    Every step is looked at: the model has not moved before the one that sees anybody, so their sums are the same.
    """
    steps, everyone = bench.claim.privacy.steps_per_round, range(len(records))
    whole = bench.clipped_sum(start, records, at % steps)
    alone = [np.arange(len(records)) == i for i in everyone]
    parts = [bench.clipped_sum(start, records.take(alone[i]), (at + i) % steps) for i in everyone]
    removed = [whole - bench.clipped_sum(start, records.take(~alone[i]), (at + i) % steps) for i in everyone]
    return max(length(move) for move in (*parts, *removed)), length(whole - np.sum(parts, axis=0))


def _rounding(claim: Claim, start: F32) -> float:
    """What float32 parameters blur of a sum (L2). Raises PrivacyError where that hides the part of one record."""
    blur = float(np.spacing(np.abs(start).max())) * math.sqrt(len(start)) / claim.unit
    if blur > _ROUNDING * claim.privacy.clip:
        most = int(claim.nominal_records * _ROUNDING * claim.privacy.clip / blur)
        raise PrivacyError("claim.nominal_records", got=claim.nominal_records, expected=f"at most {most} to be audited")
    return blur


def _noise(
    bench: Bench, initial: F32, records: Encoded, alone: Sequence[tuple[F64, list[F64]]]
) -> tuple[Finding, Finding, Finding, Finding]:
    steps, fits = bench.claim.privacy.steps_per_round, [fit(*observed) for observed in alone]
    fresh = min(_fresh(coefficients, bench.claim.weights) for coefficients, _ in fits)
    _, related = largest_correlation(
        [draw for released, drawn in alone for draw in drawn if draw.shape == released.shape]
    )
    rounds, repeated = largest_correlation([released for released, _ in alone])
    own = abs(fresh - steps) <= _EXACT * steps and related >= ALPHA
    return (
        Finding.within(Check.NOISE_SOURCE, 0.0, max(residual for _, residual in fits), _EXACT),
        _scale(bench, initial, records),
        Finding(Check.STEPS, steps, fresh, bool(own), _EXACT * steps, related),
        Finding.likely(Check.ROUNDS, 0.0, rounds, repeated),
    )


def _fresh(coefficients: F64, weights: F64) -> float:
    """How many steps have noise of their own: all of them if coefficients are in the proportions of c_1 .. c_T."""
    shared = min(len(coefficients), len(weights))
    product = float(coefficients[:shared] @ weights[:shared])
    return len(weights) * product**2 / max(float((coefficients**2).sum() * (weights**2).sum()), np.finfo(float).tiny)


def _scale(bench: Bench, initial: F32, records: Encoded) -> Finding:
    """Chi-square of the released noise: independent normal values under the claim."""
    noise = np.concatenate(bench.noise_beside(initial, records, _SCALE_ROUNDS))
    claimed = bench.claim.privacy.noise_multiplier * bench.claim.privacy.clip
    measured = math.sqrt(float((noise**2).mean() / (bench.claim.weights**2).sum()))
    tail = stats.chi2(len(noise))
    return Finding.likely(Check.NOISE_SCALE, claimed, measured, two_sided(tail, len(noise) * (measured / claimed) ** 2))


def _rate(bench: Bench, starts: Sequence[F32], records: Encoded) -> Finding:
    """Binomial test of who takes part in a step, outcomes apart: copies of one record of each are counted in its sum.

    The model is the same whenever they are counted, so a count is exact; a sampler that prefers defaulters shows.
    """
    q, steps = bench.claim.privacy.sampling_rate, bench.claim.privacy.steps_per_round
    start, pair, parts = _distinct(bench, starts, records)
    copies = max(_COPIES, math.ceil(_INCLUSIONS / (_RATE_ROUNDS * q)))
    crowd, reader = records.take(np.tile(pair, copies)), np.linalg.pinv(parts)
    hits = sum(np.rint(reader @ bench.sampled_sum(start, crowd, at % steps)) for at in range(_RATE_ROUNDS))
    trials = copies * _RATE_ROUNDS
    counts = np.clip(hits, 0, trials).astype(np.int64)
    p_values = [float(stats.binomtest(int(count), trials, q).pvalue) for count in counts]
    worst = float(counts[int(np.argmin(p_values))]) / trials
    return Finding.likely(Check.RATE, q, worst, min(1.0, 2 * min(p_values)))


def _distinct(bench: Bench, starts: Sequence[F32], records: Encoded) -> tuple[F32, list[int], F64]:
    """A model, a good and a bad record, and their gradients [d, 2]: of all, those that are easiest to tell apart."""
    found = []
    for start in starts:
        parts = [bench.clipped_sum(start, records.take(np.array([row])), 0) for row in range(len(records))]
        pairs = product(range(0, len(records), 2), range(1, len(records), 2))
        found += [(start, list(pair), np.stack([parts[row] for row in pair], axis=1)) for pair in pairs]
    return max(found, key=lambda candidate: float(np.linalg.norm(candidate[2], -2)))


def _inclusions(bench: Bench, certain_of_good: F32, records: Encoded) -> Finding:
    """Variance of a round's weighted number of inclusions, over that of independent ones at the claimed rate.

    Copies of one bad record, to a model so certain that the few that a round sees do not change its gradient. Any
    dependence between two inclusions, in a step or over steps, changes the variance: a shuffle leaves none of it.
    Chi-square, its degrees of freedom matched to the kurtosis of a weighted sum of Bernoulli variables.
    """
    q, c, clip = bench.claim.privacy.sampling_rate, bench.claim.weights, bench.claim.privacy.clip
    copies = int(np.clip(1 / (bench.claim.unit * clip * q * c.sum()), 4, _COPIES))
    crowd = records.take(np.ones(copies, dtype=np.int64))
    rounds = max(2 * _NOISE_ROUNDS, math.ceil(_INCLUSIONS / (3 * copies * q * len(c))))
    part = length(bench.clipped_sum(certain_of_good, crowd, 0)) / copies
    counts = np.array([length(bench.sampled_round(certain_of_good, crowd)) for _ in range(rounds)]) / (part or math.nan)
    spread = copies * q * (1 - q)
    measured = float(counts.var(ddof=1)) / (spread * float((c**2).sum()))
    kurtosis = (1 - 6 * q * (1 - q)) / spread * float((c**4).sum() / (c**2).sum() ** 2)
    freedom = (rounds - 1) / (1 + kurtosis / 2)
    return Finding.likely(Check.INCLUSIONS, 1.0, measured, two_sided(stats.chi2(freedom), freedom * measured))


def _accounting(claim: Claim, releases: Sequence[int], stated: Sequence[float]) -> Iterable[Finding]:
    """Counted releases against the event's, and their composition against what the ledger states."""
    event, delta = claim.privacy.round_event(), claim.privacy.delta
    worst = max(releases, key=lambda count: abs(count - event.steps))
    yield Finding.within(Check.RELEASES, event.steps, worst, 0.0)
    steps = max(worst, 1)
    true = [
        spent([GaussianEvent(event.sampling_rate, event.noise_multiplier, steps * r)], delta)
        for r in range(1, len(stated) + 1)
    ]
    off = int(np.argmax(np.abs(np.subtract(stated, true)) / true))
    yield Finding.within(Check.COMPOSITION, stated[off], true[off], AGREEMENT * true[off])
    stuck = sum(after <= before for before, after in pairwise(stated))
    yield Finding.within(Check.GROWTH, 0, stuck, 0.0)
