"""Where randomness comes from: uniform words, and what is made of them.

>>> noise = OsNoise()
>>> noise.secure, noise.gaussian((2, 3), scale=1.5).shape, noise.discrete_gaussian(4, Fraction(7, 2)).dtype
(True, (2, 3), dtype('int64'))

A deployment draws from the operating system's generator, or from one whose secret seed was sealed before the round, so
that the round can be replayed (`federation.privacy.drbg`).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from federation.privacy.discrete import Words, discrete_gaussian

_KEY_BYTES = 32
_DIRECT = 1024  # words up to which a system call is cheaper than a cipher's set-up
_ONE, _TOP = np.uint64(1), np.uint64(63)
_EXACT = np.uint64(2**53)  # cells from here on have 53 significant bits of their own
_BITS = 52  # the midpoints of 2^52 cells are exact in float64 on both sides of one half


@runtime_checkable
class NoiseSource(Protocol):
    """What a mechanism draws from. `secure` is False for anything that another party could reproduce."""

    secure: bool

    def words(self, count: int) -> NDArray[np.uint64]:
        """Independent uniform words, uint64 [count]."""
        ...

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """Independent discrete Gaussians on the integers, exact (`federation.privacy.discrete`); int64 [size]."""
        ...

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        """Independent normal values of mean 0 and standard deviation `scale`."""
        ...

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Independent values in the open interval (0, 1)."""
        ...


class WordNoise(ABC):
    """Everything a mechanism draws, made of uniform words.

    Gaussians by inversion of the distribution function of a sign and a probability in (0, 1/2). The probability has 53
    significant bits wherever it lies, not 53 places: values in the tail are as close to each other as float64 has them,
    so that no point of the public grid of a release is beyond their reach. Cut at 13.2 standard deviations (2e-39).
    """

    secure = True

    @abstractmethod
    def words(self, count: int) -> NDArray[np.uint64]:
        """Independent uniform words, uint64 [count]."""

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """Independent discrete Gaussians on the integers, exact; int64 [size]."""
        return discrete_gaussian(self.words, size, sigma)

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        """Independent normal values of mean 0 and standard deviation `scale`."""
        from scipy.special import ndtri  # slow to load, and whoever only opens a home or reads a plan draws nothing

        words = self.words(int(np.prod(shape, dtype=np.int64)))
        values: NDArray[np.float64] = ndtri(_below_half(words >> _ONE, self.words))
        values *= scale
        signs = values.view(np.uint64)
        signs ^= words << _TOP  # the lowest bit of a word decides
        return values.reshape(tuple(shape))

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Midpoints of 2^52 equal cells of (0, 1): never 0, never 1."""
        return _midpoints((self.words(size) >> np.uint64(64 - _BITS)).astype(np.float64))


class OsNoise(WordNoise):
    """`os.urandom`, stretched by AES-256-CTR under a fresh key where much is drawn: no state to leak, none to fork."""

    def words(self, count: int) -> NDArray[np.uint64]:
        """Independent uniform words, uint64 [count]."""
        return _words(count)


class SeededNoise:
    """Reproducible noise for tests and demonstrations on public data. It protects nobody: `secure` is False."""

    secure = False

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(seed))

    def words(self, count: int) -> NDArray[np.uint64]:
        """Independent uniform words, uint64 [count]."""
        return self._generator.integers(0, 2**64, count, dtype=np.uint64)

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """Independent discrete Gaussians on the integers, exact; int64 [size]."""
        return discrete_gaussian(self.words, size, sigma)

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        """Independent normal values of mean 0 and standard deviation `scale`."""
        values = self._generator.standard_normal(tuple(shape))
        values *= scale
        return values

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Independent values in (0, 1)."""
        values = self._generator.integers(0, 2**_BITS, size).astype(np.float64)
        return _midpoints(values)


def _below_half(cells: NDArray[np.uint64], words: Words) -> NDArray[np.float64]:
    """Probabilities in (0, 1/2], 2^63 equal cells of them; within the lowest 2^53 cells one of 2^64 parts each."""
    probabilities = cells.astype(np.float64)
    low = np.flatnonzero(cells < _EXACT)
    if len(low):
        probabilities[low] += (words(len(low)).astype(np.float64) + 0.5) * 2.0**-64
    probabilities *= 2.0**-64
    return probabilities


def _midpoints(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    cells += 0.5
    cells *= 2.0**-_BITS
    return cells


def _words(count: int) -> NDArray[np.uint64]:
    if count <= _DIRECT:
        return np.frombuffer(os.urandom(8 * count), dtype=np.uint64)
    stream = Cipher(algorithms.AES(os.urandom(_KEY_BYTES)), modes.CTR(bytes(16))).encryptor()
    return np.frombuffer(stream.update(bytes(8 * count)), dtype=np.uint64)
