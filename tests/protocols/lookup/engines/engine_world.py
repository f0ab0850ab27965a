"""Tables and engines the engine tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random as Deterministic

import numpy as np
from plaintext_engine import PlaintextEngine

from protocols.lookup.engines import Engine, Geometry, engine
from protocols.lookup.engines.lwe.product import blas_product
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows

EPOCH = bytes(range(32))
MAKERS: dict[str, Callable[[], Engine]] = {
    "plaintext": PlaintextEngine,
    "mirror": lambda: engine("mirror"),
    "lwe": lambda: engine("lwe", product=blas_product, process_id=os.getpid),
    "bfv": lambda: engine("bfv"),
}
ENCRYPTED = ("lwe", "bfv")


def random_bytes(seed: int) -> Callable[[int], bytes]:
    """Repeatable bytes for tests, with the signature of os.urandom."""
    return Deterministic(seed).randbytes


def random_rows(geometry: Geometry, seed: int = 1) -> Rows:
    """Uniform values and signatures, as padded sums have; the last row is a row of zeros."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, MODULUS, (geometry.rows, geometry.slots, 8), dtype=np.uint32)
    values[-1] = 0
    signatures = generator.integers(0, 256, (geometry.rows, geometry.signature_bytes), dtype=np.uint8)
    return Rows(values=values, signatures=signatures)


def flipped(rows: Rows, row: int, slot: int, coefficient: int) -> Rows:
    """The same table with the lowest bit of one coefficient the other way round."""
    values = rows.values.copy()
    values[row, slot, coefficient] ^= 1
    return replace(rows, values=values)
