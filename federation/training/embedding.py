"""The smooth one-hot embedding: public, fixed by the catalogue, integer, of norm at most 1.

A cell's embedding is its row of a square root of the feature's kernel (`federation.training.kernel`), over the root of
the number of features, rounded towards zero to a whole number of steps of 2^-16. Special codes, the missing cell and
the categories of a nominal feature share nothing. The root is the Cholesky factor, which is unique: two members cannot
differ. Any other root is the same model turned, and neither gradient descent nor Gaussian noise sees a direction.

Rounding towards zero only shortens, and it is checked in integers for every row when the tables are made: the squared
norm of a row is at most ONE^2 // p, so that of a record with h of p features held is at most h (ONE^2 // p) <= ONE^2.
That is what the sensitivity of training rests on: |residual| x that norm, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, RecordsError
from federation.training.kernel import factor

if TYPE_CHECKING:
    from federation.catalogue import Catalogue, Feature

ONE = 2**16  # steps in a norm of 1
I64: TypeAlias = NDArray[np.int64]
F64: TypeAlias = NDArray[np.float64]


@lru_cache(maxsize=1024)
def _steps(ordered: int, cells: int, features: int) -> I64:
    """One feature's table, int64 [cells, cells], read-only; its first `ordered` cells are neighbours."""
    with localcontext(Context(prec=40)):
        scale = ONE / Decimal(features).sqrt()
        table = np.diag(np.full(cells, int(scale), dtype=np.int64))
        if ordered > 1:
            table[:ordered, :ordered] = [[int(value * scale) for value in row] for row in factor(ordered)]
    table.flags.writeable = False
    return table


def _ordered(feature: Feature) -> int:
    return feature.n_ordered if feature.kind == "ordinal" else 0


@dataclass(frozen=True)
class Embedding:
    """One square integer table per feature, int64 in steps of 2^-16, in the catalogue's order; rows are cells.

    The code `n_cells` (feature not held) stands for a row of zeros. Raises ConfigurationError for a row that is longer
    than its share of a norm of 1.
    """

    steps: tuple[I64, ...]

    def __post_init__(self) -> None:
        for j, table in enumerate(self.steps):
            longest = max((sum(value * value for value in row) for row in table.tolist()), default=0)
            if longest > self.share:
                raise ConfigurationError(f"embedding.{j}", got=f"squared norm {longest}", expected=f"<= {self.share}")

    @classmethod
    def of(cls, catalogue: Catalogue) -> Embedding:
        """The embedding of the catalogue's model features."""
        return _embedding(tuple((_ordered(feature), feature.n_cells) for feature in catalogue.features))

    @property
    def share(self) -> int:
        """The most that one feature adds to a record's squared norm, in squared steps."""
        return ONE**2 // len(self.steps)

    @cached_property
    def dimension(self) -> int:
        """Length of a record's embedding: the number of cells of all features."""
        return sum(len(table) for table in self.steps)

    @cached_property
    def tables(self) -> tuple[F64, ...]:
        """The same tables as numbers, float64: exact, a step is a power of two."""
        return tuple(table / ONE for table in self.steps)

    @cached_property
    def _squared(self) -> tuple[F64, ...]:
        return tuple(np.append((table**2).sum(1), 0.0) for table in self.tables)

    def split(self, flat: F64) -> list[F64]:
        """A flat vector [dimension] by feature."""
        return np.split(flat, self._bounds)

    def effects(self, weights: F64) -> list[F64]:
        """What each cell adds to a linear model's output, float64 [n_cells] per feature."""
        return [table @ part for table, part in zip(self.tables, self.split(weights), strict=True)]

    def effects_in_steps(self, weights: I64) -> list[I64]:
        """Every cell's row times integer `weights` [dimension], int64 [n_cells] per feature: no rounding, no BLAS."""
        slots = np.split(self._slots(weights), self._starts[1:])
        return [effect[:-1] for effect in slots]

    def forward(self, weights: F64, codes: NDArray[np.uint8]) -> F64:
        """Embedded records times `weights`, float64 [n], without building the embedded records."""
        return self._sum_cells([np.append(effect, 0.0) for effect in self.effects(weights)], codes)

    def backward(self, residuals: F64, codes: NDArray[np.uint8]) -> F64:
        """`residuals` [n] times embedded records, float64 [dimension]: the gradient that belongs to `forward`."""
        cells = self.split(self._count_slots(residuals, self.places(codes))[self._is_cell])
        return np.concatenate([counted @ table for counted, table in zip(cells, self.tables, strict=True)])

    def places(self, codes: NDArray[np.uint8]) -> I64:
        """Where each record's cells lie in one list of all cells and of one more per feature for 'not held'; [n, p]."""
        self.check(codes)
        return codes.astype(np.int64) + self._starts

    def gather_in_steps(self, weights: I64, places: I64) -> I64:
        """Embedded records times integer `weights` [dimension], int64 [n]: no rounding, no BLAS."""
        total: I64 = self._slots(weights)[places].sum(axis=1)
        return total

    def backward_in_steps(self, residuals: I64, places: I64) -> I64:
        """Integer `residuals` [n] times embedded records, int64 [dimension], exact whatever the order of summation.

        Counting adds integers in float64, which is exact below 2^53: for residuals within 2^16, up to 2^37 records.
        """
        counted = np.zeros(self._block.shape[:2], dtype=np.int64)
        counted.ravel()[self._at] = self._count_slots(residuals.astype(np.float64), places).astype(np.int64)
        columns: I64 = np.matmul(counted[:, np.newaxis, :], self._block).ravel()[self._at]
        return columns[self._is_cell]

    def _slots(self, weights: I64) -> I64:
        """What each place (`places`) adds, int64: a cell's row times `weights`, and 0 for 'not held'."""
        ahead = np.zeros(self._block.shape[:2], dtype=np.int64)
        ahead.ravel()[self._at[self._is_cell]] = weights
        found: I64 = np.matmul(self._block, ahead[:, :, np.newaxis]).ravel()[self._at]
        return found

    def _count_slots(self, values: F64, places: I64) -> F64:
        """The sum of `values` over the records of each place, float64."""
        repeated = np.repeat(values, len(self.steps))
        counted = np.bincount(places.ravel(), weights=repeated, minlength=self.dimension + len(self.steps))
        return counted.astype(np.float64, copy=False)

    def held(self, codes: NDArray[np.uint8]) -> I64:
        """How many features each record holds, int64 [n]."""
        self.check(codes)
        absent = codes == self._absent.astype(np.uint8)
        if not absent.any():
            return np.full(len(codes), len(self.steps))
        missing: I64 = absent.sum(axis=1, dtype=np.int64)
        return len(self.steps) - missing

    def norms(self, codes: NDArray[np.uint8]) -> F64:
        """L2 norm of each embedded record, float64 [n]: about sqrt(features held / p), never more."""
        return np.sqrt(self._sum_cells(list(self._squared), codes))

    def dense(self, codes: NDArray[np.uint8]) -> F64:
        """Embedded records, float64 [n, dimension]: for models that need them as they are."""
        self.check(codes)
        padded = [np.vstack([table, np.zeros(len(table))]) for table in self.tables]
        return np.concatenate([table[codes[:, j]] for j, table in enumerate(padded)], axis=1)

    def _sum_cells(self, values: list[F64], codes: NDArray[np.uint8]) -> F64:
        self.check(codes)
        total = np.zeros(len(codes))
        for j, value in enumerate(values):
            total += value[codes[:, j]]
        return total

    def check(self, codes: NDArray[np.uint8]) -> None:
        """Raises RecordsError unless every code is a cell, or the one beyond that says 'not held'."""
        limits = self._absent
        if codes.ndim != 2 or codes.shape[1] != len(limits):
            raise RecordsError("codes", got=f"shape {codes.shape}", expected=f"[n, {len(limits)}]")
        if len(codes) and (over := np.flatnonzero(codes.max(axis=0) > limits)).size:
            raise RecordsError("codes", got=f"a code above {limits[over[0]]} in column {over[0]}", expected="a cell")

    @cached_property
    def _absent(self) -> I64:
        return np.array([len(table) for table in self.steps], dtype=np.int64)

    @cached_property
    def _starts(self) -> I64:
        return np.concatenate([[0], np.cumsum(self._absent + 1)[:-1]])

    @cached_property
    def _block(self) -> I64:
        """All tables as one, int64 [p, m, m], with zeros beyond each: m is the largest number of cells, and one more.

        One product of integers instead of one for each feature: with many small tables calls cost more than sums.
        """
        block = np.zeros((len(self.steps), *(2 * [int(self._absent.max()) + 1])), dtype=np.int64)
        for part, table in zip(block, self.steps, strict=True):
            part[: len(table), : len(table)] = table
        return block

    @cached_property
    def _at(self) -> I64:
        """Where each place lies in a flat [p, m]."""
        most = self._block.shape[1]
        return np.concatenate([j * most + np.arange(cells + 1) for j, cells in enumerate(self._absent)])

    @cached_property
    def _is_cell(self) -> NDArray[np.bool_]:
        """Which places are cells, and not a feature's 'not held'."""
        cells = np.ones(self.dimension + len(self.steps), dtype=np.bool_)
        cells[self._starts + self._absent] = False
        return cells

    @cached_property
    def _bounds(self) -> I64:
        return np.cumsum(self._absent)[:-1]


@lru_cache(maxsize=64)
def _embedding(shape: tuple[tuple[int, int], ...]) -> Embedding:
    """One embedding for all that share a shape: it is frozen."""
    return Embedding(tuple(_steps(ordered, cells, len(shape)) for ordered, cells in shape))
