"""Public arithmetic that is the same to the bit on every machine: single correctly rounded operations, fixed order.

No linear algebra library, no reduction whose order a processor could choose, no logarithm of a mathematical library.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
_EXACT = Context(prec=40)


def times(matrix: F64, vector: F64) -> F64:
    """matrix [m, n] @ vector [n], added up column by column."""
    out = np.zeros(len(matrix))
    for column, value in zip(matrix.T, vector, strict=True):
        out += column * value
    return out


def log_odds(probability: float) -> float:
    """log(p / (1 - p)) for p in (0, 1)."""
    exact = Decimal(probability)
    return float(_EXACT.ln(_EXACT.divide(exact, _EXACT.subtract(Decimal(1), exact))))


def ceil_sqrt(square: int) -> int:
    """The least integer whose square is at least `square` >= 0."""
    return math.isqrt(square - 1) + 1 if square else 0
