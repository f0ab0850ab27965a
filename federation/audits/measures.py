"""Statistics of released vectors that contracts are judged by. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

F64: TypeAlias = NDArray[np.float64]


def fit(released: F64, drawn: Sequence[F64]) -> tuple[F64, float]:
    """How often each draw is in the release [draws], and the part of the release that is no draw's (relative L2)."""
    usable = [draw for draw in drawn if draw.shape == released.shape]
    if not usable:
        return np.zeros(0), 1.0
    matrix = np.stack(usable, axis=1)
    coefficients: F64 = np.linalg.lstsq(matrix, released)[0].astype(np.float64)
    return coefficients, length(released - matrix @ coefficients) / max(length(released), np.finfo(float).tiny)


def largest_correlation(vectors: Sequence[F64] | F64) -> tuple[float, float]:
    """The largest cosine between two vectors and its exact p-value for Gaussians, times the number of pairs."""
    if len(vectors) < 2 or not all(vector.any() for vector in vectors):
        return math.nan, math.nan
    stacked = np.stack(list(vectors))
    unit = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    pairs = np.abs(unit @ unit.T)[np.triu_indices(len(unit), 1)]
    largest = min(float(pairs.max()), 1.0)
    return largest, min(1.0, len(pairs) * float(stats.beta.sf(largest**2, 0.5, (stacked.shape[1] - 1) / 2)))


def scale_p_value(values: F64) -> float:
    """Of independent standard normal `values`, by chi-square, two-sided."""
    return two_sided(stats.chi2(values.size), float((values**2).sum()))


def two_sided(tail: Any, value: float) -> float:
    """Two-sided p-value; not a number for a value that is none."""
    return float(np.minimum(1.0, 2 * np.minimum(tail.cdf(value), tail.sf(value))))


def length(vector: F64) -> float:
    return float(np.linalg.norm(vector))
