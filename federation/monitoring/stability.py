"""How far a histogram has moved since a reference, told apart from what noise and chance move by themselves.

    index = sum over cells of (q - p) ln(q / p)        p: shares of the reference, q: of the current vintage

This is the population stability index (of a feature: characteristic stability index): the symmetric Kullback-Leibler
divergence (Kullback and Leibler, 1951), read as usual: below .1 nothing to speak of, from .25 on a large shift
(Siddiqi, Credit Risk Scorecards, 2006). Between two finite, noisy histograms of one population it is never zero
(Yurdakul, 2018, gives about (1/n + 1/m)(cells - 1) without noise), so here

  - cells with too few records to stand out of the noise are joined to a neighbour first, judged by both vintages;
  - `value` has the mean of what noise and sampling add taken off (bootstrap);
  - `p` is the chance of as large an index from one unmoved population under the same noise, by simulation;
  - `floor` is the 99% point of that: a smaller index cannot be told from nothing.

All of it is post-processing of released counts; the generator is seeded, so that a report is reproducible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.evaluation.tables import MINIMUM_RECORDS, NOISE_FLOOR
from federation.monitoring.marginals import Floats, Noisy

DRAWS = 9_999
LEVEL = 0.01
"""Chance that any index of a report is more than `stable` where nothing moved (Holm's step-down over them)."""
NOTICE, ALERT = 0.1, 0.25
_SEED = 61_803


class Verdict(StrEnum):
    STABLE = "stable"
    SHIFTED = "shifted"  # at least .1, and not by chance
    ALERT = "alert"  # at least .25, and not by chance
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Stability:
    """One index. `value`, `floor`, `p`, `cells` are None where it is withheld; `note` says why.

    se  standard error of `value`, by noise and sampling;  cells  that were compared, after joining
    """

    value: float | None
    se: float | None = None
    floor: float | None = None
    p: float | None = None
    cells: int | None = None
    verdict: Verdict = Verdict.WITHHELD
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "verdict": str(self.verdict)}


def stability(reference: Noisy, current: Noisy, *, seed: int = 0) -> Stability:
    """The index of one histogram, its verdict still without regard to the others: `judged` makes it."""
    starts = joined(reference, current)
    if len(starts) < 2:
        note = f"about {reference.records:.0f} and {current.records:.0f} records: too few for this noise"
        return Stability(None, note=note)
    generator = np.random.default_rng((_SEED, seed))
    sds = (reference.sd, current.sd)
    raw = float(_index(_merge(reference, starts), _merge(current, starts), sds))
    pooled = _shares(reference.counts, starts) + _shares(current.counts, starts)
    unmoved = np.maximum(pooled, 0) / np.maximum(pooled, 0).sum()
    null = _simulated(generator, [unmoved * side.records for side in (reference, current)], reference, current, starts)
    seen = [np.maximum(_merge(side, starts), 0) for side in (reference, current)]
    around = _simulated(generator, seen, reference, current, starts)
    return Stability(
        value=max(0.0, 2 * raw - float(around.mean())),
        se=float(around.std(ddof=1)),
        floor=float(np.quantile(null, 1 - LEVEL)),
        p=float((1 + (null >= raw).sum()) / (1 + DRAWS)),
        cells=len(starts),
    )


def judged(indices: Mapping[str, Stability], *, notice: float = NOTICE, alert: float = ALERT) -> dict[str, Stability]:
    """Every index with its verdict. Chance alone raises any of them above `stable` with probability `LEVEL` at most."""
    ordered = sorted((index.p, name) for name, index in indices.items() if index.p is not None)
    moved: set[str] = set()
    for place, (p, name) in enumerate(ordered):
        if p * (len(ordered) - place) > LEVEL:
            break
        moved.add(name)
    return {name: _with_verdict(index, name in moved, notice, alert) for name, index in indices.items()}


def _with_verdict(index: Stability, moved: bool, notice: float, alert: float) -> Stability:
    if index.value is None:
        return index
    verdict = Verdict.STABLE
    if moved and index.value >= notice:
        verdict = Verdict.ALERT if index.value >= alert else Verdict.SHIFTED
    return Stability(index.value, index.se, index.floor, index.p, index.cells, verdict, index.note)


def joined(reference: Noisy, current: Noisy) -> NDArray[np.int64]:
    """First cells of runs of neighbours that each expect enough records in both vintages; empty if there are none.

    Expected are the mean of both shares, so that a cell that one vintage has lost stays one.
    """
    if min(reference.records, current.records) < MINIMUM_RECORDS:
        return np.zeros(0, dtype=np.int64)
    shares = (reference.counts / reference.records + current.counts / current.records) / 2
    starts: list[int] = []
    first = 0
    for end in range(1, len(shares) + 1):
        if _enough(shares[first:end], reference, current):
            starts.append(first)
            first = end
    return np.array(starts, dtype=np.int64)  # what is left over at the end belongs to the last run


def _enough(shares: Floats, *sides: Noisy) -> bool:
    share, cells = float(shares.sum()), len(shares)
    return all(share * side.records >= max(MINIMUM_RECORDS, NOISE_FLOOR * side.sd * cells**0.5) for side in sides)


def _merge(side: Noisy, starts: NDArray[np.int64]) -> Floats:
    merged: Floats = np.add.reduceat(side.counts, starts)
    return merged


def _shares(counts: Floats, starts: NDArray[np.int64]) -> Floats:
    merged: Floats = np.add.reduceat(counts, starts) / counts.sum()
    return merged


def _widths(side: Noisy, starts: NDArray[np.int64]) -> Floats:
    """Noise of each run."""
    sd: Floats = side.sd * np.sqrt(np.diff(np.append(starts, len(side.counts))).astype(np.float64))
    return sd


def _simulated(
    generator: np.random.Generator, expected: list[Floats], reference: Noisy, current: Noisy, starts: NDArray[np.int64]
) -> Floats:
    """float64 [DRAWS]: indices of vintages with these expected counts, sampled and with the releases' noise."""
    drawn = []
    for counts, side in zip(expected, (reference, current), strict=True):
        noise = generator.standard_normal((DRAWS, len(counts))) * _widths(side, starts)
        drawn.append(generator.poisson(counts, (DRAWS, len(counts))) + noise)
    return _index(drawn[0], drawn[1], (reference.sd, current.sd))


def _index(reference: Floats, current: Floats, sds: tuple[float, float]) -> Floats:
    """[..., cells] to [...]. A count below one, or below its noise, is taken for that: no logarithm runs off."""
    p, q = (np.maximum(counts, max(1.0, sd)) for counts, sd in zip((reference, current), sds, strict=True))
    p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index
