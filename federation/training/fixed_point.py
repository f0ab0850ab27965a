"""Log-odds and residuals as integers: what a record adds to a gradient, the same on every machine.

A weight is a whole number of steps of 2^-20, a log-odds one of 2^-36 (a weight times the embedding's 2^-16), a residual
one of 2^-16. The sigmoid is a table over log-odds from -16 to 16 in cells of 2^-10, computed in correctly rounded
decimals; a cell's value is that of its middle, so it errs by less than 2^-13, and beyond the table by less than 2^-23.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.training.embedding import ONE

WEIGHT = 2**20  # steps in a weight of 1
LOGIT = WEIGHT * ONE  # steps in a log-odds of 1
RESIDUAL = 2**16  # steps in a residual of 1
_CELL_BITS = 26  # a cell of the sigmoid's table holds 2^26 steps of the log-odds: 2^-10
_REACH = 16  # log-odds at which the table ends
_CELLS = 2 * _REACH * LOGIT >> _CELL_BITS
I64: TypeAlias = NDArray[np.int64]


def fixed_weights(weights: NDArray[np.float64]) -> I64:
    """The nearest whole numbers of steps, int64 [d]; no weight lies beyond 2^20 (`PARAMETER_LIMIT`)."""
    steps: I64 = np.rint(weights * float(WEIGHT)).astype(np.int64)
    return steps


def fixed_log_odds(probability: float) -> int:
    """log(p / (1 - p)) in steps, rounded to the nearest."""
    with localcontext(Context(prec=40)):
        exact = Decimal(probability)
        return int(((exact / (1 - exact)).ln() * LOGIT).to_integral_value())


def residuals(log_odds: I64, target: NDArray[np.uint8], limits: I64 | int) -> I64:
    """sigma(z) - y in steps, cut off at +-`limits` (one for all, or int64 [n]); int64 [n]."""
    cells = (log_odds >> _CELL_BITS) + _CELLS // 2
    np.clip(cells, 0, _CELLS - 1, out=cells)
    found: I64 = _sigmoid()[cells]
    found -= target.astype(np.int64) << RESIDUAL.bit_length() - 1
    return np.clip(found, -limits, limits, out=found)


@lru_cache(maxsize=1)
def _sigmoid() -> I64:
    """sigma at the middle of each cell, in steps, int64; sigma(-z) = 1 - sigma(z) exactly."""
    with localcontext(Context(prec=30)):
        width = Decimal(2**_CELL_BITS) / LOGIT
        shrinking, factor = (-width / 2).exp(), (-width).exp()
        upper = []
        for _ in range(_CELLS // 2):
            upper.append(int((RESIDUAL / (1 + shrinking)).to_integral_value()))
            shrinking *= factor
    half = np.array(upper, dtype=np.int64)
    table = np.concatenate([RESIDUAL - half[::-1], half])
    table.flags.writeable = False
    return table
