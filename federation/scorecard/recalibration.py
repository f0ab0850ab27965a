"""A monotone piecewise-linear recalibration, applied so that the parts of a score still add up to it.

Within a segment between two knots a calibrated log-odds is a + b z: every contribution to z counts b times, and what is
left over is the same for everybody in the segment. So parts and reasons stay exact; the slope is at least .2, so no two
scores change places (`federation.training.sums.calibration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError
from federation.scorecard.scaling import Scaling

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Recalibration:
    """(raw, calibrated) log-odds of BAD at the knots, both rising; beyond them the outer slopes go on."""

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        found = np.array(self.knots, dtype=np.float64)
        if found.ndim != 2 or len(found) < 2 or not np.isfinite(found).all() or (np.diff(found, axis=0) <= 0).any():
            raise ConfigurationError("recalibration.knots", got=self.knots, expected="two or more, both sides rising")

    @classmethod
    def of(cls, knots: Sequence[tuple[float, float]]) -> Recalibration | None:
        """None for no knots: the raw log-odds stand."""
        return cls(tuple(knots)) if knots else None

    def __call__(self, raw: F64) -> tuple[F64, F64]:
        """Calibrated log-odds [n], and the slope [n] of the segment that each is in."""
        x, y = np.array(self.knots, dtype=np.float64).T
        segment = np.clip(np.searchsorted(x, raw, side="right") - 1, 0, len(x) - 2)
        slope = (np.diff(y) / np.diff(x))[segment]
        return y[segment] + slope * (raw - x[segment]), slope

    def of_parts(self, parts: F64, losses: F64, base: F64, weights: F64, scaling: Scaling) -> tuple[F64, F64]:
        """Points by part [n, parts] and losses [n, families], recalibrated: parts still sum to the score.

        base     [parts] the neutral subject's points;  weights  [parts] how what no feature explains is divided
        """
        calibrated, slope = self(scaling.to_logits(parts.sum(axis=1)))
        explained = (parts - base) * slope[:, None]
        rest = scaling.from_logits(calibrated) - explained.sum(axis=1)
        return explained + rest[:, None] * weights, losses * slope[:, None]
