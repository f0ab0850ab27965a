"""The one operation everything costs: a product of int8 matrices, accumulated exactly in int32.

The engine is given it (`Product`), because the fast ones need libraries the protocols do not import; `blas_product` is
exact on any machine. A product that saturates, as some int8 instructions do, turns answers into noise without an error:
whoever brings another one tests it first (`federation.lookup.int8`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Product = Callable[[Int8, Int8], npt.NDArray[np.int32]]
"""(int8[m, k], int8[k, n]) -> int32[m, n], exact for k up to MAX_INNER and any values; views are allowed."""

MAX_INNER = 2**16
"""2^16 products of at most 2^14 stay below 2^31."""
_EXACT_IN_FLOAT32 = 2**10
"""2^10 products of at most 2^14 are integers up to 2^24: every partial sum is exact, in any order."""
_COLUMNS_AT_ONCE = 2**8
"""A stretch of so many columns, widened to float32, is 1 MB: it stays in cache."""


def blas_product(left: Int8, right: Int8) -> npt.NDArray[np.int32]:
    """Exact, by float32 BLAS over stretches short enough that nothing is ever rounded."""
    if left.shape[0] > right.shape[1]:  # the larger one is the one to take in stretches
        return blas_product(right.T, left.T).T
    total = np.zeros((left.shape[0], right.shape[1]), dtype=np.int32)
    for first in range(0, left.shape[1], _EXACT_IN_FLOAT32):
        inner = slice(first, first + _EXACT_IN_FLOAT32)
        widened = left[:, inner].astype(np.float32)
        for start in range(0, right.shape[1], _COLUMNS_AT_ONCE):
            columns = slice(start, start + _COLUMNS_AT_ONCE)
            total[:, columns] += (widened @ right[inner, columns].astype(np.float32)).astype(np.int32)
    return total
