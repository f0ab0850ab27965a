"""Records as bytes: eight coefficients below 2^20, little-endian, 20 bytes.

>>> import numpy as np
>>> pack(np.array([[1, 0, 0, 0, 0, 0, 0, 2**19]], dtype=np.uint32)).hex()
'0100000000000000000000000000000000000080'
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.errors import MessageError
from protocols.lookup.parameters import COEFFICIENTS, MODULUS, RECORD_BYTES

_BITS = np.uint64(20)
_LOW = np.uint64(2**20 - 1)


def pack(values: NDArray[np.uint32]) -> bytes:
    """uint32[..., 8], all below 2^20, as 20 bytes a record. Raises MessageError for a value that has no 20 bits."""
    if values.size and int(values.max()) >= 2**20:
        raise MessageError("record", got="a coefficient of more than 20 bits", expected=f"below {MODULUS}")
    pairs = np.ascontiguousarray(values, dtype="<u4").view("<u8").reshape(-1, 1)
    joined = (pairs & _LOW) | (pairs >> np.uint64(32) << _BITS)
    return joined.view(np.uint8)[:, :5].tobytes()


def unpack(data: bytes | memoryview, field: str = "records", first: int = 0) -> NDArray[np.uint32]:
    """uint32[n, 8] of n * 20 bytes. Raises MessageError, naming `field`, for another length, or for a record, counted
    from `first`, with a value not below t."""
    if len(data) % RECORD_BYTES:
        raise MessageError(field, got=f"{len(data)} bytes", expected=f"a multiple of {RECORD_BYTES}")
    packed = np.frombuffer(data, dtype=np.uint8).reshape(-1, 5)
    pairs = np.zeros((len(packed), 8), dtype=np.uint8)
    pairs[:, :5] = packed
    joined = pairs.view("<u8")
    values = np.empty((len(packed), 2), dtype=np.uint32)
    values[:, :1] = joined & _LOW
    values[:, 1:] = joined >> _BITS
    records = values.reshape(-1, COEFFICIENTS)
    if records.size and int(records.max()) >= MODULUS:
        wrong = first + int(np.argmax((records >= MODULUS).any(axis=1)))
        raise MessageError(f"{field}, record {wrong}", got="a coefficient out of range", expected=f"below {MODULUS}")
    return records
