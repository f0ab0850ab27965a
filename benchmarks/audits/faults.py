"""Trainers that break their promise, one line each: what audits are for.

A fault takes an honest subject of an audit and gives one whose trainer (or ledger) is at fault. It stands between the
institution's trainer and its noise source, its privacy mechanism or its model, so it is the same fault whatever family,
noise or arithmetic the trainer has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.audits import RoundTrainer, Subject
from federation.privacy import NoiseSource, PrivacyPlan, SeededNoise
from federation.privacy.lattice import POINTS
from federation.privacy.mechanism import GaussianMechanism

Fault: TypeAlias = Callable[[Subject], Subject]
Mechanism: TypeAlias = Any  # a GaussianMechanism, or the exact one, whose methods a fault may replace

_UNBOUNDED = 1e3  # a clip that clips nothing


class Through:
    """A noise source that hands on what another gives; faults change a part of it."""

    def __init__(self, inner: NoiseSource) -> None:
        self.secure, self._inner = inner.secure, inner

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        return self._inner.gaussian(shape, scale)

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        return self._inner.discrete_gaussian(size, sigma)

    def uniform(self, size: int) -> NDArray[np.float64]:
        return self._inner.uniform(size)

    def words(self, count: int) -> NDArray[np.uint64]:
        return self._inner.words(count)


class Scaled(Through):
    """The noise that is added is too small."""

    def __init__(self, inner: NoiseSource, factor: float) -> None:
        super().__init__(inner)
        self._factor = factor

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        return np.multiply(self._factor, self._inner.gaussian(shape, scale))

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        values: NDArray[np.int64] = np.rint(self._factor * self._inner.discrete_gaussian(size, sigma)).astype(np.int64)
        return values


class Underdrawn(Through):
    """The noise that is asked for is too small."""

    def __init__(self, inner: NoiseSource, factor: float) -> None:
        super().__init__(inner)
        self._factor = factor

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        return self._inner.gaussian(shape, self._factor * scale)

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        return self._inner.discrete_gaussian(size, Fraction(self._factor) * sigma)


class Repeated(Through):
    """The first step's noise in every step, whether or not the others are drawn for show."""

    def __init__(self, inner: NoiseSource, *, drawing: bool) -> None:
        super().__init__(inner)
        self._drawing, self._kept = drawing, list[Any]()

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        first: NDArray[np.float64] = self._first(lambda: self._inner.gaussian(shape, scale))
        return first

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        first: NDArray[np.int64] = self._first(lambda: self._inner.discrete_gaussian(size, sigma))
        return first

    def _first(self, draw: Callable[[], Any]) -> Any:
        if self._drawing or not self._kept:
            self._kept.append(draw())
        return self._kept[0].copy()


class Twice(Through):
    """Everybody takes part twice as often."""

    def uniform(self, size: int) -> NDArray[np.float64]:
        return self._inner.uniform(size) / 2

    def words(self, count: int) -> NDArray[np.uint64]:
        return self._inner.words(count) >> np.uint64(1)


class Shuffled(Through):
    """A batch of fixed size in every step: ranks in the place of independent numbers."""

    def uniform(self, size: int) -> NDArray[np.float64]:
        return (np.argsort(np.argsort(self._inner.uniform(size))) + 0.5) / size

    def words(self, count: int) -> NDArray[np.uint64]:
        ranks = np.argsort(np.argsort(self._inner.words(count))).astype(np.float64)
        return ((ranks + 0.5) / count * 2.0**64).astype(np.uint64)


def on_noise(wrap: Callable[[NoiseSource], NoiseSource]) -> Fault:
    """Something between the trainer and its noise."""
    return lambda subject: replace(subject, build=lambda noise: subject.build(wrap(noise)))


def on_trainer(change: Callable[[Any], None]) -> Fault:
    """Something inside the trainer, changed after it was made."""

    def plant(subject: Subject) -> Subject:
        def build(noise: NoiseSource) -> RoundTrainer:
            trainer = subject.build(noise)
            change(trainer)
            return trainer

        return replace(subject, build=build)

    return plant


def on_mechanism(change: Callable[[Mechanism], Mechanism]) -> Fault:
    """Something about the mechanism of a round."""

    class Plan(PrivacyPlan):
        def mechanism(self, noise: NoiseSource) -> GaussianMechanism:
            made: GaussianMechanism = change(super().mechanism(noise))
            return made

    def planted(trainer: Any) -> None:
        trainer.privacy = Plan(**trainer.privacy.model_dump())

    return on_trainer(planted)


def on_clipped_sum(change: Callable[..., NDArray[Any]]) -> Fault:
    """Something about the sum of clipped gradients; `change` gets the honest method and what it is called with."""

    def planted(trainer: Any) -> None:
        trainer._model = copy(trainer._model)  # others may share it
        honest = trainer._model.clipped_sum
        trainer._model.clipped_sum = lambda *args: change(honest, *args)

    return on_trainer(planted)


def unclipped(mechanism: Mechanism) -> Mechanism:
    """The same noise and a clip that clips nothing."""
    event = replace(mechanism.event, noise_multiplier=mechanism.event.noise_multiplier * mechanism.clip / _UNBOUNDED)
    return type(mechanism)(event, clip=_UNBOUNDED, noise=mechanism.noise)


def unbounded(bound: float | Mechanism) -> tuple[float, float | Mechanism]:
    """The clip that a sum of gradients is told, and what to tell it instead: additive models are told a number."""
    return (bound, _UNBOUNDED) if isinstance(bound, float) else (bound.clip, unclipped(bound))


def average_before_clip(
    honest: Callable[..., NDArray[Any]], weights: Any, codes: Any, target: Any, bound: float | Mechanism
) -> NDArray[Any]:
    """The mean gradient of the batch is clipped, not each record's."""
    clip, loose = unbounded(bound)
    total = honest(weights, codes, target, loose)
    unit = POINTS if total.dtype == np.int64 else 1  # of a sum: lattice points, where it is made of integers
    longest = unit * clip * max(len(codes), 1)
    clipped: NDArray[Any] = (total * min(1.0, longest / max(float(np.linalg.norm(total)), 1e-300))).astype(total.dtype)
    return clipped


def sparing(outcome: int) -> Fault:
    """Records of one outcome are not clipped."""

    def change(
        honest: Callable[..., NDArray[Any]], weights: Any, codes: Any, target: Any, bound: float | Mechanism
    ) -> NDArray[Any]:
        spared = target == outcome
        others = honest(weights, codes[~spared], target[~spared], bound)
        total: NDArray[Any] = others + honest(weights, codes[spared], target[spared], unbounded(bound)[1])
        return total

    return on_clipped_sum(change)


def one_step_more(mechanism: Mechanism) -> Mechanism:
    """A round makes a step that its event does not speak of."""
    event = replace(mechanism.event, steps=mechanism.event.steps + 1)
    return type(mechanism)(event, clip=mechanism.clip, noise=mechanism.noise)


def silent_beside_records(mechanism: Mechanism) -> Mechanism:
    """Noise is added to empty sums only."""
    name = "release_points" if hasattr(mechanism, "release_points") else "release"
    honest = getattr(mechanism, name)

    def release(total: NDArray[Any]) -> NDArray[Any]:
        noisy: NDArray[Any] = honest(total)
        return total if total.any() else noisy

    setattr(mechanism, name, release)
    return mechanism


def one_epoch_each(mechanism: Mechanism) -> Mechanism:
    """Every record takes part in exactly one of the steps: the rate is right, inclusions exclude each other."""
    drawn: dict[int, NDArray[np.int64]] = {}
    honest, steps = mechanism.sample, mechanism.event.steps

    def sample(records: int) -> NDArray[np.int64]:
        step = steps - mechanism._left
        if step == 0:
            drawn[0] = np.random.default_rng().integers(0, steps, records)
        honest(records)  # as many draws as ever
        return np.flatnonzero(drawn[0] == step)

    mechanism.sample = sample
    return mechanism


def balanced_classes(trainer: Any) -> None:
    """Bad outcomes are sampled twice as often, at the price of the good ones."""
    trainer._model = copy(trainer._model)
    honest = trainer._model.train

    def train(parameters: Any, codes: Any, target: Any, recipe: Any, mechanism: Any, *rest: Any) -> Any:
        rates = np.where(target == 1, 0.4, 0.1)
        mechanism.sample = lambda records: np.flatnonzero(mechanism.noise.uniform(records) < rates)
        return honest(parameters, codes, target, recipe, mechanism, *rest)

    trainer._model.train = train


def seeded(trainer: Any) -> None:
    """The trainer has a seed of its own: equal noise in every round."""
    trainer.noise = SeededNoise(7)


def reset_every_round(subject: Subject) -> Subject:
    """The ledger states one round's epsilon, whatever went before."""
    return replace(subject, stated=[subject.stated[0]] * len(subject.stated))


# The twelfth, a round that nobody reported, is no trainer's: `fedscore regulator verify` finds it (step 9).
PLANTED: dict[str, Fault] = {
    "noise x .8": on_noise(lambda noise: Scaled(noise, 0.8)),
    "noise / 2": on_noise(lambda noise: Scaled(noise, 1 / 2)),
    "noise / 10": on_noise(lambda noise: Scaled(noise, 1 / 10)),
    "no clip": on_mechanism(unclipped),
    "clip after mean": on_clipped_sum(average_before_clip),
    "same noise each step": on_noise(lambda noise: Repeated(noise, drawing=True)),
    "q doubled": on_noise(Twice),
    "accountant reset each round": reset_every_round,
    "shuffling for Poisson": on_noise(Shuffled),
    "deterministic noise seed": on_trainer(seeded),
    "one class not clipped": sparing(1),
}

OTHERS: dict[str, Fault] = {
    "noise x .8 asked for": on_noise(lambda noise: Underdrawn(noise, 0.8)),
    "the other class not clipped": sparing(0),
    "one draw for all steps": on_noise(lambda noise: Repeated(noise, drawing=False)),
    "one epoch each": on_mechanism(one_epoch_each),
    "classes balanced": on_trainer(balanced_classes),
    "noise on empty sums only": on_mechanism(silent_beside_records),
    "one step more": on_mechanism(one_step_more),
}
