"""Rows as columns of bytes, and numbers as balanced digits.

The table is int8[height, columns]: column c is row c of the epoch, byte b stored as b - 128. The noise of an answer
grows with the squares in a line, so one line has another centre: the last byte of an Ed25519 signature is at most 16,
for its number is below 2^252 + 2^125, and stands as b XOR 8.

A number mod 2^(8 d) is d signed bytes d_i with sum d_i 2^(8 i) congruent to it, so that int8 products, shifted and
added, are products mod 2^32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.lookup.engines.base import Geometry
from protocols.lookup.engines.lwe.parameters import LweShape
from protocols.lookup.packing import pack, unpack
from protocols.lookup.rows import SIGNATURE_BYTES, Rows

_CENTRE, _CENTRE_OF_LAST = np.uint8(0x80), np.uint8(0x08)
_ROWS_AT_ONCE = 1024


def geometry_of(rows: Rows) -> Geometry:
    """The geometry `rows` was built for."""
    count, slots, _ = rows.values.shape
    return Geometry(count, slots, rows.quorum)


def table_of(rows: Rows, shape: LweShape) -> npt.NDArray[np.int8]:
    """int8[height, columns], C-contiguous."""
    table = np.empty((shape.height, shape.columns), dtype=np.uint8)
    for start in range(0, shape.columns, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        packed = np.frombuffer(pack(rows.values[part]), dtype=np.uint8)
        table[: shape.record_height, part] = packed.reshape(-1, shape.record_height).T
    table[shape.record_height :] = rows.signatures.T
    table ^= _centres(shape)[:, None]
    return table.view(np.int8)


def row_of(column: npt.NDArray[np.int8], shape: LweShape) -> tuple[npt.NDArray[np.uint32], bytes]:
    """(uint32[slots, 8], signatures) of one column as the table holds it."""
    data = (column.view(np.uint8) ^ _centres(shape)).tobytes()
    return unpack(data[: shape.record_height]), data[shape.record_height :]


def _centres(shape: LweShape) -> npt.NDArray[np.uint8]:
    """uint8[height]: what the bytes of every line are combined with, by exclusive or, so that they lie around zero."""
    centres = np.full(shape.height, _CENTRE)
    centres[shape.record_height + SIGNATURE_BYTES - 1 :: SIGNATURE_BYTES] = _CENTRE_OF_LAST
    return centres


def digits(numbers: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.int8]:
    """int8[count, ...]: balanced digits of numbers mod 2^(8 count), least significant first."""
    offset = np.uint32(sum(0x80 << (8 * i) for i in range(count)))  # each digit borrows 128 from the next
    shifted = numbers + offset
    planes = [((shifted >> np.uint32(8 * i)).astype(np.uint8) ^ _CENTRE).view(np.int8) for i in range(count)]
    return np.stack(planes)


def weighted(parts: npt.NDArray[np.int32], lowest_bit: int = 0) -> npt.NDArray[np.uint32]:
    """sum of parts[i] * 2^(8 i + lowest_bit) mod 2^32 over the first axis: products of digits put together."""
    total = np.zeros(parts.shape[1:], dtype=np.uint32)
    for i, part in enumerate(parts):
        total += part.view(np.uint32) << np.uint32(8 * i + lowest_bit)
    return total


def upper_half(numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """The upper 16 of 32 bits, rounded to nearest."""
    return ((numbers + np.uint32(1 << 15)) >> np.uint32(16)).astype(np.uint16)
