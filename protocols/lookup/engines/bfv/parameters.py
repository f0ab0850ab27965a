"""The BFV parameters and the shape of a scan.

Brakerski (CRYPTO 2012), Fan and Vercauteren (ePrint 2012/144), as implemented by Microsoft SEAL and bound by
`tenseal.sealapi`. Ring degree N = 8192, three 60-bit primes (two carry data, one serves key switching: 180 bits, where
the Homomorphic Encryption Standard allows 218 for 128-bit security), plaintext modulus t = 1032193 (`MODULUS`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tenseal.sealapi as seal

from protocols.errors import MessageError
from protocols.lookup.parameters import MODULUS

DEGREE = 8192
PRIMES = (1152921504606683137, 1152921504606748673, 1152921504606830593)  # fixed: the wire format depends on them
DATA_PRIMES = PRIMES[:2]
MAX_ROWS = (
    1 << 14
)  # 16 million subjects, 2 GB prepared; the noise of a query grows with the rows and was measured there

# What one more column and one more block cost a query, in milliseconds on one core, measured operation by operation.
# Only the ratio matters, and little: it sets how long and how high the table is folded.
_COLUMN_MS = 1.7  # expand one selection, transform it
_BLOCK_MS = 7.0  # expand one selection, transform the block's sum back, multiply two ciphertexts


@dataclass(frozen=True)
class Ring:
    """SEAL's context and the identifiers of its three levels; build it with `ring()`."""

    context: Any
    key_level: tuple[int, ...]
    data_level: tuple[int, ...]
    answer_level: tuple[int, ...]


@lru_cache(maxsize=1)
def ring() -> Ring:
    """The one context of this process. Raises RuntimeError where this SEAL would not give the parameters above."""
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(DEGREE)
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(DEGREE, [60, 60, 60]))
    parameters.set_plain_modulus(MODULUS)
    context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)  # enforces 128 bits
    if not context.parameters_set():
        raise RuntimeError(f"SEAL refuses the parameters: {context.parameters_error_message()}")
    primes = tuple(prime.value() for prime in context.key_context_data().parms().coeff_modulus())
    if primes != PRIMES:
        raise RuntimeError(f"SEAL chose the primes {primes}, expected {PRIMES}")
    data = context.first_context_data()
    answer = data.next_context_data()
    return Ring(context, *(tuple(level.parms_id()) for level in (context.key_context_data(), data, answer)))


@dataclass(frozen=True)
class Shape:
    """The table folded into `columns` x `blocks`: row r stands in column r % columns of block r // columns."""

    columns: int
    blocks: int

    @classmethod
    def of(cls, rows: int) -> Shape:
        """The shape with the least cost `columns * column_cost + blocks * block_cost` that holds `rows`.

        The scan of the rows themselves costs the same in every shape. Raises MessageError unless rows is in
        1..MAX_ROWS.
        """
        if not 1 <= rows <= MAX_ROWS:
            raise MessageError("rows", got=rows, expected=f"1 to {MAX_ROWS}")
        candidates = {-(-rows // blocks) for blocks in range(1, 2 * math.isqrt(rows) + 2)}
        shapes = [cls(columns, -(-rows // columns)) for columns in candidates]
        return min(shapes, key=lambda shape: (shape._cost, shape.blocks))

    @property
    def _cost(self) -> float:
        return self.columns * _COLUMN_MS + self.blocks * _BLOCK_MS

    @property
    def selections(self) -> int:
        """How many ciphertexts one query expands to: one a column, one a block."""
        return self.columns + self.blocks

    @property
    def levels(self) -> int:
        """Depth of the expansion tree, and the number of Galois keys."""
        return (self.selections - 1).bit_length()
