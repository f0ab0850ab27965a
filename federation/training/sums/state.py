"""The public state between rounds: everything that later rounds need, one flat float32 vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError
from federation.training.sums.arithmetic import F64

LIMIT = 2.0**12  # of every value: an effect is at most 2^12 log-odds, a share of records at most 1 or little more


@dataclass(frozen=True)
class State:
    """Float64 copies of its parts.

    effects     [m] what each cell of the features adds to the log-odds
    velocity    [m] of the effects
    shares      [m] the part of the nominal records that each cell holds, from the histogram
    weights     [w] of the pairs' embedding
    pushes      [w] the velocity of the weights
    knots       [k] calibrated log-odds at the public knots; empty for a recipe without calibration
    """

    effects: F64
    velocity: F64
    shares: F64
    weights: F64
    pushes: F64
    knots: F64

    def flat(self) -> NDArray[np.float32]:
        """float32 [3 m + 2 w + k]; values beyond +-LIMIT are brought back to it."""
        parts = (self.effects, self.velocity, self.shares, self.weights, self.pushes, self.knots)
        return np.clip(np.concatenate(parts), -LIMIT, LIMIT).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """How many cells, pair weights and knots a state has."""

    cells: int
    weights: int
    knots: int

    @property
    def size(self) -> int:
        """Length of the flat state."""
        return 3 * self.cells + 2 * self.weights + self.knots

    def read(self, flat: NDArray[np.float32]) -> State:
        """The parts of `flat`. Raises ConfigurationError for another shape or a value beyond the limit."""
        array = np.asarray(flat, dtype=np.float32)
        if array.shape != (self.size,):
            raise ConfigurationError("parameters", got=f"shape {array.shape}", expected=f"({self.size},)")
        if not (np.abs(array) <= LIMIT).all():
            raise ConfigurationError(
                "parameters", got="a value that is not finite or too large", expected=f"within {LIMIT:g}"
            )
        lengths = (self.cells, self.cells, self.cells, self.weights, self.weights)
        return State(*np.split(array.astype(np.float64), np.cumsum(lengths)))
