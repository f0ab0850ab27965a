"""Ring-LWE over Z_q[X]/(X^N + 1) with q = 2^64 and N = 4096: arithmetic and sampling.

Lyubashevsky, Peikert, Regev, "On ideal lattices and learning with errors over rings" (EUROCRYPT 2010). Uniform ternary
secrets, centred binomial noise of parameter 21 (standard deviation 3.24, never beyond 21). The Homomorphic Encryption
Standard (2018, table 1) allows 109 bits of modulus for 128-bit security in this degree, and 75 for 192; this takes 64.
A power of two makes every sum and every product by a number the machine's own: no reduction, nothing to get wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Random: TypeAlias = Callable[[int], bytes]
Polynomial: TypeAlias = NDArray[np.uint64]

DEGREE = 4096
SEED_BYTES = 32
NOISE_BOUND = 21

_LIMB_BITS = 16
_EXPANDED = b"fedscore/v1/blind/uniform"


def uniform(seed: bytes, index: int) -> Polynomial:
    """The index-th uniform polynomial of a seed (SHAKE-128): who chooses the seed does not choose the polynomial."""
    stream = hashlib.shake_128(_EXPANDED + b"\x00" + seed + index.to_bytes(4, "little"))
    return np.frombuffer(stream.digest(8 * DEGREE), dtype="<u8").astype(np.uint64, copy=False)


def ternary(random: Random) -> NDArray[np.int8]:
    """int8[N], uniform in {-1, 0, 1}: bytes modulo 3, without the one that would tip the scale."""
    found = np.empty(0, dtype=np.uint8)
    while found.size < DEGREE:
        drawn = np.frombuffer(random(DEGREE), dtype=np.uint8)
        found = np.concatenate([found, drawn[drawn < 255]])
    return (found[:DEGREE] % 3).astype(np.int8) - np.int8(1)


def noise(random: Random) -> Polynomial:
    """Centred binomial: the difference of the set bits of two words of 21 bits."""
    words = np.frombuffer(random(8 * DEGREE), dtype="<u4").reshape(2, DEGREE) & np.uint32((1 << NOISE_BOUND) - 1)
    ones = np.bitwise_count(words).astype(np.int64)
    return np.asarray(ones[0] - ones[1]).astype(np.uint64)


def times(polynomial: Polynomial, small: NDArray[np.int8]) -> Polynomial:
    """polynomial * small in the ring, exactly.

    By floating-point transforms of 16-bit limbs: a coefficient of a product is below 2^28 while a double holds 2^53.
    """
    shifts = np.arange(0, 64, _LIMB_BITS, dtype=np.uint64)[:, None]
    limbs = (polynomial[None, :] >> shifts & np.uint64((1 << _LIMB_BITS) - 1)).astype(np.float64)
    product = np.fft.irfft(np.fft.rfft(limbs, 2 * DEGREE) * np.fft.rfft(small.astype(np.float64), 2 * DEGREE))
    folded = np.rint(product[:, :DEGREE] - product[:, DEGREE:]).astype(np.int64).astype(np.uint64)
    return np.asarray((folded << shifts).sum(axis=0, dtype=np.uint64))


def both_signs(polynomial: Polynomial) -> Polynomial:
    """[-p, p, -p], of which `shifted` is a window."""
    negative = np.uint64(0) - polynomial
    return np.concatenate([negative, polynomial, negative])


def shifted(signed: Polynomial, exponent: int) -> Polynomial:
    """X^exponent * p for |exponent| <= N, as a view of `both_signs(p)`: X^N = -1."""
    return signed[DEGREE - exponent : 2 * DEGREE - exponent]
