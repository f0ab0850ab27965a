"""Small tables, clients and answers for the tests of the BFV engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from engine_world import EPOCH

from protocols.lookup.engines.base import Geometry
from protocols.lookup.engines.bfv import BfvClient, BfvEngine
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows

ENGINE = BfvEngine()
SLOTS = 1016  # with a quorum of two


def table(rows: int, seed: int = 0) -> Rows:
    """Uniform values and signatures: what a padded sum table looks like."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, MODULUS, (rows, SLOTS, 8), dtype=np.uint32)
    return Rows(values=values, signatures=rng.integers(0, 256, (rows, 128), dtype=np.uint8))


def client(rows: int, epoch_id: bytes = EPOCH, saved: bytes | None = None) -> BfvClient:
    return ENGINE.client(Geometry(rows, SLOTS, 2), epoch_id, b"", bytes, saved)


class Counting:
    """Forwards to SEAL's evaluator and keeps the names of the operations."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator, self.names = evaluator, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self._evaluator, name)
