"""The discrete Gaussian, sampled exactly from uniform 64-bit words.

    P(x) = exp(-x^2 / (2 sigma^2)) / sum over all integers, for every integer x; sigma is rational

Rejection (Canonne, Kamath, Steinke, arXiv:2004.00010, with the proposal of Karney, arXiv:1303.6257): with t a power of
two in (sigma/2, sigma], x = k t + u has exponent -(k t)^2 / (2 sigma^2) - u (2 k t + u) / (2 sigma^2). So k is drawn
from a table, u uniformly from 0 .. t-1, and the pair is kept with probability exp(-u (2 k t + u) / (2 sigma^2)); of the
two zeros that signs make, one is thrown away. Of all candidates .71 to .84 are kept.

Every decision is that of exact arithmetic: a uniform number is compared with a real one, bit by bit for as long as that
takes. Floating point only spares work: where a float64 estimate is further from the uniform number than `MARGIN`, a
thousand times its error, it decides; elsewhere correctly rounded decimals do. So the outcome is a function of the words
alone, whatever a machine's exponential function is like. Running time varies with what is drawn, as rejection does.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import PrivacyError

Words: TypeAlias = Callable[[int], NDArray[np.uint64]]  # count -> that many independent uniform words

MAX_SIGMA = 2**56  # values stay within 2^60 but for a chance of e^-128: a sum of twice as much is an int64
MARGIN = 2.0**-36  # a float64 estimate of a probability errs by less than 2^-46
_PER_CANDIDATE = 4  # words: k, u with the sign, and two for keeping it


def discrete_gaussian(words: Words, size: int, sigma: Fraction, *, margin: float = MARGIN) -> NDArray[np.int64]:
    """int64 [size]: independent discrete Gaussians of parameter `sigma`; a function of the words and of nothing else.

    `margin` says how close to a probability a uniform number must be to be compared exactly; it changes no outcome.
    Raises PrivacyError unless 1 <= sigma <= 2^56.
    """
    if not 1 <= sigma <= MAX_SIGMA:
        raise PrivacyError("sigma", got=float(sigma), expected="from 1 to 2^56 lattice points")
    kept = np.empty(0, dtype=np.int64)
    while len(kept) < size:
        missing = size - len(kept)
        found = _candidates(words, missing + missing // 2 + 8, sigma, margin)
        kept = np.concatenate([kept, found[:missing]])
    return kept


def _candidates(words: Words, count: int, sigma: Fraction, margin: float) -> NDArray[np.int64]:
    """The candidates that are kept, of `count`."""
    shift = int(sigma).bit_length() - 1
    first, second, third, fourth = words(_PER_CANDIDATE * count).reshape(_PER_CANDIDATE, count)
    k = _multiples(first, sigma, 1 << shift, words)
    u = (second & np.uint64((1 << shift) - 1)).astype(np.int64)
    negative = second >> np.uint64(63) == 1
    keep = _keep(k, u, third, fourth, sigma, 1 << shift, words, margin)
    size = (k << shift) + u
    keep &= ~(negative & (size == 0))
    return np.where(negative, -size, size)[keep]


def _multiples(first: NDArray[np.uint64], sigma: Fraction, t: int, words: Words) -> NDArray[np.int64]:
    """k with probability in proportion to exp(-(k t)^2 / (2 sigma^2)): how many cumulative probabilities lie below."""
    table = _table(sigma, t)
    k = np.searchsorted(table, first, side="left").astype(np.int64)
    for i in np.flatnonzero(table[k] == first):  # a word that ends like a probability: once in 2^59
        uniform, k[i] = Uniform(int(first[i]), 64, words), 0
        while not uniform.below(partial(_cumulative, sigma, t, int(k[i]))):
            k[i] += 1
    return k


def _keep(
    k: NDArray[np.int64],
    u: NDArray[np.int64],
    high: NDArray[np.uint64],
    low: NDArray[np.uint64],
    sigma: Fraction,
    t: int,
    words: Words,
    margin: float,
) -> NDArray[np.bool_]:
    """Whether the uniform number high.low lies below exp(-u (2 k t + u) / (2 sigma^2))."""
    part = u / float(sigma)
    estimate = np.exp(-part * (k * (t / float(sigma)) + part / 2))
    drawn = high * 2.0**-64
    keep = drawn < estimate
    for i in np.flatnonzero(np.abs(drawn - estimate) <= margin):
        exponent = Fraction(int(u[i]) * (2 * int(k[i]) * t + int(u[i]))) / (2 * sigma**2)
        uniform = Uniform(int(high[i]) << 64 | int(low[i]), 128, words)
        keep[i] = uniform.below(partial(_exp, -exponent))
    return keep


class Uniform:
    """A number in (0, 1) of which `bits` bits are known, and as many more as a comparison needs."""

    def __init__(self, value: int, bits: int, words: Words) -> None:
        self._value, self._bits, self._words = value, bits, words

    def below(self, probability: Callable[[int], Decimal]) -> bool:
        """Whether it is less than a number that `probability(digits)` gives within 10^-digits."""
        while True:
            digits = self._bits * 302 // 1000 + 12
            mark = Fraction(probability(digits)) * 2**self._bits
            if self._value + 1 <= mark - _BLUR:
                return True
            if self._value >= mark + _BLUR:
                return False
            self._value = self._value << 64 | int(self._words(1)[0])
            self._bits += 64


_BLUR = Fraction(1, 10**6)  # of the last bit known: what 10^-digits amounts to there, and much more


@lru_cache(maxsize=256)
def _table(sigma: Fraction, t: int) -> NDArray[np.uint64]:
    """floor(2^64 P(k <= j)) for j = 0, 1, ... until no word lies beyond."""
    floors: list[int] = []
    while not floors or floors[-1] < 2**64 - 1:
        floors.append(int(Fraction(_cumulative(sigma, t, len(floors), 60)) * 2**64))
    return np.array(floors, dtype=np.uint64)


def _cumulative(sigma: Fraction, t: int, last: int, digits: int) -> Decimal:
    """P(k <= last), within 10^-digits."""
    context = Context(prec=digits + 8)
    rate, smallest = -Fraction(t * t) / (2 * sigma**2), Decimal(10) ** -(digits + 4)
    terms = [Decimal(1)]
    while terms[-1] > smallest or len(terms) <= last:
        terms.append(_exp(rate * len(terms) ** 2, digits + 6))
    total, part = Decimal(0), Decimal(0)
    for at, term in enumerate(terms):
        total = context.add(total, term)
        part = total if at == last else part
    return context.divide(part, total)


def _exp(power: Fraction, digits: int) -> Decimal:
    """exp(power) for power <= 0, within 10^-digits: decimal arithmetic is correctly rounded on every machine."""
    context = Context(prec=digits + 8)
    return context.exp(context.divide(Decimal(power.numerator), Decimal(power.denominator)))
