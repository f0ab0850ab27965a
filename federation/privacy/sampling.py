"""Poisson sampling: every record takes part independently, with the same public probability."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from federation.privacy.discrete import Uniform, Words
from federation.privacy.noise import NoiseSource

_NEAR = 1e-4  # of a gap: float64 errs by less than 10^-6 for gaps below 10^9
_SKIP_BELOW = 0.05  # under it, drawing the gaps between the sampled is cheaper than one number per record


def poisson_sample(noise: NoiseSource, records: int, rate: float) -> NDArray[np.int64]:
    """Positions of the sampled records, ascending. `rate` 1 is all of them.

    >>> from federation.privacy.noise import SeededNoise
    >>> len(poisson_sample(SeededNoise(7), 10_000, 0.2))
    2011
    """
    if rate >= 1:
        return np.arange(records)
    if rate < _SKIP_BELOW:
        return _by_gaps(noise, records, rate)
    return np.flatnonzero(noise.uniform(records) < rate)


def exact_sample(noise: NoiseSource, records: int, rate: float) -> NDArray[np.int64]:
    """The same, a function of the noise's words and of nothing else: the same on every machine. Ascending positions.

    A record takes part if its word is below floor(rate x 2^64): a probability of at most `rate`, less than 2^-64 below
    it; a lower rate never costs more. A small rate draws the gaps instead, with exactly `rate`.
    """
    if rate >= 1:
        return np.arange(records)
    if rate < _SKIP_BELOW:
        return _by_exact_gaps(noise, records, rate)
    return np.flatnonzero(noise.words(records) < np.uint64(int(Fraction(rate) * 2**64)))


def _by_exact_gaps(noise: NoiseSource, records: int, rate: float) -> NDArray[np.int64]:
    """As `_by_gaps`, where a gap is the largest g with U < (1 - rate)^g, decided as if U were known for ever."""
    chunks: list[NDArray[np.int64]] = []
    last = -1
    while last < records:
        size = int(rate * max(records - last, 0) + 6 * math.sqrt(rate * records) + 8)
        positions = last + np.cumsum(np.minimum(_gaps(noise.words, size, rate, records), records) + 1)
        chunks.append(positions)
        last = int(positions[-1])
    positions = np.concatenate(chunks) if chunks else np.empty(0, dtype=np.int64)
    return positions[positions < records]


def _gaps(words: Words, size: int, rate: float, most: int) -> NDArray[np.int64]:
    """Geometric gaps, int64 [size]; anything above `most` stands for all that are. U is one less two words."""
    high, low = ~words(2 * size).reshape(2, size)
    with np.errstate(divide="ignore"):  # a U of 0: beyond the end
        length = np.log((high + low * 2.0**-64) * 2.0**-64) / math.log1p(-rate)
    length = np.minimum(length, most + 1.0)
    gaps = length.astype(np.int64)
    nearest = np.rint(length)
    close = (np.abs(length - nearest) <= _NEAR) & (nearest >= 1) & (nearest <= most)
    for i in np.flatnonzero(close):
        uniform = Uniform(int(high[i]) << 64 | int(low[i]), 128, words)
        whole = int(nearest[i])
        gaps[i] = whole if uniform.below(partial(_power, 1 - Fraction(rate), whole)) else whole - 1
    return gaps


def _power(base: Fraction, exponent: int, digits: int) -> Decimal:
    """base^exponent for base <= 1, within 10^-digits: the logarithm's error is multiplied by the exponent."""
    context = Context(prec=digits + 20)
    logarithm = context.ln(context.divide(Decimal(base.numerator), Decimal(base.denominator)))
    return context.exp(context.multiply(logarithm, Decimal(exponent)))


def _by_gaps(noise: NoiseSource, records: int, rate: float) -> NDArray[np.int64]:
    """The same distribution from geometric gaps: O(rate x records) numbers instead of one per record."""
    chunks: list[NDArray[np.int64]] = []
    last = -1
    while last < records:
        size = int(rate * max(records - last, 0) + 6 * math.sqrt(rate * records) + 8)
        gaps = np.floor(np.log(noise.uniform(size)) / math.log1p(-rate))
        positions = last + np.cumsum(np.minimum(gaps, records).astype(np.int64) + 1)
        chunks.append(positions)
        last = int(positions[-1])
    positions = np.concatenate(chunks) if chunks else np.empty(0, dtype=np.int64)
    return positions[positions < records]
