"""Poisson sampling: every record takes part independently, with the same public probability."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from federation.privacy.noise import NoiseSource

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
    """The same by integers alone: a record takes part if its word is below floor(rate x 2^64). Ascending positions.

    The probability is at most `rate` and less than 2^-64 below it; a lower rate never costs more. A function of the
    noise's words: the same on every machine.
    """
    if rate >= 1:
        return np.arange(records)
    return np.flatnonzero(noise.words(records) < np.uint64(int(Fraction(rate) * 2**64)))


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
