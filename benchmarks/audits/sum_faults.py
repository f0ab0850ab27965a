"""Trainers of sums that break their promise, one line each: what the audits of recipes of sums are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.audits.faults import Scaled, Through, Underdrawn
from federation.audits import SummingTrainer, SumSubject
from federation.privacy import NoiseSource, SeededNoise
from federation.records.encoded import Encoded
from federation.training.sums import Stage, SumModel
from federation.training.sums.part import outcomes as outcomes_of

I64: TypeAlias = NDArray[np.int64]
SumFault: TypeAlias = Callable[[SumSubject], SumSubject]
Contribution: TypeAlias = Callable[[int, Any, Encoded], I64]

_COARSE = 10**6  # lattice points of a coarser lattice


class Altered:
    """A model whose sums are others; all else it says is the honest one's."""

    def __init__(self, honest: SumModel, contribution: Contribution) -> None:
        self._honest, self.contribution = honest, contribution

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)


class Kept(Through):
    """The noise of the first round in all others of the same width."""

    def __init__(self, inner: NoiseSource, kept: dict[int, I64]) -> None:
        super().__init__(inner)
        self._kept = kept

    def discrete_gaussian(self, size: int, sigma: Fraction) -> I64:
        drawn = self._inner.discrete_gaussian(size, sigma)
        return self._kept.setdefault(size, drawn).copy() if drawn.any() else drawn


class Spread(Through):
    """One number for all coordinates of a release."""

    def discrete_gaussian(self, size: int, sigma: Fraction) -> I64:
        return np.full(size, self._inner.discrete_gaussian(size, sigma)[0])


class Second(Through):
    """Draws twice, and gives the mean."""

    def discrete_gaussian(self, size: int, sigma: Fraction) -> I64:
        return self._inner.discrete_gaussian(size, sigma) // 2 + self._inner.discrete_gaussian(size, sigma) // 2


def on_noise(wrap: Callable[[NoiseSource], NoiseSource]) -> SumFault:
    """Something between the trainer and its noise."""
    return lambda subject: replace(subject, build=lambda noise: subject.build(wrap(noise)))


def on_trainer(change: Callable[[Any], None]) -> SumFault:
    """Something inside the trainer, changed after it was made."""

    def plant(subject: SumSubject) -> SumSubject:
        def build(noise: NoiseSource) -> SummingTrainer:
            trainer = subject.build(noise)
            change(trainer)
            return trainer

        return replace(subject, build=build)

    return plant


def on_sum(change: Callable[[SumModel, int, Any, Encoded], I64]) -> SumFault:
    """Something about the sum; `change` gets the honest model and what it is called with."""

    def planted(trainer: Any) -> None:
        honest = trainer.model
        trainer.model = Altered(honest, lambda number, state, records: change(honest, number, state, records))

    return on_trainer(planted)


def unclipped(*outcomes: int) -> SumFault:
    """Residuals of records with one of these outcomes are not cut off: they reach 1."""

    def plant(subject: SumSubject) -> SumSubject:
        loose = replace(subject.model, recipe=subject.model.recipe.model_copy(update={"clip": 1.0}))

        def change(honest: SumModel, number: int, state: Any, records: Encoded) -> I64:
            free = np.isin(outcomes_of(records), outcomes)
            kept = honest.contribution(number, state, records.take(~free))
            return kept + loose.contribution(number, state, records.take(free))

        return on_sum(change)(subject)

    return plant


def rounded_after_clip(honest: SumModel, number: int, state: Any, records: Encoded) -> I64:
    """Each record's vector is clipped, and rounded to a coarser lattice afterwards: away from zero."""
    assert records.target is not None
    parts = [
        records.codes,
        records.target[:, np.newaxis],
        *([] if records.pair_codes is None else [records.pair_codes]),
    ]
    total = np.zeros(honest.width(number), dtype=np.int64)
    _, first, counts = np.unique(np.concatenate(parts, axis=1), axis=0, return_index=True, return_counts=True)
    for i, count in zip(first, counts, strict=True):
        exact = honest.contribution(number, state, records.take(np.array([i])))
        total += count * np.sign(exact) * (-(-np.abs(exact) // _COARSE) * _COARSE)
    return total


def average_clipped(honest: SumModel, number: int, state: Any, records: Encoded) -> I64:
    """What is clipped once more is the mean of all records, to half of what one may add."""
    total = honest.contribution(number, state, records)
    most = honest.sensitivity(number) * max(len(records), 1) / 2
    shorter: I64 = np.rint(total * min(1.0, most / max(float(np.linalg.norm(total)), 1.0))).astype(np.int64)
    return shorter


def histogram_twice(honest: SumModel, number: int, state: Any, records: Encoded) -> I64:
    """Every record is counted twice."""
    times = 2 if honest.rounds[number - 1] is Stage.HISTOGRAM else 1
    return times * honest.contribution(number, state, records)


def sampled(honest: SumModel, number: int, state: Any, records: Encoded) -> I64:
    """Nine of ten records take part: no harm, and not what the plan says."""
    return honest.contribution(number, state, records.take(np.random.default_rng().random(len(records)) < 0.9))


def quiet_round(number: int) -> SumFault:
    """One round of a run has a tenth of its noise."""

    def planted(trainer: Any) -> None:
        honest = trainer.round

        def round(at: int, state: Any, records: Encoded) -> I64:
            trainer.noise = Scaled(trainer.noise, 0.1) if at == number else trainer.noise
            released: I64 = honest(at, state, records)
            return released

        trainer.round = round

    return on_trainer(planted)


def silent_beside_records(trainer: Any) -> None:
    """Noise is added to empty sums only."""
    honest = trainer.round

    def round(number: int, state: Any, records: Encoded) -> I64:
        released: I64 = honest(number, state, records)
        return trainer.model.contribution(number, state, records) if len(records) else released

    trainer.round = round


def seeded(trainer: Any) -> None:
    """The trainer has a seed of its own: equal noise in every round."""
    trainer.noise = SeededNoise(7)


def same_every_round(subject: SumSubject) -> SumSubject:
    kept: dict[int, I64] = {}
    return on_noise(lambda noise: Kept(noise, kept))(subject)


def reset_every_round(subject: SumSubject) -> SumSubject:
    """The ledger states the first round's epsilon, whatever went before."""
    first = next(iter(subject.stated.values()))
    return replace(subject, stated=dict.fromkeys(subject.stated, first))


PLANTED: dict[str, SumFault] = {
    "noise x .8": on_noise(lambda noise: Scaled(noise, 0.8)),
    "noise / 2": on_noise(lambda noise: Scaled(noise, 1 / 2)),
    "noise / 10": on_noise(lambda noise: Scaled(noise, 1 / 10)),
    "noise omitted": on_noise(lambda noise: Scaled(noise, 0.0)),
    "no clip": unclipped(0, 1),
    "one class not clipped": unclipped(1),
    "clip before rounding": on_sum(rounded_after_clip),
    "clip after mean": on_sum(average_clipped),
    "histogram counted twice": on_sum(histogram_twice),
    "same noise every round": same_every_round,
    "deterministic noise": on_trainer(seeded),
    "accountant reset each round": reset_every_round,
}

OTHERS: dict[str, SumFault] = {
    "noise x .8 asked for": on_noise(lambda noise: Underdrawn(noise, 0.8)),
    "the other class not clipped": unclipped(0),
    "one number for all coordinates": on_noise(Spread),
    "two draws for one release": on_noise(Second),
    "records left out": on_sum(sampled),
    "one round with a tenth of the noise": quiet_round(3),
    "noise on empty sums only": on_trainer(silent_beside_records),
}
