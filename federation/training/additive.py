"""The additive model: logistic regression on the embedding. Every cell's effect, part and reason is exact.

Works on the codes: a forward pass gathers one integer per feature, a backward pass counts residuals per cell. No matrix
of records times dimensions is built, so a million records fit where their codes do. Everything between the weights and
the clipped sum of gradients is integer arithmetic within int64, so a sum is the same in every order and on every
machine, and its sensitivity is a matter of integers:

    |residual| <= floor(clip RESIDUAL ONE / sqrt(h share))     the limit for a record that holds h features
    |residual| x |embedding| <= clip RESIDUAL ONE              in lattice points: the clip, whatever the model

torch is imported to train and for nothing else: plans, scores and reports are made without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError
from federation.training.descent import descend
from federation.training.embedding import ONE, Embedding
from federation.training.fixed_point import LOGIT, RESIDUAL, fixed_log_odds, fixed_weights, residuals
from federation.training.recipe import Recipe

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.privacy.mechanism import GaussianMechanism

MAX_DIMENSION = 2**13  # a log-odds is at most 2^16 x 2^20 PARAMETER_LIMIT x sqrt(dimension) < 2^63 steps
_CHUNK = 2**14  # records whose places are held at once
I64 = NDArray[np.int64]


class AdditiveModel:
    """Parameters: the weights of the embedding, float32 [dimension]. The intercept is the public log-odds.

    Raises ConfigurationError for a catalogue of more than 8,192 cells: its log-odds could leave int64.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.embedding = Embedding.of(catalogue)
        if self.dimension > MAX_DIMENSION:
            raise ConfigurationError("catalogue", got=f"{self.dimension} cells", expected=f"at most {MAX_DIMENSION}")
        self._intercept = fixed_log_odds(catalogue.base_rate)

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return self.embedding.dimension

    @property
    def intercept(self) -> float:
        """The public log-odds of bad."""
        return self._intercept / LOGIT

    def initial(self) -> NDArray[np.float32]:
        """Zeros: the public base rate for everybody."""
        return np.zeros(self.dimension, dtype=np.float32)

    def logits(self, parameters: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log-odds of bad, float64 [n]: what training sees, so every machine sees the same."""
        return self._log_odds(parameters.astype(np.float64), codes) / LOGIT

    def cell_effects(self, parameters: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        """Log-odds of bad that each cell adds, float64 [n_cells] per feature."""
        steps = self.embedding.effects_in_steps(fixed_weights(parameters.astype(np.float64)))
        return tuple(effect / LOGIT for effect in steps)

    def train(
        self,
        parameters: NDArray[np.float32],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        recipe: Recipe,
        mechanism: GaussianMechanism,
        nominal_records: int,
    ) -> NDArray[np.float64]:
        """The parameters after every step that the mechanism's event has."""

        def clipped_sum(weights: NDArray[np.float64], rows: NDArray[np.int64]) -> I64:
            return self.clipped_sum(weights, codes[rows], target[rows], mechanism.clip)

        return descend(parameters, len(codes), clipped_sum, recipe, mechanism, nominal_records)

    def clipped_sum(
        self, weights: NDArray[np.float64], codes: NDArray[np.uint8], target: NDArray[np.uint8], clip: float
    ) -> I64:
        """Sum over records of gradients of norm at most `clip`, int64 [dimension] in lattice points of 2^-32."""
        limits, fixed = self.residual_limits(clip), fixed_weights(weights)
        total = np.zeros(self.dimension, dtype=np.int64)
        for rows in _chunks(len(codes)):
            places = self.embedding.places(codes[rows])
            log_odds = self._intercept + self.embedding.gather_in_steps(fixed, places)
            within = limits[self.embedding.held(codes[rows])]
            total += self.embedding.backward_in_steps(residuals(log_odds, target[rows], within), places)
        return total

    def residual_limits(self, clip: float) -> I64:
        """The largest residual, in steps, for records that hold 0, 1, .. p features; int64 [p + 1]."""
        return _residual_limits(clip, self.embedding.share, len(self.embedding.steps))

    def _log_odds(self, weights: NDArray[np.float64], codes: NDArray[np.uint8]) -> I64:
        fixed, found = fixed_weights(weights), np.empty(len(codes), dtype=np.int64)
        for rows in _chunks(len(codes)):
            found[rows] = self.embedding.gather_in_steps(fixed, self.embedding.places(codes[rows]))
        return self._intercept + found


def _chunks(records: int) -> Iterator[slice]:
    """At least one, so that what is wrong with no records at all is found too."""
    return (slice(start, start + _CHUNK) for start in range(0, max(records, 1), _CHUNK))


@lru_cache(maxsize=64)
def _residual_limits(clip: float, share: int, features: int) -> I64:
    bound = Fraction(clip) * RESIDUAL * ONE
    shares = [held * share for held in range(1, features + 1)]
    limits = np.array([0, *(min(RESIDUAL, math.isqrt(math.floor(bound**2 / each))) for each in shares)])
    limits.flags.writeable = False
    return limits
