"""Noise that can be drawn again: AES-256 in counter mode under keys that a sealed seed, and nothing else, gives.

    noise = DrbgNoise(lambda step: attempt_key(seed, beacon, context, step))

Counter mode because a step's words then follow from its key alone, with the speed of the machine's AES instructions;
the keys are HKDF-SHA256's (`protocols.replay.keys`). Of NIST SP 800-90A's CTR_DRBG this is the output without the
update after each call: that protects earlier output when a state is stolen, and here the seed itself is kept, sealed,
for the replay, and destroyed thereafter. A step draws far below 2^48 blocks of one key.

Words are read as little-endian on every machine. What is drawn protects records as long as AES-256 and HKDF-SHA256 are
pseudorandom: the guarantee is against computationally bounded parties, as it is with the operating system's generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from federation.errors import PrivacyError
from federation.privacy.noise import WordNoise

KEY_BYTES = 32


class DrbgNoise(WordNoise):
    """`key_of(step)` gives the 32 bytes of each step, from 0. A step ends where its noise is drawn.

    Raises PrivacyError for a key of another length. Nothing of it is ever printed.
    """

    def __init__(self, key_of: Callable[[int], bytes]) -> None:
        self._key_of = key_of
        self._step = -1
        self._next_step()

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next words of this step's stream, uint64 [count]."""
        stream = self._stream.update(bytes(8 * count))
        return np.frombuffer(stream, dtype="<u8").astype(np.uint64, copy=False)

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """The noise of this step, int64 [size]; what is drawn afterwards is the next one's."""
        values = super().discrete_gaussian(size, sigma)
        self._next_step()
        return values

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        """Raises PrivacyError: floating-point noise is not the same on every machine, so it cannot be replayed."""
        raise PrivacyError("noise", got="a continuous Gaussian", expected="a discrete one: it can be replayed")

    def _next_step(self) -> None:
        self._step += 1
        key = self._key_of(self._step)
        if len(key) != KEY_BYTES:
            raise PrivacyError("noise.key", got=f"{len(key)} bytes", expected=f"{KEY_BYTES} bytes")
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
