"""Numbers to bytes and back: 60-bit residues, shortened answers, and rows as polynomials.

Everything has one size and every received number is compared with its bound, so that what reaches SEAL is always a
well-formed polynomial.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.errors import MessageError
from protocols.lookup.engines.bfv.parameters import DEGREE
from protocols.lookup.parameters import COEFFICIENTS

RESIDUES_BYTES = DEGREE * 60 // 8  # one polynomial modulo one prime
SIGNATURE_SLOTS = 4  # two bytes a coefficient, eight coefficients a slot
SLOTS = DEGREE // COEFFICIENTS

_DROPPED = (28, 20)  # low bits of c0 and c1 that an answer leaves out
_KEPT_BYTES = (4, 5)
ANSWER_BYTES = DEGREE * sum(_KEPT_BYTES)


def pack_residues(residues: NDArray[np.uint64]) -> bytes:
    """uint64[primes, N], every value below 2^60, two values in 15 bytes."""
    pairs = np.ascontiguousarray(residues, dtype="<u8").view(np.uint8).reshape(-1, 2, 8)
    packed = np.empty((len(pairs), 15), dtype=np.uint8)
    packed[:, :7] = pairs[:, 0, :7]
    packed[:, 7:14] = pairs[:, 1, :7]
    packed[:, 14] = pairs[:, 0, 7] | pairs[:, 1, 7] << 4
    return packed.tobytes()


def unpack_residues(data: bytes, primes: tuple[int, ...], field: str) -> NDArray[np.uint64]:
    """uint64[primes, N] of `len(primes) * RESIDUES_BYTES` bytes. Raises MessageError for a value beyond its prime."""
    packed = np.frombuffer(data, dtype=np.uint8).reshape(-1, 15)
    pairs = np.empty((len(packed), 2, 8), dtype=np.uint8)
    pairs[:, 0, :7] = packed[:, :7]
    pairs[:, 1, :7] = packed[:, 7:14]
    pairs[:, 0, 7] = packed[:, 14] & 15
    pairs[:, 1, 7] = packed[:, 14] >> 4
    residues = pairs.view("<u8").astype(np.uint64, copy=False).reshape(len(primes), DEGREE)
    if (residues >= np.array(primes, dtype=np.uint64)[:, None]).any():
        raise MessageError(field, got="a coefficient beyond its prime", expected="residues")
    return residues


def shorten(polynomials: NDArray[np.uint64]) -> bytes:
    """An answer's c0 and c1, uint64[2, N] modulo one prime, without their low bits.

    The modulus switch leaves 60 bits, of which t and the noise need few. Leaving out the low 28 bits of c0 and 20 of c1
    adds noise of at most 2^27 + 2^19 * |s|_1, in practice below 2^28 of the 2^39 that decrypt. Floor, not
    rounding: nothing can overflow, and `lengthen` adds the half back.
    """
    parts = []
    for values, dropped, size in zip(polynomials, _DROPPED, _KEPT_BYTES, strict=True):
        words = (values >> np.uint64(dropped)).astype("<u8").view(np.uint8).reshape(DEGREE, 8)
        parts.append(words[:, :size].tobytes())
    return b"".join(parts)


def lengthen(data: bytes) -> NDArray[np.uint64]:
    """uint64[2, N] from `ANSWER_BYTES` bytes.

    Every byte string of this size is a valid pair of polynomials: the middle of the highest interval, 2^60 - 2^19, is
    below the prime 2^60 - 163839.
    """
    polynomials = np.zeros((2, DEGREE), dtype=np.uint64)
    start = 0
    for index, (dropped, size) in enumerate(zip(_DROPPED, _KEPT_BYTES, strict=True)):
        words = np.zeros((DEGREE, 8), dtype=np.uint8)
        words[:, :size] = np.frombuffer(data, dtype=np.uint8, count=DEGREE * size, offset=start).reshape(DEGREE, size)
        high = words.view("<u8").astype(np.uint64, copy=False).reshape(DEGREE)
        polynomials[index] = (high << np.uint64(dropped)) + np.uint64(1 << dropped - 1)
        start += DEGREE * size
    return polynomials


def row_polynomial(values: NDArray[np.uint32], signatures: NDArray[np.uint8], field: str) -> NDArray[np.uint64]:
    """uint64[N]: the records uint32[S, 8], then the signatures uint8[quorum * 64], two bytes a coefficient.

    Raises MessageError unless they fill the ring. That the values are below t, `Rows` has seen to.
    """
    signed = np.ascontiguousarray(signatures, dtype=np.uint8).view("<u2")
    coefficients = np.concatenate([values.reshape(-1), signed]).astype(np.uint64)
    if coefficients.size != DEGREE:
        raise MessageError(field, got=f"{coefficients.size} coefficients", expected=DEGREE)
    if not coefficients.any():  # SEAL refuses to multiply by zero; records are padded, so this is no table
        raise MessageError(field, got="zeros only", expected="padded records")
    return coefficients


def row_parts(coefficients: NDArray[np.uint64], quorum: int) -> tuple[NDArray[np.uint32], bytes]:
    """The records uint32[S, 8] and the signatures' bytes of a decrypted polynomial.

    A wrong answer may decrypt to anything: what does not fit two bytes is cut, and the signatures do not verify.
    """
    records = DEGREE - quorum * SIGNATURE_SLOTS * COEFFICIENTS
    signatures = (coefficients[records:] & np.uint64(0xFFFF)).astype("<u2").tobytes()
    return coefficients[:records].astype(np.uint32).reshape(-1, COEFFICIENTS), signatures
