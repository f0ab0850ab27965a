"""How much a step on one cell moves its neighbours: .8 exp(-|i - j| / 4) + .2 [i = j] among ordered bins."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from federation.training.sums.arithmetic import F64

if TYPE_CHECKING:
    from federation.catalogue import Catalogue

_SHARED, _REACH = Decimal("0.8"), Decimal(4)
_DECIMAL = Context(prec=40)


def smoothing(catalogue: Catalogue) -> list[F64]:
    """One symmetric matrix per feature, float64 [n_cells, n_cells]."""
    return [_matrix(f.n_ordered if f.kind == "ordinal" else 0, f.n_cells) for f in catalogue.features]


@lru_cache(maxsize=256)
def _matrix(ordered: int, cells: int) -> F64:
    decay = [float(_SHARED * _DECIMAL.exp(Decimal(-distance) / _REACH)) for distance in range(ordered)]
    matrix = np.eye(cells)
    for i in range(ordered):
        matrix[i, :ordered] = [1.0 if i == j else decay[abs(i - j)] for j in range(ordered)]
    matrix.flags.writeable = False
    return matrix
