"""What a pool could make of the bytes of queries: sizes, compressibility, and two classifiers that learn from them.

Both tell rows apart without fail where the engine hides nothing, and guess where it encrypts.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from engine_world import EPOCH, MAKERS, random_bytes, random_rows
from numpy.typing import NDArray

from protocols.lookup.engines import Geometry

LEARNT, TRIED = 60, 40  # queries of each of two rows
CHANCE = 0.5 + 4 * (0.25 / (2 * TRIED)) ** 0.5  # four standard deviations above guessing


def queries(name: str) -> tuple[list[bytes], list[bytes]]:
    """Queries for the first row and for the last."""
    engine = MAKERS[name]()
    geometry = Geometry(40, 1016, 2) if name == "bfv" else engine.geometry(40, 2)
    rows = random_rows(geometry)
    hint = b"" if name == "bfv" else engine.prepare(rows, EPOCH).hint
    client = engine.client(geometry, EPOCH, hint, random_bytes(9))
    return tuple([client.query(row)[1] for _ in range(LEARNT + TRIED)] for row in (0, geometry.rows - 1))  # type: ignore[return-value]


def as_bytes(some: list[bytes]) -> NDArray[np.float64]:
    return np.array([np.frombuffer(one[:4096] + one[-4096:], np.uint8) for one in some], dtype=np.float64)


def as_bits(some: list[bytes]) -> NDArray[np.float64]:
    return np.array([np.unpackbits(np.frombuffer(one[:2048], np.uint8)) for one in some], dtype=np.float64)


def as_figures(some: list[bytes]) -> NDArray[np.float64]:
    """Length, compressed length, mean, spread, and how often each byte occurs."""
    figures = []
    for one in some:
        data = np.frombuffer(one, np.uint8)
        counts = np.bincount(data, minlength=256) / len(data)
        figures.append([len(one), len(zlib.compress(one, 1)), data.mean(), data.std(), *counts])
    return np.array(figures)


def right(first: Any, last: Any) -> float:
    """Share told apart by the nearer of two means, in features that vary, the most telling 32 of them."""
    learnt = np.stack([first[:LEARNT], last[:LEARNT]])
    means, spread = learnt.mean(axis=1), learnt.std(axis=1).max(axis=0) + 1e-9
    telling = np.argsort(-np.abs(means[0] - means[1]) / spread)[:32]

    def nearer_to_first(some: Any) -> Any:
        apart = (some[:, None, telling] - means[None, :, telling]) / spread[telling]
        distances = (apart**2).sum(axis=2)
        return distances[:, 0] < distances[:, 1]

    return float((nearer_to_first(first[LEARNT:]).sum() + (~nearer_to_first(last[LEARNT:])).sum()) / (2 * TRIED))


@pytest.mark.parametrize("name", ["lwe", "bfv"])
def test_encrypted_queries_tell_nothing_of_their_row(name: str) -> None:
    first, last = queries(name)
    assert len({len(query) for query in first + last}) == 1
    for features in (as_bytes, as_bits, as_figures):
        assert right(features(first), features(last)) < CHANCE
    # No stretch is shared by the queries of a row beyond what all queries share.
    common = np.all(as_bytes(first) == as_bytes(first)[0], axis=0)
    assert np.array_equal(common, np.all(as_bytes(first + last) == as_bytes(first)[0], axis=0))


def test_without_encryption_the_same_classifiers_are_never_wrong() -> None:
    first, last = queries("plaintext")
    assert right(as_bytes(first), as_bytes(last)) == 1.0
    assert right(as_bits(first), as_bits(last)) == 1.0
