"""How often an answer decodes to a wrong byte, and the samplers of secrets and errors.

A byte is read from a number mod 2^16 as a multiple of 256, so it is right while the error stays below 128. In units of
that number the error of one answered byte is

    sum over columns of d_c * (e_c + w_c) / 2^16        d: the table's digits, e: Gaussian, w: rounding of the query
  + sum over the secret of s_k * h_k + a                h: rounding of the hint, a: rounding of the answer

e is discrete Gaussian (sigma), w uniform on dropped bits, s ternary, h and a uniform on [-1/2, 1/2]. All are strictly
sub-Gaussian (proxy equal to the variance), so with

    v = sum(d_c^2) * (sigma^2 + 4^dropped / 12 [dropped > 0]) / 2^32 + n * (2/3) / 12 + 1/12

a byte is wrong with a probability of about erfc(128 / sqrt(2 v)), and one of m bytes with at most m times that.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError
from protocols.lookup.engines.base import Random
from protocols.lookup.engines.lwe.parameters import DIGIT_BITS, DIMENSION, LweParameters
from protocols.lookup.parameters import RECORD_BYTES

MAX_LOG2_FAILURE = -40
"""Of one record of 20 bytes."""
_THRESHOLD = 2.0 ** (DIGIT_BITS - 1)
_UNIFORM_DIGIT = (4.0**DIGIT_BITS - 1) / 12 + 0.25
"""Mean square of a uniform digit from -128 to 127."""
_TAIL = 10
"""The Gaussian is cut at so many sigma; beyond lies less than 2^-75."""


def variance(parameters: LweParameters, sum_of_squares: float) -> float:
    """v above, for one line of the table: `sum_of_squares` of its digits over all columns."""
    rounding = 4.0**parameters.dropped_bits / 12 if parameters.dropped_bits else 0.0
    return sum_of_squares * (parameters.sigma**2 + rounding) / 2**32 + DIMENSION * (2 / 3) / 12 + 1 / 12


def log2_failure(parameters: LweParameters, sum_of_squares: float, size: int = RECORD_BYTES) -> float:
    """Binary logarithm of the probability that one of `size` bytes of an answer is wrong."""
    probability = math.erfc(_THRESHOLD / math.sqrt(2 * variance(parameters, sum_of_squares)))
    return math.log2(size) + math.log2(max(probability, 2.0**-1000))


def uniform_squares(columns: int) -> float:
    """The expected sum of squares of a line of uniform bytes, as padded sums and signatures are."""
    return columns * _UNIFORM_DIGIT


def check_table(parameters: LweParameters, table: npt.NDArray[np.int8]) -> None:
    """Raises MessageError if a line of `table` (int8[height, columns]) would fail more often than MAX_LOG2_FAILURE.

    A table of uniform bytes passes; one that was built to make answers fail does not open.
    """
    worst = max(int(np.einsum("c,c->", line, line, dtype=np.int64)) for line in table)
    found = log2_failure(parameters, worst)
    if found > MAX_LOG2_FAILURE:
        raise MessageError("lwe.table", got=f"failures of 2^{found:.1f}", expected=f"at most 2^{MAX_LOG2_FAILURE}")


def gaussian(sigma: float, size: int, random: Random) -> npt.NDArray[np.int32]:
    """`size` discrete Gaussian integers, by inversion: 63 random bits choose the magnitude, one the sign."""
    drawn = np.frombuffer(random(8 * size), dtype="<u8")
    magnitudes = np.searchsorted(_thresholds(sigma), drawn >> np.uint64(1), side="right").astype(np.int32)
    return np.where(drawn & np.uint64(1), -magnitudes, magnitudes)


@cache
def _thresholds(sigma: float) -> npt.NDArray[np.uint64]:
    """Entry k: 2^63 times the probability that the magnitude is at most k, summed in integers."""
    weights = [round(math.ldexp(math.exp(-k * k / (2 * sigma * sigma)), 200)) for k in range(math.ceil(_TAIL * sigma))]
    weights[0] //= 2  # zero has one sign, every other magnitude two
    total, cumulative, thresholds = sum(weights), 0, []
    for weight in weights[:-1]:
        cumulative += weight
        thresholds.append((cumulative << 63) // total)
    return np.array(thresholds, dtype=np.uint64)


def ternary(size: int, random: Random) -> npt.NDArray[np.int8]:
    """`size` uniform elements of {-1, 0, 1}: random bytes modulo 3, the last byte value rejected."""
    kept = np.empty(0, dtype=np.uint8)
    while len(kept) < size:
        drawn = np.frombuffer(random(size + 64), dtype=np.uint8)
        kept = np.concatenate([kept, drawn[drawn < 255]])
    return (kept[:size] % 3).astype(np.int8) - np.int8(1)
