"""Oblivious expansion: one ciphertext of a selection polynomial to one ciphertext a coefficient.

Angel, Chen, Laine, Setty, "PIR with compressed queries and amortized query processing" (IEEE S&P 2018), section 3.3.
At level j a ciphertext c splits into c + s(c), which keeps the exponents divisible by 2^(j+1), and
(c - s(c)) X^(-2^j), which keeps and moves the others; s maps X to X^(N / 2^j + 1). Each split doubles what it keeps. A
node whose right child lies beyond the selections is not split, so outputs are doubled unequally often. X^(-2^j) is
-X^(N - 2^j), and SEAL takes the coefficient -1 = t - 1 of a monomial for a large one (20 bits of noise a level), so the
sign is left out. The querier corrects both beforehand (`weight`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal.sealapi as seal

from protocols.lookup.engines.bfv.parameters import DEGREE
from protocols.lookup.engines.bfv.serial import plaintext
from protocols.lookup.parameters import MODULUS


def galois_elements(levels: int) -> list[int]:
    """The exponent of s at each level."""
    return [DEGREE // (1 << level) + 1 for level in range(levels)]


def galois_index(element: int) -> int:
    """Where SEAL keeps the key of an element (`GaloisKeys::get_index`)."""
    return (element - 1) >> 1


def weight(index: int, selections: int) -> int:
    """(-1)^r 2^(-d) mod t: d splits on the way to output `index`, r of them to the right (one per set bit)."""
    levels = (selections - 1).bit_length()
    doublings = sum(index % (1 << level) + (1 << level) < selections for level in range(levels))
    sign = -1 if index.bit_count() % 2 else 1
    return sign * pow(1 << doublings, -1, MODULUS) % MODULUS


def monomials_of(levels: int) -> list[Any]:
    """X^(N - 2^j) = -X^(-2^j) for each level, as plaintexts."""
    monomials = []
    for level in range(levels):
        coefficients = np.zeros(DEGREE, dtype=np.uint64)
        coefficients[DEGREE - (1 << level)] = 1
        monomials.append(plaintext(coefficients))
    return monomials


def expand(evaluator: Any, query: Any, selections: int, keys: Any, monomials: list[Any]) -> list[Any]:
    """`selections` ciphertexts, the i-th of coefficient i times 2^(doublings); consumes `query`.

    One automorphism per output but the first, whatever the query holds.
    """
    outputs = [query]
    for level, element in enumerate(galois_elements(len(monomials))):
        step = 1 << level
        right = []
        for index, node in enumerate(outputs):
            if index + step >= selections:
                break
            image, odd = seal.Ciphertext(), seal.Ciphertext()
            evaluator.apply_galois(node, element, keys, image)
            evaluator.sub(node, image, odd)
            evaluator.multiply_plain_inplace(odd, monomials[level])
            evaluator.add_inplace(node, image)
            right.append(odd)
        outputs += right
    return outputs
