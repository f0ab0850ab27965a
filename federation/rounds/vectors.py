"""What members answer with: flat vectors, float32 or int64 (little-endian), or words of 4 or 8 bytes under masks.

>>> import numpy as np
>>> form = Form("int64", 2, max_norm=10.0)
>>> form.read(to_bytes(np.array([3, -4])))
array([ 3, -4])
>>> masked = MaskedForm(2, {"bank-a": 2**30, "bank-b": 2**29})
>>> masked.word_bytes, masked.signed(masked.words("bank-a", np.array([3, -4])))
(4, array([ 3, -4]))
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, Refused
from federation.privacy.lattice import MOST
from federation.rounds.averaging import model_from_bytes
from federation.rounds.refusals import Code
from protocols.secagg import Words
from protocols.secagg.masks import WORD_BYTES

I64: TypeAlias = NDArray[np.int64]
Vector: TypeAlias = NDArray[np.float32] | I64 | Words


def to_bytes(vector: Vector) -> bytes:
    """Little-endian, of the type that it is."""
    return np.ascontiguousarray(vector, dtype=vector.dtype.newbyteorder("<")).tobytes()


@dataclass(frozen=True)
class Form:
    """`size` numbers of L2 norm at most `max_norm`."""

    numbers: Literal["float32", "int64"]
    size: int
    max_norm: float = math.inf

    def __post_init__(self) -> None:
        if self.size < 1:
            raise Refused(Code.WRONG_SHAPE, "form.size", got=self.size, expected="at least 1")

    def read(self, data: bytes) -> Vector:
        """float32 or int64 [size]. Raises Refused: wrong_shape, not_finite, oversized."""
        if self.numbers == "float32":
            floats = model_from_bytes(data, self.size)
            self._check_norm(float(np.linalg.norm(floats.astype(np.float64))))
            return floats
        _check_length(data, 8 * self.size)
        words: I64 = np.frombuffer(data, dtype="<i8").astype(np.int64)
        self.check(words)
        return words

    def check(self, words: I64) -> None:
        """Raises Refused (oversized) for integers that no honest answer, or sum of answers, has."""
        _check_range("reply.update", words)
        self._check_norm(float(np.linalg.norm(words.astype(np.float64))))

    def _check_norm(self, norm: float) -> None:
        if norm > self.max_norm:
            raise Refused(Code.OVERSIZED, "reply.update", got=f"norm {norm:.4g}", expected=f"<= {self.max_norm:.4g}")


@dataclass(frozen=True)
class MaskedForm:
    """`size` numbers under masks. `bounds`: by member, what no number of its honest vector exceeds, sign aside.

    The bounds are public figures of a signed plan and its catalogue. Words have 4 bytes where all bounds together stay
    below 2^31, else 8: whatever the members within them send, their sum is itself modulo 2^32 or 2^64, and a member
    beyond its bound sends nothing (docs/secagg.md).

    Raises ConfigurationError where sums could reach 2^63 and wrap around unseen, or a bound is none.
    """

    size: int
    bounds: Mapping[str, int]

    def __post_init__(self) -> None:
        _ = self.total
        for name, bound in self.bounds.items():
            if bound < 0:
                raise ConfigurationError(f"bound of {name}", got=bound, expected="at least 0")
        if self._most >= 2**63:
            got = f"sums up to 2^{math.log2(self._most):.1f}"
            raise ConfigurationError("plan.members: nominal_records", got=got, expected="below 2^63: fewer records")

    @classmethod
    def of_norms(cls, size: int, max_norms: Mapping[str, float]) -> MaskedForm:
        """Of members whose vectors are bounded in L2 norm: no number of a vector is larger than its norm."""
        return cls(size, {name: math.ceil(norm) for name, norm in max_norms.items()})

    @property
    def word_bytes(self) -> int:
        """4 or 8."""
        return next(size for size in WORD_BYTES if self._most < 256**size // 2)

    @property
    def total(self) -> Form:
        """Of the sum of all members, once its masks are off."""
        return Form("int64", self.size, float(self._most))

    def words(self, institution: str, vector: I64) -> Words:
        """`vector` of `institution` as it goes under masks: in two's complement.

        Raises Refused (oversized) for a number beyond the member's bound: nobody could see that the sum wrapped around.
        """
        _check_range("update", vector, self.bounds[institution])
        return vector.astype(f"i{self.word_bytes}", copy=False).view(self._dtype)

    def read(self, data: bytes) -> Words:
        """Words [size] under masks, of which any are as good as any others. Raises Refused: wrong_shape."""
        _check_length(data, self.word_bytes * self.size)
        return np.frombuffer(data, dtype=f"<u{self.word_bytes}").astype(self._dtype, copy=False)

    def words_of(self, vector: Vector) -> Words:
        """`vector`, which `read` made, as words."""
        return vector.view(self._dtype)

    def sum(self, masked: Iterable[Vector]) -> I64:
        """int64 [size]: the sum of what all members sent, where pairwise masks are all there are."""
        summed = np.sum([self.words_of(vector) for vector in masked], axis=0, dtype=self._dtype)
        return self.signed(summed)

    def signed(self, words: Words) -> I64:
        """int64 [size]: the numbers that `words` are, masks off."""
        signed: I64 = words.view(f"i{self.word_bytes}").astype(np.int64)
        return signed

    @property
    def _most(self) -> int:
        return sum(self.bounds.values())

    @property
    def _dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        return np.dtype(f"u{self.word_bytes}")


AnyForm: TypeAlias = Form | MaskedForm


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


def _check_range(where: str, words: I64, most: int = MOST) -> None:
    if words.max(initial=0) > most or words.min(initial=0) < -most:  # the absolute value of -2^63 would be negative
        expected = "within 2^61" if most == MOST else f"at most {most}"
        raise Refused(Code.OVERSIZED, where, got="a larger number", expected=expected)


def _check_length(data: bytes, length: int) -> None:
    if len(data) != length:
        raise Refused(Code.WRONG_SHAPE, "vector", got=f"{len(data)} bytes", expected=f"{length} bytes")
