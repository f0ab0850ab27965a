"""Which families count against a subject: at most four, heaviest first, and enquiries as a fifth.

A family's loss is the reference's points minus the subject's, in that family. Reasons are reported as families because
single features are too noisy to name under a small privacy budget, while families hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from federation.scorecard.scores import MAX_REASONS

LEAST_POINTS = 1.0  # a loss below one point is no reason


def rank(losses: NDArray[np.float64], enquiries: NDArray[np.bool_]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Reasons int8 [n, 5] and the points they cost float64 [n, 5], from losses [n, families].

    `enquiries` [families] marks the families of the enquiries dimension: where one costs points and is not among the
    four heaviest, it stands in the first free place after them.
    """
    n, families = losses.shape
    order = np.argsort(-losses, axis=1, kind="stable")[:, :MAX_REASONS].astype(np.int8)
    points = np.take_along_axis(losses, order, axis=1)
    reasons = np.full((n, MAX_REASONS + 1), -1, dtype=np.int8)
    lost = np.zeros((n, MAX_REASONS + 1))
    counts = points >= LEAST_POINTS
    width = order.shape[1]
    reasons[:, :width] = np.where(counts, order, np.int8(-1))
    lost[:, :width] = np.where(counts, points, 0.0)
    if families > MAX_REASONS and enquiries.any():
        _add_enquiries(losses, enquiries, reasons, lost)
    return reasons, lost


def _add_enquiries(
    losses: NDArray[np.float64], enquiries: NDArray[np.bool_], reasons: NDArray[np.int8], lost: NDArray[np.float64]
) -> None:
    """Fill the fifth place of full rows. (A row with a free place among four already shows every family that costs.)"""
    members = np.flatnonzero(enquiries)
    heaviest = members[np.argmax(losses[:, members], axis=1)]
    points = np.take_along_axis(losses, heaviest[:, None], axis=1)[:, 0]
    listed = (reasons[:, :MAX_REASONS] == heaviest[:, None]).any(axis=1)
    rows = np.flatnonzero((points >= LEAST_POINTS) & ~listed)
    reasons[rows, MAX_REASONS] = heaviest[rows]
    lost[rows, MAX_REASONS] = points[rows]
