"""Rows as columns of bytes, and numbers as balanced digits.

The table is int8[height, columns]: column c is row c of the epoch, byte b stored as b - 128. A number mod 2^(8 d) is d
signed bytes d_i with sum d_i 2^(8 i) congruent to it, so that int8 products, shifted and added, are products mod 2^32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.lookup.engines.base import Geometry
from protocols.lookup.engines.lwe.parameters import LweShape
from protocols.lookup.packing import pack, unpack
from protocols.lookup.rows import Rows

_CENTRE = np.uint8(0x80)
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
    table ^= _CENTRE
    return table.view(np.int8)


def row_of(column: npt.NDArray[np.int8], shape: LweShape) -> tuple[npt.NDArray[np.uint32], bytes]:
    """(uint32[slots, 8], signatures) of one column as the table holds it."""
    data = (column.view(np.uint8) ^ _CENTRE).tobytes()
    return unpack(data[: shape.record_height]), data[shape.record_height :]


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
