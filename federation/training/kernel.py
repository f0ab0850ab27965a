"""How much the cells of a feature share, in decimal arithmetic: the same digits on every machine.

Ordered bins i, j share strength: K_ij = .8 exp(-|i - j| / 4) + .2 [i = j]. Most of what all bins share is taken out,
because the public intercept already says it: with v = 1 / (1' K^-1 1), the squared norm of the centre of the ball that
the bins lie on, C = (K - v) / (1 - v) are the same points seen from that centre, again of norm 1, and (C + .1) / 1.1
leaves the little by which a member's level may differ.

Python's decimals are correctly rounded (PEP 327, IBM's General Decimal Arithmetic), so nothing here depends on a
machine's mathematical library or on how a linear algebra library orders its sums.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import TypeAlias

_DIGITS = 40
_SHARED, _REACH, _LEVEL = Decimal("0.8"), Decimal(4), Decimal("0.1")
Rows: TypeAlias = tuple[tuple[Decimal, ...], ...]


@lru_cache(maxsize=256)
def kernel(bins: int, reach: Decimal = _REACH, level: Decimal = _LEVEL) -> Rows:
    """Inner products of `bins` >= 2 neighbouring bins, ones on the diagonal; `level` > 0 of what all of them share."""
    with localcontext(Context(prec=_DIGITS)):
        decay = [_SHARED * (-distance / reach).exp() for distance in map(Decimal, range(bins))]
        smooth = tuple(tuple(decay[abs(i - j)] + (i == j) * (1 - _SHARED) for j in range(bins)) for i in range(bins))
        centre = 1 / sum((part * part for part in _forward(cholesky(smooth), [Decimal(1)] * bins)), Decimal(0))
        return tuple(tuple(((value - centre) / (1 - centre) + level) / (1 + level) for value in row) for row in smooth)


@lru_cache(maxsize=256)
def factor(bins: int, reach: Decimal = _REACH, level: Decimal = _LEVEL) -> Rows:
    """The Cholesky factor of the kernel: its rows embed the bins, each with norm 1."""
    return cholesky(kernel(bins, reach, level))


def cholesky(matrix: Rows) -> Rows:
    """The unique lower triangular L with positive diagonal and L L' = `matrix`, symmetric and positive definite."""
    with localcontext(Context(prec=_DIGITS)):
        rows: list[list[Decimal]] = []
        for i, row in enumerate(matrix):
            made: list[Decimal] = []
            for j in range(i):
                made.append((row[j] - _dot(made, rows[j][:j])) / rows[j][j])
            made.append((row[i] - _dot(made, made)).sqrt())
            rows.append(made)
        size = len(rows)
        return tuple((*row, *[Decimal(0)] * (size - len(row))) for row in rows)


def _forward(lower: Rows, right: list[Decimal]) -> list[Decimal]:
    """The solution of L x = `right`."""
    solved: list[Decimal] = []
    for row, value in zip(lower, right, strict=True):
        solved.append((value - _dot(solved, row[: len(solved)])) / row[len(solved)])
    return solved


def _dot(first: list[Decimal], second: list[Decimal] | tuple[Decimal, ...]) -> Decimal:
    return sum((a * b for a, b in zip(first, second, strict=False)), Decimal(0))
