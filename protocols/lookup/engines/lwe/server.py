"""The pool's and the auditors' side: one pass over the byte table for a whole batch of queries.

Any bytes of the right length are a query: the answer is a linear function of them and of a padded table, so there is
nothing a crafted query could bring out beyond that table, and nothing is decoded that could fail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError
from protocols.lookup.engines.lwe.encoding import geometry_of, table_of, upper_half, weighted
from protocols.lookup.engines.lwe.matrix import PublicMatrix
from protocols.lookup.engines.lwe.noise import check_table
from protocols.lookup.engines.lwe.parameters import DIMENSION, LweShape
from protocols.lookup.engines.lwe.product import MAX_INNER, Product
from protocols.lookup.rows import Rows

BATCH = 64
"""Queries answered by one pass. More add little speed and delay the first."""


class LwePrepared:
    """The table of one epoch with its hint."""

    def __init__(self, rows: Rows, epoch_id: bytes, product: Product) -> None:
        self._shape = LweShape(geometry_of(rows))
        self._table = table_of(rows, self._shape)
        self._product = product
        check_table(self._shape.parameters, self._table)
        self._hint = self._make_hint(PublicMatrix(epoch_id, self._shape.columns))

    @property
    def hint(self) -> bytes:
        """The table times A, upper halves: little-endian uint16[height, n]."""
        return self._hint

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        """Per query the table times the query, upper halves: little-endian uint16[height].

        Raises MessageError unless every query has exactly the geometry's size, and for keys, which lwe has none of."""
        if keys:
            raise MessageError("keys", got=f"{len(keys)} bytes", expected="none: lwe has no evaluation keys")
        for query in queries:
            if len(query) != self._shape.query_bytes:
                raise MessageError("query", got=f"{len(query)} bytes", expected=f"{self._shape.query_bytes} bytes")
        return [
            answer
            for start in range(0, len(queries), BATCH)
            for answer in self._answer_batch(queries[start : start + BATCH])
        ]

    def _answer_batch(self, queries: Sequence[bytes]) -> list[bytes]:
        parameters, count = self._shape.parameters, len(queries)
        digits = np.frombuffer(bytearray().join(queries), dtype=np.int8).reshape(count * parameters.digits, -1)
        products = self._times_table(digits).reshape(-1, count, parameters.digits)
        answers = upper_half(weighted(np.moveaxis(products, 2, 0), parameters.dropped_bits)).astype("<u2", copy=False)
        return [answer.tobytes() for answer in answers.T]

    def _times_table(self, digits: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
        """The table times digits, int32[height, len(digits)], mod 2^32.

        The table stands on the left: fast products repack what stands on the right, and read the left as it is.
        """
        total = self._product(self._table[:, :MAX_INNER], digits[:, :MAX_INNER].T)
        for start in range(MAX_INNER, self._shape.columns, MAX_INNER):
            inner = slice(start, start + MAX_INNER)
            total = total + self._product(self._table[:, inner], digits[:, inner].T)  # wraps, as numbers mod 2^32 may
        return total

    def _make_hint(self, matrix: PublicMatrix) -> bytes:
        total = np.zeros((self._shape.height, DIMENSION), dtype=np.uint32)
        for lines, planes in matrix.blocks():
            table = self._table[:, lines]
            for plane, digits in enumerate(planes):
                total += self._product(table, digits).view(np.uint32) << np.uint32(8 * plane)
        return upper_half(total).astype("<u2", copy=False).tobytes()
