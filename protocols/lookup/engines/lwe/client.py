"""The querier's side: a fresh secret for every query, in memory only, used once, in one process.

Two queries under one secret differ by the rows asked for, in the clear. Therefore secrets are never serialised or
copied (pickling and copying raise), serve one query and open one answer, and are refused in a process that was forked
off the one that drew them. A snapshot of a running machine cannot be noticed from inside: never restore one twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError, StageError
from protocols.lookup.engines.base import Geometry, Random, check_row
from protocols.lookup.engines.lwe.encoding import digits, row_of, weighted
from protocols.lookup.engines.lwe.matrix import PLANES, PublicMatrix
from protocols.lookup.engines.lwe.noise import gaussian, ternary
from protocols.lookup.engines.lwe.parameters import DIGIT_BITS, DIMENSION, MODULUS_BITS, ROUNDED_BITS, LweShape
from protocols.lookup.engines.lwe.product import Product

ProcessId = Callable[[], int]
"""Names the running process; another number after a fork."""

_DIGIT_STEP = np.uint32(1 << (MODULUS_BITS - DIGIT_BITS))
_HALF_DIGIT = np.uint16(1 << (ROUNDED_BITS - DIGIT_BITS - 1))


class _Uncopied:
    """Neither pickled nor copied."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StageError("lwe.secret", got="a copy", expected="secrets that stay where they were drawn")


class _Secret(_Uncopied):
    """One ternary secret s (int8[n]) with its encryption of zero, A s + e (uint32[columns])."""

    __slots__ = ("masked", "vector")

    def __init__(self, vector: npt.NDArray[np.int8], masked: npt.NDArray[np.uint32]) -> None:
        self.vector = vector
        self.masked = masked


class LwePending(_Uncopied):
    """Opens the answer to one query, once."""

    def __init__(self, vector: npt.NDArray[np.int8], hint: npt.NDArray[np.uint16], shape: LweShape) -> None:
        self._vector: npt.NDArray[np.int8] | None = vector
        self._hint = hint
        self._shape = shape

    def open(self, answer: bytes) -> tuple[npt.NDArray[np.uint32], bytes]:
        """The row's values and signatures as the answer says; see `Pending.open`."""
        if self._vector is None:
            raise StageError("lwe.answer", got="a second answer", expected="one answer per query")
        if len(answer) != self._shape.answer_bytes:
            raise MessageError("answer", got=f"{len(answer)} bytes", expected=f"{self._shape.answer_bytes} bytes")
        mask = self._hint @ self._vector.astype(np.uint16)  # mod 2^16
        self._vector.fill(0)
        self._vector = None
        noisy = np.frombuffer(answer, dtype="<u2") - mask
        column = ((noisy + _HALF_DIGIT) >> np.uint16(ROUNDED_BITS - DIGIT_BITS)).astype(np.uint8).view(np.int8)
        return row_of(column, self._shape)


class LweClient(_Uncopied):
    """One epoch's queries. Secrets drawn by `prepare` wait here until `query` takes them."""

    keys = b""

    def __init__(
        self,
        geometry: Geometry,
        epoch_id: bytes,
        hint: bytes,
        random: Random,
        product: Product,
        process_id: ProcessId,
    ) -> None:
        self._shape = LweShape(geometry)
        if len(hint) != self._shape.hint_bytes:
            raise MessageError("hint", got=f"{len(hint)} bytes", expected=f"{self._shape.hint_bytes} bytes")
        self._hint = np.frombuffer(hint, dtype="<u2").reshape(self._shape.height, DIMENSION)
        self._matrix = PublicMatrix(epoch_id, self._shape.columns)
        self._random = random
        self._product = product
        self._process_id = process_id
        self._born_in = process_id()
        self._waiting: deque[_Secret] = deque()

    def save(self) -> None:
        """Nothing: a secret kept is a secret that can be used twice."""

    def prepare(self, queries: int) -> None:
        """Draw secrets until `queries` wait; one pass over A for all that are missing."""
        self._check_process()
        missing = queries - len(self._waiting)
        if missing < 1:
            return
        vectors = np.stack([ternary(DIMENSION, self._random) for _ in range(missing)])
        masked = np.empty((missing, self._shape.columns), dtype=np.uint32)
        for lines, planes in self._matrix.blocks(keep=True):
            products = self._product(vectors, planes.reshape(-1, DIMENSION).T).reshape(missing, PLANES, -1)
            masked[:, lines] = weighted(products.swapaxes(0, 1))
        for vector, line in zip(vectors, masked, strict=True):
            line += gaussian(self._shape.parameters.sigma, self._shape.columns, self._random).view(np.uint32)
            self._waiting.append(_Secret(vector, line))

    def query(self, row: int) -> tuple[LwePending, bytes]:
        """A query for `row` under a secret of its own; see `Client.query`."""
        self._check_process()
        check_row(row, self._shape.geometry)
        secret = self._take()
        masked, parameters = secret.masked, self._shape.parameters
        masked[row : row + 1] += _DIGIT_STEP  # wraps, as numbers mod 2^32 may
        if parameters.dropped_bits:
            half = np.uint32(1 << (parameters.dropped_bits - 1))
            masked = (masked + half) >> np.uint32(parameters.dropped_bits)
        query = digits(masked, parameters.digits).tobytes()
        secret.masked.fill(0)
        return LwePending(secret.vector, self._hint, self._shape), query

    def _take(self) -> _Secret:
        while True:
            try:
                return self._waiting.popleft()  # atomic: no two threads get the same
            except IndexError:
                self.prepare(1)

    def _check_process(self) -> None:
        if self._process_id() != self._born_in:
            raise StageError("lwe.client", got="a forked process", expected="the process that made this client")
