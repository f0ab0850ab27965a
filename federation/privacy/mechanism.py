"""The subsampled Gaussian mechanism, on Opacus' optimiser, made from the same plan as its privacy event.

    mechanism = plan.mechanism(OsNoise())
    optimizer = mechanism.optimizer(torch.optim.SGD(...), nominal_records=40_000)
    rows = mechanism.sample(n)            # who takes part in this step
    ...                                   # p.grad: sum over rows of gradients of norm <= mechanism.clip
    optimizer.step()                      # one release: noise, division by the public q N, inner step

A mechanism allows exactly the releases its event speaks of and then refuses. The divisor is public: the nominal size
times the sampling rate, never the number of records that were drawn. An empty draw releases pure noise.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.optimizers import DPOptimizerFastGradientClipping

from federation.errors import PrivacyError
from federation.privacy.event import GaussianEvent
from federation.privacy.noise import NoiseSource
from federation.privacy.sampling import poisson_sample

_GRID_BITS = 24  # a release is rounded to 2^-24 of its noise (a power of two): its low bits tell nothing of the sum


class GaussianMechanism:
    """`event.steps` releases of a sum of terms of L2 norm at most `clip`; `PrivacyPlan.mechanism` builds it."""

    def __init__(self, event: GaussianEvent, *, clip: float, noise: NoiseSource) -> None:
        self.event = event
        self.clip = clip
        self.noise = noise
        self._left = event.steps

    @property
    def scale(self) -> float:
        """Standard deviation of the noise on the sum."""
        return self.event.noise_multiplier * self.clip

    def sample(self, records: int) -> NDArray[np.int64]:
        """Positions of the records that take part in one step."""
        return poisson_sample(self.noise, records, self.event.sampling_rate)

    def clip_factors(self, norms: torch.Tensor) -> torch.Tensor:
        """Factors in [0, 1] that bring gradients of these L2 `norms` to at most `clip`; 1 for a norm of 0.

        0 for a norm that is infinite or no number: such a record has no part.
        """
        return torch.nan_to_num_(self.clip / norms, nan=0.0).clamp_(max=1.0)

    def release(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        """`total` with noise, on a public grid: one of the event's releases.

        Raises PrivacyError for a total that is not finite, and when the event's releases are used up: the event would
        no longer tell the truth.
        """
        if not np.isfinite(total).all():
            raise PrivacyError("mechanism.total", got="a value that is not finite", expected="finite sums")
        self._count_release()
        noisy = np.asarray(total, dtype=np.float64) + self.noise.gaussian(np.shape(total), self.scale)
        grid = 2.0 ** (math.floor(math.log2(self.scale)) - _GRID_BITS)
        rounded: NDArray[np.float64] = np.round(noisy / grid) * grid
        return rounded

    def _count_release(self) -> None:
        if self._left == 0:
            raise PrivacyError("mechanism.steps", got=self.event.steps + 1, expected=f"at most {self.event.steps}")
        self._left -= 1

    def optimizer(self, inner: torch.optim.Optimizer, nominal_records: int) -> PrivateOptimizer:
        """`inner` behind this mechanism, for an institution of `nominal_records` (public)."""
        return PrivateOptimizer(inner, mechanism=self, nominal_records=nominal_records)


class PrivateOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]  # Opacus has no types
    """Opacus' optimiser for gradients that arrive clipped and summed, with our noise and a public divisor.

    Expects in `p.grad` the SUM over the sampled records of gradients of joint L2 norm at most the mechanism's clip.
    """

    def __init__(self, inner: torch.optim.Optimizer, *, mechanism: GaussianMechanism, nominal_records: int) -> None:
        if nominal_records < 1:
            raise PrivacyError("nominal_records", got=nominal_records, expected="at least 1")
        self.mechanism = mechanism
        super().__init__(
            inner,
            noise_multiplier=mechanism.event.noise_multiplier,
            max_grad_norm=mechanism.clip,
            expected_batch_size=mechanism.event.sampling_rate * nominal_records,
            loss_reduction="mean",
        )

    def take(self, total: NDArray[np.int64] | NDArray[np.float64]) -> None:
        """The step's sum of clipped gradients of a model with one parameter vector, float64 [d]."""
        (parameter,) = self.params
        parameter.grad = torch.from_numpy(total)

    def accumulate(self) -> None:
        """The sum of this step is the whole of it: nothing is added up over calls."""
        for p in self.params:
            p.summed_grad = p.grad

    def add_noise(self) -> None:
        """One release: noise from the mechanism's own source on the sums of all parameters together."""
        total = torch.cat([p.summed_grad.reshape(-1) for p in self.params])
        noisy = torch.from_numpy(self.mechanism.release(total.double().numpy()))
        for p, part in zip(self.params, torch.split(noisy, [p.numel() for p in self.params]), strict=True):
            p.grad = part.to(p.dtype).view_as(p)
            p.summed_grad = None
