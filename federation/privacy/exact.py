"""The subsampled discrete Gaussian mechanism: integer sums of bounded sensitivity, integer noise, a public lattice.

A sum of vectors of L2 norm at most `clip` arrives as whole multiples of 1 / POINTS; so does what is released. The noise
is an exact discrete Gaussian of sigma x clip x POINTS lattice points, a rational number, and nothing is rounded later:
the sensitivity is the clip, with no slack. Everything that depends on records is integer arithmetic; the step of the
optimiser that follows consists of single IEEE 754 operations on float64, each correctly rounded: the same to the bit
on every machine.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from federation.errors import PrivacyError
from federation.privacy.event import GaussianEvent
from federation.privacy.lattice import FEWEST_POINTS, MOST, POINTS
from federation.privacy.mechanism import GaussianMechanism, PrivateOptimizer
from federation.privacy.noise import NoiseSource
from federation.privacy.sampling import exact_sample


class ExactMechanism(GaussianMechanism):
    """`event.steps` releases of an integer sum of terms of L2 norm at most `clip` x POINTS; `PrivacyPlan` builds it.

    Raises PrivacyError for noise that spans fewer than 2^20 lattice points: the accountants' figures need them.
    """

    def __init__(self, event: GaussianEvent, *, clip: float, noise: NoiseSource) -> None:
        super().__init__(event, clip=clip, noise=noise)
        if self.sigma < FEWEST_POINTS:
            expected = f"noise of at least {FEWEST_POINTS / POINTS:.2g}"
            raise PrivacyError("mechanism.scale", got=self.scale, expected=expected)

    @property
    def sigma(self) -> Fraction:
        """The parameter of the discrete Gaussian, in lattice points."""
        return Fraction(self.event.noise_multiplier) * Fraction(self.clip) * POINTS

    def sample(self, records: int) -> NDArray[np.int64]:
        """Positions of the records that take part in one step."""
        return exact_sample(self.noise, records, self.event.sampling_rate)

    def release(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        """`release_points` of a float64 total that lies on the lattice; PrivacyError for one that does not."""
        points = np.asarray(total, dtype=np.float64) * POINTS
        if not (np.abs(points) <= 2**53).all() or (points != np.rint(points)).any():
            raise PrivacyError("mechanism.total", got="a value off the lattice", expected=f"multiples of 1/{POINTS}")
        return self.release_points(points.astype(np.int64)) / POINTS

    def release_points(self, total: NDArray[np.int64]) -> NDArray[np.int64]:
        """`total` with noise, int64, in lattice points: one of the event's releases.

        Raises PrivacyError for a sum beyond 2^61, and when the event's releases are used up.
        """
        if total.dtype != np.int64 or max(total.max(initial=0), -int(total.min(initial=0))) > MOST:
            raise PrivacyError("mechanism.total", got=f"{total.dtype}, too large", expected="int64 within 2^61")
        self._count_release()
        noise = self.noise.discrete_gaussian(total.size, self.sigma)
        noisy: NDArray[np.int64] = total + noise.reshape(total.shape)
        return noisy

    def optimizer(self, inner: torch.optim.Optimizer, nominal_records: int) -> ExactOptimizer:
        """`inner` behind this mechanism, for an institution of `nominal_records` (public)."""
        return ExactOptimizer(inner, mechanism=self, nominal_records=nominal_records)


class ExactOptimizer(PrivateOptimizer):
    """The private optimiser for one parameter vector whose clipped sum arrives as int64 lattice points.

    The learning rate is multiplied into the gradient, in the same single operation as the public divisor: SGD's own
    `p + (-1) g` and `m b + g` then consist of operations that no fused instruction can round otherwise.
    """

    def __init__(self, inner: torch.optim.Optimizer, *, mechanism: ExactMechanism, nominal_records: int) -> None:
        super().__init__(inner, mechanism=mechanism, nominal_records=nominal_records)
        (group,) = inner.param_groups
        (self._parameter,) = group["params"]
        rate = Fraction(group["lr"]) / (Fraction(mechanism.event.sampling_rate) * nominal_records * POINTS)
        self._exact, self._unit = mechanism, float(rate)
        group["lr"] = 1.0
        self._total = np.zeros(0, dtype=np.int64)

    def take(self, total: NDArray[np.int64] | NDArray[np.float64]) -> None:
        """The step's sum of clipped gradients, int64 [d]. Raises PrivacyError for any other type."""
        if total.dtype != np.int64:
            raise PrivacyError("mechanism.total", got=total.dtype, expected="int64")
        self._total = total.astype(np.int64, copy=False)

    def accumulate(self) -> None:
        """The sum stays outside of torch: its float64 could not hold it."""

    def add_noise(self) -> None:
        """One release, in lattice points, rounded once to float64."""
        noisy = self._exact.release_points(self._total)
        self._parameter.grad = torch.from_numpy(noisy.astype(np.float64))

    def scale_grad(self) -> None:
        """Lattice points to what the parameter moves by."""
        self._parameter.grad.mul_(self._unit)
