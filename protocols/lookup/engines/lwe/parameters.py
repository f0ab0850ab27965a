"""The numbers of the plain-LWE engine and the shape it gives a table.

The scheme is SimplePIR (Henzinger, Hong, Corrigan-Gibbs, Meiklejohn, Vaikuntanathan, USENIX Security 2023) with
q = 2^32, plaintexts that are bytes, a ternary secret, and both the query and the hint rounded to the bits they need.

                       columns      sigma   query         lattice estimator   core-SVP
    FINE               to 16,384    64      24 bits each  155 bits            132 bits
    WIDE               to 262,144   24      32 bits each  148 bits            123 bits

Security is for n = 1280 and was computed with the lattice estimator (Albrecht, Player, Scott, 2015) and, for core-SVP,
with the cost 2^(0.292 b) of Alkim, Ducas, Poeppelmann and Schwabe (2016); it does not depend on the table. The
discarded bits of a FINE query are further noise that the figure leaves out.

A row of the epoch's table stands in one column of bytes: its records, then its signatures.

    hint     20 slots + 64 quorum bytes, times n, times 2 bytes     once per epoch
    query    columns times 3 (FINE) or 4 (WIDE) bytes
    answer   20 slots + 64 quorum bytes, times 2
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.errors import MessageError
from protocols.lookup.engines.base import Geometry, check_subjects
from protocols.lookup.parameters import RECORD_BYTES

DIMENSION = 1280
"""n: length of the secret; whole blocks of AES in a line of the public matrix."""
MODULUS_BITS = 32
DIGIT_BITS = 8
ROUNDED_BITS = 16
"""Bits kept of hint and answer: eight for the digit, eight for the noise."""
MAX_HINT_BYTES = 2**26
"""A querier downloads the hint once per epoch. Beyond this, columns grow instead: a longer query, a shorter hint."""


@dataclass(frozen=True)
class LweParameters:
    """sigma: standard deviation of the discrete Gaussian, in units of 1 mod 2^32. digits: bytes a query has per column,
    8 * digits of its 32 bits."""

    max_columns: int
    sigma: float
    digits: int

    @property
    def dropped_bits(self) -> int:
        """Low bits of the query that are rounded away."""
        return MODULUS_BITS - DIGIT_BITS * self.digits


FINE = LweParameters(max_columns=2**14, sigma=64.0, digits=3)
WIDE = LweParameters(max_columns=2**18, sigma=24.0, digits=4)


@dataclass(frozen=True)
class LweShape:
    """What follows from a geometry: all sizes in bytes. Raises MessageError for more rows than the noise allows."""

    geometry: Geometry

    def __post_init__(self) -> None:
        if self.geometry.rows > WIDE.max_columns:
            raise MessageError("geometry.rows", got=self.geometry.rows, expected=f"at most {WIDE.max_columns} for lwe")

    @property
    def parameters(self) -> LweParameters:
        return FINE if self.columns <= FINE.max_columns else WIDE

    @property
    def columns(self) -> int:
        return self.geometry.rows

    @property
    def record_height(self) -> int:
        """Bytes of the records in one column."""
        return RECORD_BYTES * self.geometry.slots

    @property
    def height(self) -> int:
        """Bytes of one column."""
        return self.record_height + self.geometry.signature_bytes

    @property
    def query_bytes(self) -> int:
        return self.columns * self.parameters.digits

    @property
    def answer_bytes(self) -> int:
        return self.height * ROUNDED_BITS // 8

    @property
    def hint_bytes(self) -> int:
        return self.height * DIMENSION * ROUNDED_BITS // 8


def arrange(subjects: int, quorum: int) -> Geometry:
    """The fewest slots, hence the shortest hint, with which `subjects` fit the columns of FINE; of WIDE once that hint
    would pass MAX_HINT_BYTES. Raises MessageError for no subject."""
    check_subjects(subjects)
    shapes = [_filled(subjects, quorum, parameters) for parameters in (FINE, WIDE)]
    return next((shape for shape in shapes if shape.hint_bytes <= MAX_HINT_BYTES), shapes[-1]).geometry


def _filled(subjects: int, quorum: int, parameters: LweParameters) -> LweShape:
    slots = -(-subjects // parameters.max_columns)
    return LweShape(Geometry(rows=-(-subjects // slots), slots=slots, quorum=quorum))
