"""What a stage is, and the log-odds that all of them start from, in integers.

A log-odds counts steps of 2^-36 (`federation.training.fixed_point`). State values are at most 2^12, so an effect is at
most 2^48 steps and five hundred of them 2^57; the pairs' effects are at most 2^52 sqrt(pairs) by Cauchy's inequality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from federation.errors import RecordsError
from federation.training.embedding import Embedding
from federation.training.fixed_point import LOGIT, RESIDUAL, fixed_log_odds, fixed_weights
from federation.training.sums.arithmetic import F64, I64, ceil_sqrt
from federation.training.sums.pair_codes import PairCodes
from federation.training.sums.recipe import Stage, SumRecipe
from federation.training.sums.state import Layout, State

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.records.encoded import Encoded


class Part(Protocol):
    """One stage: an integer sum over records, and what the public makes of it."""

    @property
    def width(self) -> int:
        """Length of the sum."""
        ...

    @property
    def sensitivity(self) -> int:
        """The largest L2 norm of one record's part, in lattice points, rounded up."""
        ...

    def contribution(self, state: State, records: Encoded) -> I64:
        """The sum over `records`, int64 [width]."""
        ...

    def advance(self, state: State, total: I64) -> State:
        """The next state, from the noisy sum."""
        ...


@dataclass(frozen=True)
class Setting:
    """What is public of a run: catalogue, recipe, N."""

    catalogue: Catalogue
    recipe: SumRecipe
    nominal_total: int

    @cached_property
    def mains(self) -> Embedding:
        """The features' cells."""
        return Embedding.of(self.catalogue)

    @cached_property
    def pairs(self) -> PairCodes:
        """The declared pairs' cells. Raises ConfigurationError where there are none."""
        return PairCodes(self.catalogue)

    @property
    def has_pairs(self) -> bool:
        """Whether the recipe uses pairs."""
        return Stage.PAIRS in self.recipe.stages

    @cached_property
    def layout(self) -> Layout:
        """Of the state."""
        weights = self.pairs.embedding.dimension if self.has_pairs else 0
        return Layout(self.mains.dimension, weights, 5 if Stage.CALIBRATION in self.recipe.stages else 0)

    @property
    def base_rate(self) -> float:
        return self.catalogue.base_rate

    @cached_property
    def base(self) -> int:
        """The public log-odds of bad, in steps."""
        return fixed_log_odds(self.base_rate)

    @property
    def curvature(self) -> float:
        """pi (1 - pi): that of a record's loss at the base rate."""
        return self.base_rate * (1 - self.base_rate)

    @property
    def residual_limit(self) -> int:
        """The largest residual, in steps of 2^-16."""
        return int(self.recipe.clip * RESIDUAL)

    def main_log_odds(self, effects: F64, places: I64) -> I64:
        """Base and the features' effects [m], int64 [n] in steps."""
        return self.base + gather(np.split(in_steps(effects), _bounds(self.mains)), places)

    def log_odds(self, state: State, records: Encoded) -> I64:
        """Of bad, before calibration; int64 [n] in steps."""
        found = self.main_log_odds(state.effects, self.mains.places(records.codes))
        if self.has_pairs:
            places = self.pairs.embedding.places(self.pairs.codes(records))
            found += self.pairs.embedding.gather_in_steps(fixed_weights(state.weights), places)
        return found


def in_steps(values: F64) -> I64:
    """Log-odds as whole steps of 2^-36."""
    steps: I64 = np.rint(values * float(LOGIT)).astype(np.int64)
    return steps


def gather(cells: Sequence[I64], places: I64) -> I64:
    """Each record's sum over features of its cells' values, int64 [n]; a feature that is not held adds nothing."""
    slots = np.concatenate([np.append(values, 0) for values in cells])
    found: I64 = slots[places].sum(axis=1)
    return found


def counts(embedding: Embedding, places: I64) -> I64:
    """Records of each cell, int64 [dimension]."""
    sizes = np.array([len(table) for table in embedding.steps])
    slots = np.bincount(places.ravel(), minlength=int(sizes.sum()) + len(sizes))
    held = np.ones(len(slots), dtype=np.bool_)
    held[np.cumsum(sizes + 1) - 1] = False
    found: I64 = slots[held].astype(np.int64)
    return found


def reach(embedding: Embedding) -> int:
    """The largest squared norm of a record's embedding, in squared steps: the longest row of every table."""
    return sum(max((sum(v * v for v in row) for row in table.tolist()), default=0) for table in embedding.steps)


def gradient_sensitivity(embedding: Embedding, residual_limit: int) -> int:
    """R sqrt(sum over features of the largest squared norm), rounded up."""
    return ceil_sqrt(residual_limit**2 * reach(embedding))


def outcomes(records: Encoded) -> NDArray[np.uint8]:
    """Raises RecordsError for records without an outcome."""
    if records.target is None:
        raise RecordsError("target", got=None, expected="an outcome for every record")
    return records.target


def _bounds(embedding: Embedding) -> I64:
    return np.cumsum([len(table) for table in embedding.steps])[:-1]
