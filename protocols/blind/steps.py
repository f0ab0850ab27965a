"""How much there is to learn in a weight: the number of values that it can take, on the coarsest scale that all fit.

A value of an answer tells so many bits of whatever is encrypted. A scorecard in whole points therefore needs fewer
answers than it has weights: two or three of them fit side by side into one value. And where a value tells more bits
than a weight has, lattice reduction makes fewer answers do as well (`tests/protocols/blind/test_steps.py` does both).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

MOST_STEPS = 1 << 14
_FEWEST = 8  # weights; fewer lie on some common scale by chance
_FIRST = 12
_SHORTEST = 64.0  # units; of shorter steps anything is a multiple, but for rounding
_ROUNDING = 2.0  # units: of both ends of a gap, and of the longest gap, by which steps are measured


def step_of(units: I64) -> float:
    """The longest step of which all differences of `units` are multiples, but for rounding; 1.0 where there is none.

    Scales of up to 2^14 steps of 2^-14 log-odds or more are tried. int64[n], n >= 8 or the answer is 1.0.
    """
    gaps = np.unique(units - units.min())[1:].astype(np.float64)
    if len(units) < _FEWEST:
        return 1.0
    if not gaps.size:
        return math.inf
    steps = gaps[-1] / np.arange(1, MOST_STEPS + 1)
    steps = _fitting(gaps[:_FIRST], steps[steps >= _SHORTEST])
    steps = _fitting(gaps, steps[:_FIRST])
    return float(steps[0]) if steps.size else 1.0


def bits_of(units: I64, step: float) -> float:
    """log2 of how many values a weight among `units` can take, between the smallest and the largest, `step` apart."""
    return math.log2(float(units.max() - units.min()) / step + 1.0)


def _fitting(gaps: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of `steps` of which all `gaps` are multiples."""
    multiples = gaps[:, None] / steps
    found: NDArray[np.float64] = steps[(np.abs(multiples - np.rint(multiples)) * steps <= _ROUNDING).all(axis=0)]
    return found
