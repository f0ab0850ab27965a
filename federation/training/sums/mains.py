"""Rounds on the features' effects: sums of residual x embedding, clipped after rounding, and Nesterov's descent.

A round releases, per feature, the residuals of its bins times the root T of its kernel. The step is T times that, which
is gradient descent on the weights of the embedding told in the effects of the cells: noise and signal pass through the
kernel T T', which leaves what neighbouring bins share and dampens what they do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from federation.privacy.lattice import POINTS
from federation.training.fixed_point import residuals
from federation.training.sums.arithmetic import I64, times
from federation.training.sums.part import Setting, gradient_sensitivity, outcomes
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


@dataclass(frozen=True)
class Mains:
    """Sums of residual x the features' embedding, [cells]."""

    setting: Setting

    @property
    def width(self) -> int:
        return self.setting.mains.dimension

    @cached_property
    def sensitivity(self) -> int:
        return gradient_sensitivity(self.setting.mains, self.setting.residual_limit)

    def contribution(self, state: State, records: Encoded) -> I64:
        setting, embedding, target = self.setting, self.setting.mains, outcomes(records)
        places = embedding.places(records.codes)
        ahead = state.effects + setting.recipe.momentum * state.velocity
        found = setting.main_log_odds(ahead, places)
        return embedding.backward_in_steps(residuals(found, target, setting.residual_limit), places)

    def advance(self, state: State, total: I64) -> State:
        recipe, setting = self.setting.recipe, self.setting
        rate = recipe.rate / (setting.curvature * setting.nominal_total)
        sums = setting.mains.split(total.astype(np.float64) / POINTS)
        moved = [times(table, part) for table, part in zip(setting.mains.tables, sums, strict=True)]
        velocity = recipe.momentum * state.velocity - rate * np.concatenate(moved)
        return replace(state, effects=state.effects + velocity, velocity=velocity)
