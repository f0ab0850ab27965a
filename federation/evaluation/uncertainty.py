"""How far a figure of a noisy histogram may be off.

    se^2 = noise_se^2 + sampling_se^2

Both come from simulation: the published counts are taken for the truth, the release's noise (its standard deviation is
known) or the sampling of records (Poisson per cell) is drawn `DRAWS` times, post-processed alike, and the spread of the
figure is its standard error. This is post-processing of what was released and touches no record, so its generator may
be seeded, and is: a card is reproducible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
DRAWS = 400
SEED = 20_130


@dataclass(frozen=True)
class Estimate:
    """A figure with its standard error; `noise_se` is the part of it that the privacy noise alone causes.

    value is None where the figure is suppressed; `note` says why.
    """

    value: float | None
    se: float | None = None
    noise_se: float | None = None
    note: str | None = None

    @classmethod
    def suppressed(cls, note: str) -> Estimate:
        return cls(None, note=note)

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A figure of an owner's own records: no noise."""
        return cls(value, noise_se=0.0)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95%, normal; None where there is no standard error."""
        if self.value is None or self.se is None:
            return None
        return self.value - 1.96 * self.se, self.value + 1.96 * self.se

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "se": self.se, "noise_se": self.noise_se, "note": self.note}


@dataclass(frozen=True)
class Draws:
    """Histograms drawn around a published one: with noise alone, with sampling alone. [DRAWS, *shape] each."""

    noise: Floats
    sampling: Floats

    def estimate(self, value: float, statistic: Statistic, least: float = 0.0) -> Estimate:
        """`value` without the bias that the noise gives `statistic`, within [least, 1], and the spread over the draws.

        The bias is estimated by the bootstrap (Efron and Tibshirani, 1993, chapter 10): the mean over noisy copies of
        the published histogram, minus the figure of the published histogram itself.
        """
        noisy = statistic(self.noise)
        noisy = noisy[np.isfinite(noisy)]
        if not math.isfinite(value) or not noisy.size:
            return Estimate.suppressed("not defined: one of the classes is empty")
        corrected = float(np.clip(2 * value - noisy.mean(), least, 1.0))
        noise = _spread(noisy)
        return Estimate(corrected, math.hypot(noise, _spread(statistic(self.sampling))), noise)


def gaussian(generator: np.random.Generator, counts: Floats, sd: float) -> Floats:
    """`DRAWS` copies of `counts` with noise of `sd`."""
    shape = (DRAWS, *counts.shape)
    return counts + (generator.normal(0.0, sd, shape) if sd > 0 else np.zeros(shape))


def poisson(generator: np.random.Generator, counts: Floats) -> Floats:
    """`DRAWS` copies of `counts` (non-negative) as other samples of records would show them."""
    return generator.poisson(counts, (DRAWS, *counts.shape)).astype(np.float64)


def _spread(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if finite.size > 1 else 0.0
