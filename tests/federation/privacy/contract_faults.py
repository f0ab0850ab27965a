"""Faults for the contract checks to find: each breaks one line of what serves production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from federation.privacy import PrivacyPlan, SeededNoise
from federation.privacy.contract import Check
from federation.privacy.mechanism import GaussianMechanism
from federation.training import Trainer
from federation.training.additive import AdditiveModel

Patch = pytest.MonkeyPatch


def scaled_scale(patch: Patch, factor: float) -> None:
    """The noise that is asked for is too small."""
    honest = GaussianMechanism.scale.fget  # type: ignore[attr-defined]
    patch.setattr(GaussianMechanism, "scale", property(lambda self: factor * honest(self)))


def scaled_draw(patch: Patch, factor: float) -> None:
    """The noise that is asked for is right, and what is added is too small."""
    honest = GaussianMechanism.release

    def release(self: GaussianMechanism, total: NDArray[np.float64]) -> NDArray[np.float64]:
        return total + factor * (honest(self, total) - total)

    patch.setattr(GaussianMechanism, "release", release)


def no_clip(patch: Patch) -> None:
    patch.setattr(GaussianMechanism, "clip_factors", lambda self, norms: torch.ones_like(norms))


def clip_spares(patch: Patch, outcome: int) -> None:
    """Records of one outcome are not clipped."""
    honest = AdditiveModel.clipped_sum

    def clipped_sum(
        self: AdditiveModel,
        weights: NDArray[np.float64],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        mechanism: GaussianMechanism,
    ) -> NDArray[np.float64]:
        spared = target == outcome
        unbounded = GaussianMechanism(mechanism.event, clip=1e9, noise=mechanism.noise)
        return honest(self, weights, codes[~spared], target[~spared], mechanism) + honest(
            self, weights, codes[spared], target[spared], unbounded
        )

    patch.setattr(AdditiveModel, "clipped_sum", clipped_sum)


def average_before_clip(patch: Patch) -> None:
    """The mean gradient of the batch is clipped, not each record's."""
    honest = AdditiveModel.clipped_sum

    def clipped_sum(
        self: AdditiveModel,
        weights: NDArray[np.float64],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        mechanism: GaussianMechanism,
    ) -> NDArray[np.float64]:
        unbounded = GaussianMechanism(mechanism.event, clip=1e9, noise=mechanism.noise)
        size = max(len(codes), 1)
        mean = honest(self, weights, codes, target, unbounded) / size
        return size * mean * min(1.0, mechanism.clip / max(float(np.linalg.norm(mean)), 1e-12))

    patch.setattr(AdditiveModel, "clipped_sum", clipped_sum)


def same_noise_every_step(patch: Patch, *, drawing: bool) -> None:
    """The first step's noise is used again, whether or not the others are drawn for show."""
    honest = GaussianMechanism.release
    kept: dict[str, Any] = {}

    def release(self: GaussianMechanism, total: NDArray[np.float64]) -> NDArray[np.float64]:
        first = self._left == self.event.steps
        noise = honest(self, total) - total if first or drawing else None
        if first:
            kept["noise"] = noise
        return total + kept["noise"]

    patch.setattr(GaussianMechanism, "release", release)


def doubled_rate(patch: Patch) -> None:
    patch.setattr(
        GaussianMechanism,
        "sample",
        lambda self, records: np.flatnonzero(self.noise.uniform(records) < 2 * self.event.sampling_rate),
    )


def shuffled_batches(patch: Patch) -> None:
    """A batch of fixed size, drawn from the right source."""

    def sample(self: GaussianMechanism, records: int) -> NDArray[np.int64]:
        return np.argsort(self.noise.uniform(records))[: round(self.event.sampling_rate * records)]

    patch.setattr(GaussianMechanism, "sample", sample)


def seeded_every_round(patch: Patch) -> None:
    """The trainer has a seed of its own: equal noise in every round."""
    honest = Trainer.__init__

    def init(self: Trainer, *args: object) -> None:
        honest(self, *args[:-1], noise=SeededNoise(7))  # type: ignore[arg-type,misc]

    patch.setattr(Trainer, "__init__", init)


def one_step_more(patch: Patch) -> None:
    """A round makes a step that its event does not speak of."""
    honest = PrivacyPlan.mechanism

    def mechanism(self: PrivacyPlan, noise: object) -> GaussianMechanism:
        made = honest(self, noise)  # type: ignore[arg-type]
        return GaussianMechanism(replace(made.event, steps=made.event.steps + 1), clip=made.clip, noise=made.noise)

    patch.setattr(PrivacyPlan, "mechanism", mechanism)


def silent_beside_records(patch: Patch) -> None:
    """Noise is added to empty sums only."""
    honest = GaussianMechanism.release

    def release(self: GaussianMechanism, total: NDArray[np.float64]) -> NDArray[np.float64]:
        noisy = honest(self, total)
        return total if total.any() else noisy

    patch.setattr(GaussianMechanism, "release", release)


def balanced_classes(patch: Patch) -> None:
    """Bad outcomes are sampled twice as often, at the price of the good ones."""
    honest = AdditiveModel.train

    def train(self: AdditiveModel, parameters: Any, codes: Any, target: Any, *rest: Any) -> NDArray[np.float64]:
        rates = np.where(target == 1, 0.4, 0.1)

        def sample(mechanism: GaussianMechanism, records: int) -> NDArray[np.int64]:
            return np.flatnonzero(mechanism.noise.uniform(records) < rates)

        patch.setattr(GaussianMechanism, "sample", sample)
        return honest(self, parameters, codes, target, *rest)

    patch.setattr(AdditiveModel, "train", train)


def one_epoch_each(patch: Patch) -> None:
    """Every record takes part in exactly one of the five steps: the rate is right, inclusions exclude each other."""
    honest = GaussianMechanism.sample
    drawn: dict[int, NDArray[np.int64]] = {}

    def sample(self: GaussianMechanism, records: int) -> NDArray[np.int64]:
        step = self.event.steps - self._left
        if step == 0:
            drawn[0] = np.random.default_rng().integers(0, self.event.steps, records)
        honest(self, records)  # as many draws as ever
        return np.flatnonzero(drawn[0] == step)

    patch.setattr(GaussianMechanism, "sample", sample)


FAULTS: dict[str, tuple[Callable[[Patch], None], Check]] = {
    "noise x .8": (lambda patch: scaled_scale(patch, 0.8), Check.NOISE_SCALE),
    "noise / 2": (lambda patch: scaled_scale(patch, 1 / 2), Check.NOISE_SCALE),
    "noise / 10": (lambda patch: scaled_scale(patch, 1 / 10), Check.NOISE_SCALE),
    "noise x .8 once drawn": (lambda patch: scaled_draw(patch, 0.8), Check.NOISE_SCALE),
    "no clip": (no_clip, Check.SENSITIVITY),
    "good outcomes not clipped": (lambda patch: clip_spares(patch, 0), Check.SENSITIVITY),
    "bad outcomes not clipped": (lambda patch: clip_spares(patch, 1), Check.SENSITIVITY),
    "average before clip": (average_before_clip, Check.CLIP_PER_RECORD),
    "one draw for all steps": (lambda patch: same_noise_every_step(patch, drawing=False), Check.STEPS),
    "first draw in all steps": (lambda patch: same_noise_every_step(patch, drawing=True), Check.STEPS),
    "q doubled": (doubled_rate, Check.RATE),
    "fixed-size shuffling": (shuffled_batches, Check.INCLUSIONS),
    "seed of its own": (seeded_every_round, Check.ROUNDS),
    "one epoch each": (one_epoch_each, Check.INCLUSIONS),
    "classes balanced": (balanced_classes, Check.RATE),
    "noise on empty sums only": (silent_beside_records, Check.NOISE_SCALE),
    "one step more": (one_step_more, Check.RELEASES),
}
