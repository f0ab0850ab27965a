"""Rounds on the pairs' weights, the mains staying as they are: descent with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from federation.privacy.lattice import POINTS
from federation.training.fixed_point import fixed_weights, residuals
from federation.training.sums.arithmetic import I64
from federation.training.sums.part import Setting, gradient_sensitivity, outcomes
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


@dataclass(frozen=True)
class Pairs:
    """Sums of residual x the pairs' embedding."""

    setting: Setting

    @property
    def width(self) -> int:
        return self.setting.pairs.embedding.dimension

    @cached_property
    def sensitivity(self) -> int:
        return gradient_sensitivity(self.setting.pairs.embedding, self.setting.residual_limit)

    def contribution(self, state: State, records: Encoded) -> I64:
        setting, embedding, target = self.setting, self.setting.pairs.embedding, outcomes(records)
        places = embedding.places(setting.pairs.codes(records))
        found = setting.main_log_odds(state.effects, setting.mains.places(records.codes))
        ahead = state.weights + setting.recipe.pair_momentum * state.pushes
        found += embedding.gather_in_steps(fixed_weights(ahead), places)
        return embedding.backward_in_steps(residuals(found, target, setting.residual_limit), places)

    def advance(self, state: State, total: I64) -> State:
        recipe, setting = self.setting.recipe, self.setting
        rate = recipe.pair_rate / (setting.curvature * setting.nominal_total)
        pushes = recipe.pair_momentum * state.pushes - rate * (total.astype(np.float64) / POINTS)
        return replace(state, weights=state.weights + pushes, pushes=pushes)
