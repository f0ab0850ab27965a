"""Metrics from histograms of score bin x label; every function takes any leading axes (simulations).

counts  float64 [..., bins, 2]: goods and bads per bin, bins by rising risk

A histogram knows no order inside a bin: ties count one half, so AUC and KS lose a little against the exact figure and
converge to it as bins narrow. `predicted` stands for every record of a bin in Brier and calibration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(counts: Floats) -> Floats:
    """Area under the ROC curve through the bins' edges (trapezoids); nan without goods or bads."""
    goods, bads = _distributions(counts)
    before = np.cumsum(goods, axis=-1) - goods / 2
    area: Floats = (bads * before).sum(axis=-1)
    return area


def ks(counts: Floats) -> Floats:
    """Largest distance between the cumulative distributions at the bins' edges."""
    goods, bads = _distributions(counts)
    distance: Floats = np.abs(np.cumsum(goods, axis=-1) - np.cumsum(bads, axis=-1)).max(axis=-1)
    return distance


def brier(counts: Floats, predicted: Floats) -> Floats:
    """Mean squared error of the probability of BAD, each bin at `predicted` [bins]."""
    losses = counts[..., 0] * predicted**2 + counts[..., 1] * (1 - predicted) ** 2
    mean: Floats = losses.sum(axis=-1) / _at_least_one(counts.sum(axis=(-2, -1)))
    return mean


def merge(counts: Floats, starts: NDArray[np.int64]) -> Floats:
    """Neighbouring bins added up: [..., len(starts), 2], the k-th from bin starts[k] on."""
    merged: Floats = np.add.reduceat(counts, starts, axis=-2)
    return merged


def ece(counts: Floats, predicted: Floats, starts: NDArray[np.int64]) -> Floats:
    """Expected calibration error over the merged bins that begin at `starts`."""
    bads = merge(counts, starts)[..., 1]
    expected = np.add.reduceat(counts.sum(axis=-1) * predicted, starts, axis=-1)
    error: Floats = np.abs(bads - expected).sum(axis=-1) / _at_least_one(counts.sum(axis=(-2, -1)))
    return error


def bad_rate(counts: Floats) -> Floats:
    """Share of bads."""
    rate: Floats = counts[..., 1].sum(axis=-1) / _at_least_one(counts.sum(axis=(-2, -1)))
    return rate


def equal_mass(counts: Floats, groups: int) -> NDArray[np.int64]:
    """First bins of at most `groups` runs of neighbouring bins that hold about as many records each."""
    mass = counts.sum(axis=-1)
    middle = (np.cumsum(mass) - mass / 2) / max(float(mass.sum()), 1e-300)
    run = np.floor(np.clip(middle, 0, 1 - 1e-12) * groups).astype(np.int64)
    return np.flatnonzero(np.diff(run, prepend=-1) > 0)


def _distributions(counts: Floats) -> tuple[Floats, Floats]:
    totals = counts.sum(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / np.where(totals > 0, totals, np.nan)
    return shares[..., 0], shares[..., 1]


def _at_least_one(total: Floats) -> Floats:
    return np.maximum(total, 1.0)
