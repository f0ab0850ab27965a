"""Records and states that make a recipe of sums release the most: what an auditor presents to a trainer.

Which cells are longest is public. A feature's longest row is chosen for each by itself; pairs share features, so theirs
are found by coordinate ascent. States are those that are certain of either outcome, the start, and one at random.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.audits.instrument import F32, F64
from federation.records.encoded import Encoded

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.training.sums import SumModel

I64: TypeAlias = NDArray[np.int64]
_SIZE = 2.0  # of the values of states that are certain of an outcome
_SWEEPS = 2  # of coordinate ascent


def seeded_sum_records(catalogue: Catalogue, count: int, generator: np.random.Generator) -> Encoded:
    """`count` records with a cell at random in each feature, those of pairs included; good and bad in turn."""
    return _encoded(catalogue, np.stack([generator.integers(0, n, count) for n in _cells(catalogue)], axis=1))


def extreme_records(model: SumModel, generator: np.random.Generator) -> Encoded:
    """A good and a bad record of each: the longest rows of mains, those of pairs, and one that holds a single feature.

    And two at random of either outcome.
    """
    catalogue, setting = model.catalogue, model.setting
    start = np.stack([generator.integers(0, n, 4) for n in _cells(catalogue)], axis=1)
    found = [_longest(catalogue, start[0], lambda records: setting.mains.norms(records.codes))]
    if setting.has_pairs:
        pairs = setting.pairs
        found.append(_longest(catalogue, start[0], lambda records: pairs.embedding.norms(pairs.codes(records))))
    lone = np.array(_cells(catalogue))  # the code beyond the last cell: not held
    lone[0] = 0
    cells = [*found, lone, *start[1:3]]
    return _encoded(catalogue, np.repeat(np.stack(cells), 2, axis=0))


def states(model: SumModel, generator: np.random.Generator) -> list[F32]:
    """The initial state, two that are certain of good and bad, one at random; float32 [size] each."""
    initial = model.initial()
    moves: tuple[F64 | float, ...] = (0.0, -1.0, 1.0, generator.normal(size=initial.shape))
    return [(initial + _SIZE * np.asarray(move)).astype(np.float32) for move in moves]


def _longest(catalogue: Catalogue, start: I64, norms: Callable[[Encoded], F64]) -> I64:
    """Cells of a record whose vector is longest, by trying every cell of one feature after the other."""
    best = start.copy()
    for _ in range(_SWEEPS):
        for j, count in enumerate(_cells(catalogue)):
            tried = np.tile(best, (count, 1))
            tried[:, j] = np.arange(count)
            best = tried[int(np.argmax(norms(_encoded(catalogue, tried))))]
    return best


def _cells(catalogue: Catalogue) -> list[int]:
    """Of the features, then of the pair features."""
    return [feature.n_cells for feature in (*catalogue.features, *catalogue.pair_features)]


def _encoded(catalogue: Catalogue, cells: I64) -> Encoded:
    """Records of these cells [n, features and pair features]; outcomes good and bad in turn."""
    p = len(catalogue.features)
    codes = cells.astype(np.uint8)
    return Encoded(codes[:, :p], (np.arange(len(cells)) % 2).astype(np.uint8), pair_codes=codes[:, p:])
