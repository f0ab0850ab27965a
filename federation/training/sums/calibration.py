"""Goods and bads by log-odds, and the monotone piecewise-linear recalibration that fits them.

With u the log-odds over the base rate's and segments between the knots -.5, .5, 1.5, calibrated log-odds are
base + a + sum over segments of slope x the part of u in the segment, from -.5. Intercept and slopes solve the score
equations of the binomial likelihood of the noisy counts as they are (a count cut off at 0 would be biased), with a
ridge that pulls slopes towards 1; slopes are kept at .2 or more, so that no two scores change places.

Newton's steps are taken in decimals, which are correctly rounded on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.privacy.lattice import POINTS
from federation.training.fixed_point import LOGIT
from federation.training.sums.arithmetic import F64, I64, log_odds
from federation.training.sums.part import Setting, outcomes
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.records.encoded import Encoded

BINS = 22
KNOTS = (-0.5, 0.5, 1.5)
ENDS = (-1.5, *KNOTS, 2.5)  # where the state holds calibrated log-odds; beyond them the outer slopes go on
_FIRST, _WIDTH = -1.75, 0.25  # edges of the bins, over the base log-odds
FLATTEST = 0.2
_FLATTEST, _CLOSE = Decimal("0.2"), Decimal("1e-9")
_STEPS, _PREC = 30, 30


@dataclass(frozen=True)
class Calibration:
    """Bads of every bin of log-odds, then goods. A record is in one of them: its vector has norm 2^32 exactly."""

    setting: Setting

    @property
    def width(self) -> int:
        return 2 * BINS

    @property
    def sensitivity(self) -> int:
        return POINTS

    def contribution(self, state: State, records: Encoded) -> I64:
        target, found = outcomes(records), self.setting.log_odds(state, records)
        edges = [self.setting.base + int((_FIRST + _WIDTH * i) * LOGIT) for i in range(BINS - 1)]
        cells = np.searchsorted(np.array(edges), found, side="right") + BINS * (target != 1)
        return np.bincount(cells, minlength=self.width).astype(np.int64) * POINTS

    def advance(self, state: State, total: I64) -> State:
        bads, goods = np.split(total.astype(np.float64) / POINTS, 2)
        intercept, slopes = fit(bads, bads + goods, self.setting.base_rate, self.setting.recipe.calibration_ridge)
        base = log_odds(self.setting.base_rate)
        at = np.array(
            [base + intercept + sum(s * part for s, part in zip(slopes, _parts(u), strict=True)) for u in ENDS]
        )
        return replace(state, knots=at)


def identity(setting: Setting) -> F64:
    """The knots of a model that is not recalibrated."""
    return np.array(ENDS) + log_odds(setting.base_rate)


def apply(knots: F64, raw: F64, base_rate: float) -> NDArray[np.float64]:
    """Calibrated log-odds [n] of raw ones."""
    over = raw - log_odds(base_rate)
    slopes = np.diff(knots) / np.diff(ENDS)
    parts = (
        np.minimum(over - KNOTS[0], 0.0),
        *(np.clip(over - low, 0.0, high - low) for low, high in pairwise(KNOTS)),
        np.maximum(over - KNOTS[-1], 0.0),
    )
    found = np.full(len(raw), knots[1])
    for slope, part in zip(slopes, parts, strict=True):
        found += slope * part
    return found


def fit(bads: F64, held: F64, base_rate: float, ridge: float) -> tuple[float, tuple[float, ...]]:
    """Intercept and four slopes for noisy bads and records of the bins, each [22]."""
    with localcontext(Context(prec=_PREC)):
        rows = [[Decimal(1), *(Decimal(part) for part in _parts(_middle(i)))] for i in range(BINS)]
        found = _newton(rows, bads, held, Decimal(log_odds(base_rate)), Decimal(ridge))
        return float(found[0]), tuple(float(slope) for slope in found[1:])


def _middle(index: int) -> float:
    return _FIRST + _WIDTH * (index - 0.5)


def _parts(u: float) -> tuple[float, ...]:
    """How much of u lies in each segment, from the first knot."""
    between = (min(max(u - low, 0.0), high - low) for low, high in pairwise(KNOTS))
    return (min(u - KNOTS[0], 0.0), *between, max(u - KNOTS[-1], 0.0))


def _newton(rows: list[list[Decimal]], bads: F64, held: F64, base: Decimal, ridge: Decimal) -> list[Decimal]:
    """Newton's steps, of at most 1 in every number, on those that are not held at their limit."""
    found = [Decimal(KNOTS[0]), *[Decimal(1)] * (len(KNOTS) + 1)]
    counted = [(Decimal(float(b)), Decimal(float(n))) for b, n in zip(bads, held, strict=True)]
    for _ in range(_STEPS):
        gradient, matrix = _likelihood(rows, counted, base, found)
        for i in range(1, len(found)):
            gradient[i] -= ridge * (found[i] - 1)
            matrix[i][i] += ridge
        free = [i for i, value in enumerate(found) if i == 0 or value > _FLATTEST or gradient[i] > 0]
        moves = _solve([[matrix[i][j] for j in free] for i in free], [gradient[i] for i in free])
        for i, move in zip(free, moves, strict=True):
            found[i] += max(min(move, Decimal(1)), Decimal(-1))
            found[i] = found[i] if i == 0 else max(found[i], _FLATTEST)
        if max(abs(move) for move in moves) < _CLOSE:
            break
    return found


def _likelihood(
    rows: list[list[Decimal]], counted: list[tuple[Decimal, Decimal]], base: Decimal, at: list[Decimal]
) -> tuple[list[Decimal], list[list[Decimal]]]:
    """Score [5] and curvature [5, 5] of the binomial likelihood."""
    gradient = [Decimal(0)] * len(at)
    matrix = [[Decimal(0)] * len(at) for _ in at]
    for row, (bad, records) in zip(rows, counted, strict=True):
        odds = base + sum((a * b for a, b in zip(at, row, strict=True)), Decimal(0))
        rate = 1 / (1 + (-odds).exp())
        weight = max(records, Decimal(1)) * rate * (1 - rate)
        for i, value in enumerate(row):
            gradient[i] += value * (bad - records * rate)
            for j in range(i + 1):
                matrix[i][j] += weight * value * row[j]
    for i in range(len(at)):
        for j in range(i):
            matrix[j][i] = matrix[i][j]
    return gradient, matrix


def _solve(matrix: list[list[Decimal]], right: list[Decimal]) -> list[Decimal]:
    """Gaussian elimination of a positive definite system."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        for j in range(i + 1, size):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    solved = [Decimal(0)] * size
    for i in range(size - 1, -1, -1):
        known = sum((rows[i][j] * solved[j] for j in range(i + 1, size)), Decimal(0))
        solved[i] = (rows[i][size] - known) / rows[i][i]
    return solved
