"""The contract of a recipe of sums: does the trainer release what the signed plan says, stage by stage?

A sum is exact, so that sensitivity, clipping and participation are judged in integers, without a tolerance; noise is
judged by p-values, at most ALPHA each, counted over rounds and groups. Everything is looked at where it leaves the
trainer: only its noise source is replaced, by one that hands on what production's gives or zeros.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from federation.audits.contract import AGREEMENT
from federation.audits.finding import Check, Finding
from federation.audits.instrument import F32, F64
from federation.audits.measures import fit, largest_correlation, scale_p_value
from federation.audits.sums.probes import extreme_records, states
from federation.audits.sums.subject import I64, SumBench, SumSubject, squared_norm
from federation.privacy.accounting import spent
from federation.privacy.event import GaussianEvent
from federation.privacy.lattice import POINTS
from federation.records.encoded import Encoded

_VALUES = 1_000  # of noise, at least, in each round with records and in each without: x .8 is 9 standard deviations off
_FEWEST = 6  # releases of the same
_COPIES = 200  # of a record whose presence in sums is counted
_CROWDS = 8
_EXACT = 1e-3


def check_sums(subject: SumSubject, generator: np.random.Generator) -> tuple[Finding, ...]:
    """Every check on every stage; some thousand rounds of few records. Raises PrivacyError for a release that is none.

    `generator` is the auditor's seed.
    """
    bench, releases = SumBench(subject), dict[int, int]()
    probes, starts = extreme_records(subject.model, generator), states(subject.model, generator)
    findings: list[Finding] = []
    for stage, numbers in subject.stages.items():
        on_stage = [*_sums(bench, numbers, starts, probes), *_noise(bench, numbers, starts[-1], probes, releases)]
        findings += [replace(finding, stage=stage.value) for finding in on_stage]
    return (*findings, *_accounting(subject, releases))


def _sums(bench: SumBench, numbers: Sequence[int], starts: Sequence[F32], probes: Encoded) -> Iterator[Finding]:
    """What records add and take away, over all rounds of a stage in turn."""
    claimed = bench.subject.model.sensitivity(numbers[0])
    longest, off = 0, 0
    everyone = np.arange(len(probes))
    turn = 0
    for start in starts:
        parts = []
        for i in everyone:
            number, turn = numbers[turn % len(numbers)], turn + 1
            part = bench.silent(number, start, probes.take(everyone == i))
            rest = bench.silent(number, start, probes.take(everyone != i))
            whole = bench.silent(number, start, probes)
            longest = max(longest, squared_norm(part), squared_norm(whole - rest))
            parts.append(part)
        off = max(off, squared_norm(whole - np.sum(parts, axis=0)))
    norm, mixed = math.sqrt(longest) / POINTS, math.sqrt(off) / POINTS
    yield Finding(Check.SENSITIVITY, claimed / POINTS, norm, longest <= claimed**2, tolerance=0.0)
    yield Finding.within(Check.CLIP_PER_RECORD, 0.0, mixed, 0.0)
    worst = min((_taken(bench, numbers[at % len(numbers)], starts[0], probes) for at in range(_CROWDS)), key=_rank)
    yield Finding.within(Check.RATE, 1.0, worst, 0.0)


def _taken(bench: SumBench, number: int, start: F32, probes: Encoded) -> float:
    """The part of many copies of one record that a sum has; not a number where it is no multiple of the record's."""
    one = np.zeros(1, dtype=np.int64)
    crowd = bench.silent(number, start, probes.take(np.repeat(one, _COPIES)))
    part = max((bench.silent(number, start, probes.take(one)) for _ in range(3)), key=squared_norm)
    if not part.any():
        return math.nan
    largest = int(np.argmax(np.abs(part)))
    count = int(crowd[largest]) / int(part[largest])
    return count / _COPIES if np.array_equal(crowd, np.rint(count * part.astype(np.float64))) else math.nan


def _rank(share: float) -> float:
    return -math.inf if math.isnan(share) else -abs(share - 1.0)


@dataclass
class _Observed:
    """Noise of a stage over what is claimed of it: one row a release, and what the releases were made of."""

    rows: list[F64] = field(default_factory=list)
    residual: float = 0.0
    p_values: list[tuple[float, float]] = field(default_factory=list)  # of rounds and groups: p, measured over claimed

    def add(self, noise: Sequence[F64]) -> None:
        values = np.stack(noise)
        self.rows += noise
        self.p_values.append((scale_p_value(values), math.sqrt(float((values**2).mean()))))


def _noise(
    bench: SumBench, numbers: Sequence[int], start: F32, probes: Encoded, releases: dict[int, int]
) -> Iterator[Finding]:
    """Every round of a stage: with records beside the noise, and without; what is drawn is counted in `releases`."""
    subject, observed, counted = bench.subject, _Observed(), Counter[int]()
    nobody = probes.take(np.empty(0, dtype=np.int64))
    for number in numbers:
        sigma = subject.sigma(number)
        repeats = max(_FEWEST, math.ceil(_VALUES / subject.model.width(number)))
        silent = bench.silent(number, start, probes)
        observed.add([_over(bench.noisy(number, start, probes)[0] - silent, sigma) for _ in range(repeats)])
        alone = [bench.noisy(number, start, nobody) for _ in range(repeats)]
        observed.add([_over(released, sigma) for released, _ in alone])
        observed.residual = max(
            observed.residual, *(fit(released.astype(np.float64), drawn)[1] for released, drawn in alone)
        )
        releases[number] = max((len(drawn) for _, drawn in alone), key=lambda count: abs(count - 1))
        counted[releases[number]] += 1
    yield Finding.within(Check.NOISE_SOURCE, 0.0, observed.residual, _EXACT)
    yield _scale(subject, numbers, observed)
    yield Finding.likely(Check.ROUNDS, 0.0, *largest_correlation(observed.rows))
    yield Finding.likely(Check.COORDINATES, 0.0, *largest_correlation(np.stack(observed.rows).T))
    yield Finding.within(Check.RELEASES, 1, max(counted, key=lambda count: abs(count - 1)), 0.0)


def _over(noise: I64, sigma: float) -> F64:
    return noise / sigma


def _scale(subject: SumSubject, numbers: Sequence[int], observed: _Observed) -> Finding:
    """The round and group that is least likely, by chi-square."""
    p_value, measured = min(observed.p_values, key=lambda each: (each[0], -abs(math.log(max(each[1], 1e-300)))))
    claimed = subject.sigma(numbers[0]) / POINTS
    return Finding.likely(Check.NOISE_SCALE, claimed, measured * claimed, min(1.0, len(observed.p_values) * p_value))


def _accounting(subject: SumSubject, releases: Mapping[int, int]) -> Iterable[Finding]:
    """What was counted in the rounds that the ledger was asked about, composed anew, against what it states."""
    stated, true, events = list(subject.stated.values()), [], list[GaussianEvent]()
    for number in subject.stated:
        event = subject.privacy.round_event(number)
        events.append(replace(event, steps=max(releases[number], 1)))
        true.append(spent(events, subject.privacy.delta))
    off = int(np.argmax(np.abs(np.subtract(stated, true)) / true))
    yield Finding.within(Check.COMPOSITION, stated[off], true[off], AGREEMENT * true[off])
    yield Finding.within(Check.GROWTH, 0, sum(after <= before for before, after in pairwise(stated)), 0.0)
