"""The smooth one-hot embedding: public, fixed by the catalogue, of norm exactly 1 for a record with every feature.

Ordered bins i, j of one feature share strength: K_ij = .8 exp(-|i - j| / 4) + .2 [i = j]. Most of what all bins share
is taken out, because the public intercept already says it: with v = 1 / (1' K^-1 1), the squared norm of the centre of
the ball that the bins lie on, C = (K - v) / (1 - v) are the same points seen from that centre, again of norm 1, and
(C + .1) / 1.1 leaves the little by which a member's level may differ. Special codes, the missing cell and the
categories of a nominal feature share nothing.

A cell's embedding is its row of the symmetric square root of that kernel, over the root of the number of features, so
a record's gradient of the logistic loss has norm at most |sigma(z) - y|. The symmetric root is unique: two members
cannot differ by the sign of an eigenvector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.errors import RecordsError

if TYPE_CHECKING:
    from federation.catalogue import Catalogue, Feature

_SHARED = 0.8
_REACH = 4.0  # bins
_LEVEL = 0.1


def kernel(feature: Feature) -> NDArray[np.float64]:
    """Inner products of the cells of one feature, float64 [n_cells, n_cells], ones on the diagonal."""
    full = np.eye(feature.n_cells)
    if feature.kind == "ordinal" and feature.n_ordered > 1:
        full[: feature.n_ordered, : feature.n_ordered] = (_centred(feature.n_ordered) + _LEVEL) / (1 + _LEVEL)
    return full


def _centred(n: int) -> NDArray[np.float64]:
    """n neighbouring points of norm 1, seen from the centre of their enclosing ball and scaled back to norm 1."""
    bins = np.arange(n)
    smooth = _SHARED * np.exp(-np.abs(bins[:, None] - bins) / _REACH) + (1 - _SHARED) * np.eye(n)
    centre = 1 / float(np.linalg.solve(smooth, np.ones(n)).sum())
    centred: NDArray[np.float64] = (smooth - centre) / (1 - centre)
    return centred


def symmetric_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unique symmetric positive R with R R = `matrix`, which is symmetric and positive."""
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


@dataclass(frozen=True)
class Embedding:
    """One square table per feature, in the catalogue's order; rows are cells, of norm 1 / sqrt(p).

    The code `n_cells` (feature not held) stands for a row of zeros.
    """

    tables: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Embedding:
        """The embedding of the catalogue's model features."""
        weight = 1 / math.sqrt(len(catalogue.features))
        return cls(tuple(weight * symmetric_root(kernel(feature)) for feature in catalogue.features))

    @property
    def dimension(self) -> int:
        """Length of a record's embedding: the number of cells of all features."""
        return sum(len(table) for table in self.tables)

    @cached_property
    def _squared(self) -> tuple[NDArray[np.float64], ...]:
        return tuple(np.append((table**2).sum(1), 0.0) for table in self.tables)

    def split(self, flat: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """A flat vector [dimension] by feature."""
        return np.split(flat, np.cumsum([len(table) for table in self.tables])[:-1])

    def effects(self, weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """What each cell adds to a linear model's output, float64 [n_cells] per feature."""
        return [table @ part for table, part in zip(self.tables, self.split(weights), strict=True)]

    def forward(self, weights: NDArray[np.float64], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Embedded records times `weights`, float64 [n], without building the embedded records."""
        return self._sum_cells([np.append(effect, 0.0) for effect in self.effects(weights)], codes)

    def backward(self, residuals: NDArray[np.float64], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """`residuals` [n] times embedded records, float64 [dimension]: the gradient that belongs to `forward`."""
        self.check(codes)
        parts = []
        for j, table in enumerate(self.tables):
            cells = np.bincount(codes[:, j], weights=residuals, minlength=len(table) + 1)
            parts.append(cells[:-1] @ table)
        return np.concatenate(parts)

    def norms(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """L2 norm of each embedded record, float64 [n]: sqrt(features held / p)."""
        return np.sqrt(self._sum_cells(list(self._squared), codes))

    def dense(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Embedded records, float64 [n, dimension]: for models that need them as they are."""
        self.check(codes)
        padded = [np.vstack([table, np.zeros(len(table))]) for table in self.tables]
        return np.concatenate([table[codes[:, j]] for j, table in enumerate(padded)], axis=1)

    def _sum_cells(self, values: list[NDArray[np.float64]], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.check(codes)
        total = np.zeros(len(codes))
        for j, value in enumerate(values):
            total += value[codes[:, j]]
        return total

    def check(self, codes: NDArray[np.uint8]) -> None:
        """Raises RecordsError unless every code is a cell, or the one beyond that says 'not held'."""
        limits = np.array([len(table) for table in self.tables])
        if codes.ndim != 2 or codes.shape[1] != len(limits):
            raise RecordsError("codes", got=f"shape {codes.shape}", expected=f"[n, {len(limits)}]")
        if len(codes) and (over := np.flatnonzero(codes.max(axis=0) > limits)).size:
            raise RecordsError("codes", got=f"a code above {limits[over[0]]} in column {over[0]}", expected="a cell")
