"""What an auditor observes of a trainer from outside it: the noise source is the only thing that is replaced.

An update of SGD with momentum m is linear in the step's releases r_1 .. r_T (sums of clipped gradients plus noise):

    update = -u (c_1 r_1 + ... + c_T r_T),   u = learning rate / (q N),   c_t = 1 + m + ... + m^(T - t)

So a source that gives zeros, and that lets everybody take part in one step and nobody in the others, makes the update
that step's sum of clipped gradients at the starting model, times a known number. Nothing inside the trainer is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import PrivacyError
from federation.privacy.noise import NoiseSource
from federation.privacy.plan import PrivacyPlan
from federation.privacy.sampling import poisson_sample
from federation.records.encoded import Encoded

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
Script: TypeAlias = Callable[[int], bool | None]  # step, from 0 -> everybody, nobody, or (None) as the source has it

_EXTREMES = (1e-300, 1 - 2.0**-53)  # uniforms for which a sampler takes everybody or nobody, whichever way it draws
_FIRST_WORD, _LAST_WORD = 0, 2**64 - 1  # words for which it does: one takes part whose word is low


class RoundTrainer(Protocol):
    """What serves production: `federation.training.Trainer` is one."""

    def round(self, parameters: F32, records: Encoded) -> F32:
        """The change that one round makes to `parameters`, float32 [d]."""
        ...


Build: TypeAlias = Callable[[NoiseSource], RoundTrainer]  # the institution's own way of making its trainer


@dataclass(frozen=True)
class Claim:
    """What the signed plan says of the trainer. Taken from the plan, never from the trainer.

    `nominal_records` is N, `learning_rate` that of the mean clipped gradient, `momentum` SGD's, afresh every round.
    Raises PrivacyError for figures out of range, and where everybody takes part in every step: steps cannot be told
    apart then.
    """

    privacy: PrivacyPlan
    nominal_records: int
    learning_rate: float
    momentum: float

    def __post_init__(self) -> None:
        if self.privacy.sampler != "poisson":
            raise PrivacyError("claim.sampler", got=self.privacy.sampler, expected="poisson")
        for name, holds, expected in (
            ("nominal_records", self.nominal_records >= 1, "at least 1"),
            ("learning_rate", 0 < self.learning_rate < float("inf"), "a positive number"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
        ):
            if not holds:
                raise PrivacyError(f"claim.{name}", got=getattr(self, name), expected=expected)

    @property
    def unit(self) -> float:
        """u: what one step's release is multiplied by."""
        return self.learning_rate / (self.privacy.sampling_rate * self.nominal_records)

    @property
    def weights(self) -> F64:
        """c_1 .. c_T: how often each step's release is counted in the update, float64 [T]."""
        steps = self.privacy.steps_per_round
        return np.cumsum(self.momentum ** np.arange(steps, dtype=np.float64))[::-1].copy()


class Source:
    """The auditor's noise source: hands on or silences noise, scripts who takes part, keeps what it handed out.

    A step ends where its noise is drawn. `present`: the uniforms that mean everybody and nobody to the sampler.
    """

    def __init__(self, inner: NoiseSource, *, noisy: bool, script: Script, present: tuple[float, float]) -> None:
        self.secure = inner.secure
        self.drawn: list[F64] = []
        self._inner, self._noisy, self._script, self._present = inner, noisy, script, present

    def gaussian(self, shape: Sequence[int], scale: float) -> F64:
        """The inner source's values, or zeros; kept in `drawn`, flat."""
        values = self._inner.gaussian(shape, scale) if self._noisy else np.zeros(tuple(shape))
        self.drawn.append(values.reshape(-1).copy())
        return values

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """The inner source's values, or zeros; kept in `drawn`."""
        values = self._inner.discrete_gaussian(size, sigma) if self._noisy else np.zeros(size, dtype=np.int64)
        self.drawn.append(values.astype(np.float64))
        return values

    def uniform(self, size: int) -> F64:
        """The inner source's values, or the script's for this step."""
        everybody = self._script(len(self.drawn))
        return self._inner.uniform(size) if everybody is None else np.full(size, self._present[not everybody])

    def words(self, count: int) -> NDArray[np.uint64]:
        """The inner source's words, or the script's for this step."""
        everybody = self._script(len(self.drawn))
        if everybody is None:
            return self._inner.words(count)
        return np.full(count, _FIRST_WORD if everybody else _LAST_WORD, dtype=np.uint64)


class Bench:
    """A trainer under observation. A new one is built for every round, as production does."""

    def __init__(self, build: Build, claim: Claim, noise: NoiseSource) -> None:
        self.claim = claim
        self._build, self._noise = build, noise
        self._present = _presence(noise, claim.privacy.sampling_rate)

    def clipped_sum(self, start: F32, records: Encoded, step: int) -> F64:
        """Sum of the clipped gradients of all `records` at `start`, as `step` (from 0) releases it without noise."""
        return self._released(start, records, self._only(step, True)) / float(self.claim.weights[step])

    def sampled_sum(self, start: F32, records: Encoded, step: int) -> F64:
        """The same of those records whom the production source's own draws select."""
        return self._released(start, records, self._only(step, None)) / float(self.claim.weights[step])

    def sampled_round(self, start: F32, records: Encoded) -> F64:
        """Weighted by c_t, the noise-free sums of all steps of a round with the production source's own sampling."""
        return self._released(start, records, lambda _: None)

    def noise_beside(self, start: F32, records: Encoded, rounds: int) -> list[F64]:
        """Weighted by c_t, the noise of `rounds` whose first step sees all `records` and whose others see nobody."""
        script = self._only(0, True)
        silent = self._released(start, records, script)
        return [self._released(start, records, script, noisy=True) - silent for _ in range(rounds)]

    def noise_alone(self, start: F32, records: Encoded) -> tuple[F64, list[F64]]:
        """A round that sees none of `records`: weighted by c_t its noise [d], and what was drawn from the source."""
        nobody = records.take(np.empty(0, dtype=np.int64))
        return self._observe(start, nobody, lambda _: None, noisy=True)

    def produced(self, start: F32, records: Encoded) -> F64:
        """Weighted by c_t, the releases of a round on production's own noise source: nothing is replaced."""
        return self._read(self._build(self._noise).round(start.copy(), records), start)

    def _released(self, start: F32, records: Encoded, script: Script, *, noisy: bool = False) -> F64:
        return self._observe(start, records, script, noisy=noisy)[0]

    def _observe(self, start: F32, records: Encoded, script: Script, *, noisy: bool) -> tuple[F64, list[F64]]:
        source = Source(self._noise, noisy=noisy, script=script, present=self._present)
        return self._read(self._build(source).round(start.copy(), records), start), source.drawn

    def _read(self, update: F32, start: F32) -> F64:
        if update.shape != start.shape or not np.isfinite(update).all():
            raise PrivacyError("update", got=f"shape {update.shape}", expected=f"finite numbers of shape {start.shape}")
        return -update.astype(np.float64) / self.claim.unit

    def _only(self, step: int, everybody: bool | None) -> Script:
        return lambda now: everybody if now == step else False


def _presence(noise: NoiseSource, rate: float) -> tuple[float, float]:
    """The uniforms that mean everybody and nobody to the production sampler, which may count or draw gaps."""
    low, high = _EXTREMES
    lowest = Source(noise, noisy=False, script=lambda _: True, present=_EXTREMES)
    return (low, high) if len(poisson_sample(lowest, 1, rate)) else (high, low)
