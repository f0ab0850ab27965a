"""Records of every cell by outcome, and the warm start that they give.

A record adds one unit to one count per feature, so its vector has norm unit x sqrt(p): the unit is chosen to make that
2^32 lattice points at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from federation.privacy.lattice import POINTS
from federation.training.sums.arithmetic import F64, I64, ceil_sqrt, log_odds
from federation.training.sums.part import Setting, counts, outcomes
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


@dataclass(frozen=True)
class Histogram:
    """Bads of every cell, then goods of every cell."""

    setting: Setting

    @property
    def width(self) -> int:
        return 2 * self.setting.mains.dimension

    @property
    def unit(self) -> int:
        """Lattice points of one record in one cell."""
        return math.isqrt(POINTS**2 // len(self.setting.mains.steps))

    @property
    def sensitivity(self) -> int:
        return ceil_sqrt(self.unit**2 * len(self.setting.mains.steps))

    def contribution(self, state: State, records: Encoded) -> I64:
        embedding, bad = self.setting.mains, outcomes(records) == 1
        places = embedding.places(records.codes)
        return np.concatenate([counts(embedding, places[mask]) for mask in (bad, ~bad)]) * self.unit

    def advance(self, state: State, total: I64, sd: float) -> State:
        bads, goods = np.split(np.maximum(total / self.unit, 0.0), 2)
        held = bads + goods
        return replace(
            state,
            effects=self.setting.recipe.warm_start * self._evidence(bads, held, sd / self.unit),
            shares=held / self.setting.nominal_total,
        )

    def _evidence(self, bads: F64, held: F64, sd: float) -> F64:
        """The log-odds of each cell over the base rate's, shrunk and limited."""
        recipe, rate = self.setting.recipe, self.setting.base_rate
        base, limit = log_odds(rate), recipe.evidence_limit
        pseudo = recipe.shrink_sd * sd + recipe.shrink_records
        shrunk = np.clip((bads + pseudo * rate) / (held + pseudo), 1e-4, 1 - 1e-4)
        found: F64 = np.clip(np.array([log_odds(float(value)) - base for value in shrunk]), -limit, limit)
        return found
