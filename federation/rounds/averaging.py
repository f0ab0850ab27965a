"""Models on the wire and their average. Exact to the bit, so that every member can recompute what was published.

>>> import numpy as np
>>> updates = {"b": np.array([3.0], dtype=np.float32), "a": np.array([0.0], dtype=np.float32)}
>>> average(updates, {"a": 2, "b": 1})
array([1.])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import Refused
from federation.rounds.refusals import Code
from protocols.canonical import digest

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]


def model_to_bytes(vector: F32) -> bytes:
    """Flat float32, little-endian."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def model_from_bytes(data: bytes, size: int) -> F32:
    """float32 [size]. Raises Refused: wrong_shape, not_finite."""
    if len(data) != 4 * size:
        raise Refused(Code.WRONG_SHAPE, "vector", got=f"{len(data)} bytes", expected=f"{4 * size} bytes (float32)")
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise Refused(Code.NOT_FINITE, "vector", got="NaN or infinity", expected="finite numbers")
    return vector


def model_hash(data: bytes) -> bytes:
    """32 bytes: the digest of a model as sent."""
    return digest("fedscore/v1/model", data)


def update_hash(data: bytes) -> bytes:
    """32 bytes: the digest of an update as sent."""
    return digest("fedscore/v1/update", data)


def average(updates: Mapping[str, NDArray[Any]], nominal: Mapping[str, int]) -> F64:
    """float64 [d]: the mean of `updates` weighted by nominal sizes, added up in the order of the institutions' names.

    Nominal sizes are public and in the plan: weights tell nothing about the records (McMahan et al. 2017, FedAvg).
    """
    names = sorted(updates)
    total = sum(nominal[name] for name in names)
    result = np.zeros(updates[names[0]].shape, dtype=np.float64)
    for name in names:
        result += nominal[name] / total * updates[name].astype(np.float64)
    return result
