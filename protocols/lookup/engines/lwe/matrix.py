"""The public matrix A of an epoch: uint32[columns, n], from the epoch's name alone, never of the pool's choosing.

A is made as its balanced digits, which are uniform exactly when A is: digit plane i is the keystream of AES-256-CTR
under SHA-256("fedscore/v1/lwe/matrix" || 0 || epoch_id || i), read line by line as signed bytes. Expanding a public
seed with AES for this purpose follows FrodoKEM (Gen with AES128 in its specification).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.canonical import digest
from protocols.lookup.engines.base import check_epoch_id
from protocols.lookup.engines.lwe.parameters import DIMENSION, MODULUS_BITS

PLANES = MODULUS_BITS // 8
_LABEL = "fedscore/v1/lwe/matrix"
_LINES = 2048
"""Lines made at once: 10 MB, and far below what an int8 product may add up."""
_KEPT_BYTES = 2**27
"""A matrix up to this size is kept; a larger one is made again whenever it is needed."""
_AES_BLOCK = 16


@dataclass
class PublicMatrix:
    """A for one epoch and number of columns."""

    epoch_id: bytes
    columns: int
    _kept: list[npt.NDArray[np.int8]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_epoch_id(self.epoch_id)

    def blocks(self, *, keep: bool = False) -> Iterator[tuple[slice, npt.NDArray[np.int8]]]:
        """(lines, int8[4, number of lines, n]) from first to last; with `keep` the matrix stays in memory if small."""
        stretches = [slice(start, min(start + _LINES, self.columns)) for start in range(0, self.columns, _LINES)]
        if len(self._kept) == len(stretches):
            yield from zip(stretches, self._kept, strict=True)
            return
        keep = keep and PLANES * self.columns * DIMENSION <= _KEPT_BYTES
        made = []
        for lines in stretches:
            block = np.stack([self._digits(plane, lines) for plane in range(PLANES)])
            if keep:
                made.append(block)
            yield lines, block
        if keep:
            self._kept = made

    def _digits(self, plane: int, lines: slice) -> npt.NDArray[np.int8]:
        key = digest(_LABEL, self.epoch_id + bytes([plane]))
        counter = lines.start * DIMENSION // _AES_BLOCK
        stream = Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(_AES_BLOCK, "big"))).encryptor()
        size = (lines.stop - lines.start) * DIMENSION
        return np.frombuffer(stream.update(bytes(size)), dtype=np.int8).reshape(-1, DIMENSION)
