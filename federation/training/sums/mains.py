"""Rounds on the features' effects: sums of residual x embedding, clipped after rounding.

A round releases, per feature, the residuals of its bins times the Cholesky root T of its kernel C. Mapped back by the
inverse transpose of T these are the bins' own sums with noise of covariance C^-1: little on what neighbours share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from federation.privacy.lattice import POINTS
from federation.training.embedding import ONE
from federation.training.fixed_point import residuals
from federation.training.sums.arithmetic import F64, I64, solve_transposed, times, total
from federation.training.sums.part import Setting, gradient_sensitivity, outcomes
from federation.training.sums.smoothing import smoothing
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded

_COMMON = 0.9  # of the median number of records: a feature that so many hold is held by all, up to noise


@dataclass(frozen=True)
class Mains:
    """What the releases of both ways of descent have in common. `ahead` is how much velocity they look ahead."""

    setting: Setting
    ahead: float = 0.0

    @property
    def width(self) -> int:
        return self.setting.mains.dimension

    @cached_property
    def sensitivity(self) -> int:
        return gradient_sensitivity(self.setting.mains, self.setting.residual_limit)

    def contribution(self, state: State, records: Encoded) -> I64:
        embedding, target = self.setting.mains, outcomes(records)
        places = embedding.places(records.codes)
        found = self.setting.main_log_odds(state.effects + self.ahead * state.velocity, places)
        return embedding.backward_in_steps(residuals(found, target, self.setting.residual_limit), places)

    @cached_property
    def tables(self) -> list[F64]:
        """The roots with rows of norm 1: without the root of the number of features."""
        return [table / ONE * self.root for table in self.setting.mains.steps]

    @cached_property
    def root(self) -> float:
        """The square root of the number of features."""
        return float(np.sqrt(float(len(self.setting.mains.steps))))

    def sums(self, noisy: I64) -> list[F64]:
        """Released sums of residuals by feature, as the roots with rows of norm 1 would have given them."""
        return self.setting.mains.split(noisy.astype(np.float64) * (self.root / POINTS))


class Descent(Mains):
    """Recipe A: gradient steps with Nesterov's momentum, in the effects' own coordinates."""

    def advance(self, state: State, noisy: I64, sd: float) -> State:
        recipe, setting = self.setting.recipe, self.setting
        rate = recipe.rate / (setting.curvature * setting.nominal_total * len(self.tables))
        moved = np.concatenate([times(table, part) for table, part in zip(self.tables, self.sums(noisy), strict=True)])
        velocity = recipe.momentum * state.velocity - rate * moved
        return replace(state, effects=state.effects + velocity, velocity=velocity)


class Preconditioned(Mains):
    """Recipes G and GP: V = m V - rate D^(-1/2) K D^(-1/2) g / sqrt(p), D the cells' curvature with damping."""

    def advance(self, state: State, noisy: I64, sd: float) -> State:
        recipe, setting = self.setting.recipe, self.setting
        sums = [solve_transposed(table, part) for table, part in zip(self.tables, self.sums(noisy), strict=True)]
        damping = recipe.damping_sd * sd * self.root / POINTS + recipe.damping_records
        held = np.maximum(state.shares, 0.0) * setting.nominal_total
        scale = 1.0 / np.sqrt(held * setting.curvature + damping)
        moved = [
            part * times(kernel, part * values)
            for part, kernel, values in zip(
                setting.mains.split(scale),
                smoothing(setting.catalogue),
                _agreed(sums, setting.mains.split(held)),
                strict=True,
            )
        ]
        velocity = recipe.momentum * state.velocity - recipe.rate / self.root * np.concatenate(moved)
        return replace(state, effects=state.effects + velocity, velocity=velocity)


def _agreed(sums: list[F64], held: list[F64]) -> list[F64]:
    """Every feature's sums moved, evenly over its cells, to the mean total: that of all records is the same for all.

    A feature that part of the records lack (by the histogram, well below the median) has a total of its own.
    """
    totals, records = [total(part) for part in sums], [total(part) for part in held]
    usual = sorted(records)[len(records) // 2]
    common = [count >= _COMMON * usual for count in records]
    mean = total(own for own, shared in zip(totals, common, strict=True) if shared) / sum(common)
    return [
        part + (mean - own) / len(part) if shared else part
        for part, own, shared in zip(sums, totals, common, strict=True)
    ]
