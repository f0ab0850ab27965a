"""What members answer with: flat vectors, float32 or int64 (little-endian), or int64 under masks.

>>> import numpy as np
>>> form = Form("int64", 2, max_norm=10.0)
>>> form.read(to_bytes(np.array([3, -4])))
array([ 3, -4])
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, Refused
from federation.privacy.lattice import MOST
from federation.rounds.averaging import model_from_bytes
from federation.rounds.refusals import Code

I64: TypeAlias = NDArray[np.int64]
Vector: TypeAlias = NDArray[np.float32] | I64


def to_bytes(vector: Vector) -> bytes:
    """Little-endian, float32 or int64 as it is."""
    return np.ascontiguousarray(vector, dtype=vector.dtype.newbyteorder("<")).tobytes()


@dataclass(frozen=True)
class Form:
    """`size` numbers of L2 norm at most `max_norm`; of a masked vector the norm says nothing and is not looked at."""

    numbers: Literal["float32", "int64", "masked"]
    size: int
    max_norm: float = math.inf

    def __post_init__(self) -> None:
        if self.size < 1:
            raise Refused(Code.WRONG_SHAPE, "form.size", got=self.size, expected="at least 1")

    @classmethod
    def of_total(cls, size: int, max_norm: float) -> Self:
        """Of an honest sum that is known modulo 2^64. Raises ConfigurationError where one could wrap around unseen."""
        if max_norm >= 2**63:
            got = f"sums up to 2^{math.log2(max_norm):.1f}"
            raise ConfigurationError("plan.members: nominal_records", got=got, expected="below 2^63: fewer records")
        return cls("int64", size, max_norm)

    def read(self, data: bytes) -> Vector:
        """float32 or int64 [size]. Raises Refused: wrong_shape, not_finite, oversized."""
        if self.numbers == "float32":
            floats = model_from_bytes(data, self.size)
            self._check_norm(float(np.linalg.norm(floats.astype(np.float64))))
            return floats
        if len(data) != 8 * self.size:
            raise Refused(Code.WRONG_SHAPE, "vector", got=f"{len(data)} bytes", expected=f"{8 * self.size} bytes")
        words: I64 = np.frombuffer(data, dtype="<i8").astype(np.int64)
        if self.numbers == "int64":
            self.check(words)
        return words

    def check(self, words: I64) -> None:
        """Raises Refused (oversized) for integers that no honest answer, or sum of answers, has."""
        _check_range("reply.update", words)
        self._check_norm(float(np.linalg.norm(words.astype(np.float64))))

    def _check_norm(self, norm: float) -> None:
        if norm > self.max_norm:
            raise Refused(Code.OVERSIZED, "reply.update", got=f"norm {norm:.4g}", expected=f"<= {self.max_norm:.4g}")


def exact_sum(vectors: Iterable[Vector]) -> I64:
    """int64 [size]: the sum of vectors whose numbers are within 2^61.

    Raises Refused (oversized) as soon as it is beyond 2^61: the next addend takes it to 2^62 at most, so no sum wraps
    around unseen, however many are added.
    """
    total: I64 = np.zeros(1, dtype=np.int64)
    for vector in vectors:
        total = total + vector.astype(np.int64, copy=False)
        _check_range("sum", total)
    return total


def _check_range(where: str, words: I64) -> None:
    if (words > MOST).any() or (words < -MOST).any():  # the absolute value of -2^63 would be negative
        raise Refused(Code.OVERSIZED, where, got="a larger number", expected="within 2^61")
