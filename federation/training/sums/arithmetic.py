"""Public arithmetic that is the same to the bit on every machine: single correctly rounded operations, fixed order.

No linear algebra library, no reduction whose order a processor could choose, no logarithm of a mathematical library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
_EXACT = Context(prec=40)


def total(values: Iterable[float]) -> float:
    """The correctly rounded sum, whatever the order (Shewchuk's)."""
    return math.fsum(values)


def times(matrix: F64, vector: F64) -> F64:
    """matrix [m, n] @ vector [n], added up column by column."""
    out = np.zeros(len(matrix))
    for column, value in zip(matrix.T, vector, strict=True):
        out += column * value
    return out


def solve_transposed(lower: F64, right: F64) -> F64:
    """x with lower' x = right, for a lower triangular [n, n] with a non-zero diagonal."""
    left, solved = right.copy(), np.zeros(len(right))
    for i in range(len(right) - 1, -1, -1):
        solved[i] = left[i] / lower[i, i]
        left[:i] -= lower[i, :i] * solved[i]
    return solved


def log(value: float) -> float:
    """The natural logarithm of a positive number, from correctly rounded decimals."""
    return float(_EXACT.ln(Decimal(value)))


def log_odds(probability: float) -> float:
    """log(p / (1 - p)) for p in (0, 1)."""
    exact = Decimal(probability)
    return float(_EXACT.ln(_EXACT.divide(exact, _EXACT.subtract(Decimal(1), exact))))


def ceil_sqrt(square: int) -> int:
    """The least integer whose square is at least `square` >= 0."""
    return math.isqrt(square - 1) + 1 if square else 0
