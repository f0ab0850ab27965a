"""Records of every cell: what the average subject is like, from which reasons are told.

A record adds one unit to one count per feature, so its vector has norm unit x sqrt(p): the unit is chosen to make that
2^32 lattice points at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from federation.privacy.lattice import POINTS
from federation.training.sums.arithmetic import I64, ceil_sqrt
from federation.training.sums.part import Setting, counts
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


@dataclass(frozen=True)
class Histogram:
    """Records of every cell."""

    setting: Setting

    @property
    def width(self) -> int:
        return self.setting.mains.dimension

    @property
    def unit(self) -> int:
        """Lattice points of one record in one cell."""
        return math.isqrt(POINTS**2 // len(self.setting.mains.steps))

    @property
    def sensitivity(self) -> int:
        return ceil_sqrt(self.unit**2 * len(self.setting.mains.steps))

    def contribution(self, state: State, records: Encoded) -> I64:
        return counts(self.setting.mains, self.setting.mains.places(records.codes)) * self.unit

    def advance(self, state: State, total: I64) -> State:
        held = np.maximum(total / self.unit, 0.0)
        return replace(state, shares=held / self.setting.nominal_total)
