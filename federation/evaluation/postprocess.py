"""From noisy counts to counts that can be: post-processing, which costs no privacy.

1. `reconcile`: the score histogram and every group table count the same records, so their marginals are pooled by
   inverse variance (Hay et al., Boosting the accuracy of differentially private histograms, VLDB 2010).
2. `non_negative`: clipping negative counts at 0 would add mass wherever a bin is empty; the nearest non-negative
   histogram with the same total does not ("norm-sub": Wang et al., NDSS 2020; projection: Duchi et al., ICML 2008).

Every function takes any leading axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reconcile(
    scores: Floats, score_sd: float, groups: Sequence[Floats], group_sds: Sequence[float], starts: NDArray[np.int64]
) -> tuple[Floats, tuple[Floats, ...]]:
    """Scores [..., bins, 2] and tables [..., coarse bins, 2, groups] with equal coarse marginals.

    `starts` are the first fine bins of the coarse bins. Where noise is 0 the tables agree already and stay as they are.
    """
    if not groups or score_sd == 0:
        return scores, tuple(groups)
    widths = np.diff(np.append(starts, scores.shape[-2]))[:, None]
    totals = [np.add.reduceat(scores, starts, axis=-2), *(table.sum(axis=-1) for table in groups)]
    precisions = [1 / (widths * score_sd**2)]
    precisions += [np.full(widths.shape, 1 / (t.shape[-1] * sd**2)) for t, sd in zip(groups, group_sds, strict=True)]
    pooled = sum(total * weight for total, weight in zip(totals, precisions, strict=True)) / sum(precisions)
    fine = scores + np.repeat((pooled - totals[0]) / widths, widths[:, 0], axis=-2)
    tables = (t + ((pooled - total) / t.shape[-1])[..., None] for t, total in zip(groups, totals[1:], strict=True))
    return fine, tuple(tables)


def non_negative(counts: Floats) -> Floats:
    """Histograms along the last axis, projected on {x >= 0, sum x = the noisy total (at least 0)}.

    >>> non_negative(np.array([5.0, -2.0, 3.0]))
    array([4., 0., 2.])
    """
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 0.0)
    falling = -np.sort(-counts, axis=-1)
    ranks = np.arange(1, counts.shape[-1] + 1)
    excess = (np.cumsum(falling, axis=-1) - total) / ranks
    last = np.maximum((falling > excess).sum(axis=-1, keepdims=True) - 1, 0)
    shift = np.take_along_axis(excess, last, axis=-1)
    projected: Floats = np.maximum(counts - shift, 0.0)
    return projected


def non_negative_bins(counts: Floats, axis: int) -> Floats:
    """`non_negative` along the axis of the score bins: goods and bads (and groups) keep their own totals."""
    return np.moveaxis(non_negative(np.moveaxis(counts, axis, -1)), -1, axis)


def cell_shares(counts: Floats) -> Floats:
    """Shares that sum to 1; uniform where noise left nothing."""
    positive = non_negative(counts)
    total = float(positive.sum())
    return positive / total if total > 0 else np.full(counts.shape, 1 / counts.size)
