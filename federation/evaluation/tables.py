"""What the coordinator reads off the one noisy sum: counts that can be, and figures with their uncertainty.

Nothing here sees a record. Suppression: a figure that rests on fewer than `MINIMUM_RECORDS` records, or on fewer than
`NOISE_FLOOR` standard deviations of the noise of the count itself, is withheld and says so. (The release is private
without it; suppression keeps noise from being read as a finding.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from federation.evaluation import histograms
from federation.evaluation.axes import Block, GroupAxis, ScoreAxis
from federation.evaluation.metrics import CALIBRATION_BINS, CalibrationPoint
from federation.evaluation.postprocess import cell_shares, non_negative_bins, reconcile
from federation.evaluation.uncertainty import SEED, Draws, Estimate, Floats, gaussian, poisson
from federation.scorecard.scaling import Scaling

MINIMUM_RECORDS = 50
NOISE_FLOOR = 3.0


@dataclass(frozen=True)
class EvaluationTables:
    """Post-processed counts of one evaluation.

    score_counts  float64 [bins, 2], goods and bads, >= 0, bins by rising risk
    group_counts  per protected attribute float64 [coarse bins, 2, groups], >= 0
    cell_counts   per feature float64 [n_cells], as noisy as released
    block_sd      noise standard deviation of one count, per block
    """

    scores: ScoreAxis
    coarse: ScoreAxis
    groups: tuple[GroupAxis, ...]
    score_counts: Floats
    group_counts: dict[str, Floats]
    cell_counts: dict[str, Floats]
    block_sd: dict[str, float]
    score_draws: Draws = field(repr=False)
    group_draws: dict[str, Draws] = field(repr=False)

    @classmethod
    def from_vector(
        cls,
        vector: Floats,
        sd: float,
        scores: ScoreAxis,
        coarse: ScoreAxis,
        groups: tuple[GroupAxis, ...],
        features: Sequence[tuple[str, int]],
        blocks: Sequence[Block],
    ) -> EvaluationTables:
        """Tables from the weighted noisy sum [m]; use `EvaluationSpec.read`."""
        found = {block.name: block.read(vector) for block in blocks}
        sds = {block.name: sd / block.weight for block in blocks}
        group_sds = [sds[f"group:{axis.name}"] for axis in groups]
        starts = starts_of(scores, coarse)

        def post(fine: Floats, tables: Sequence[Floats]) -> tuple[Floats, tuple[Floats, ...]]:
            fine, tables = reconcile(fine, sds["scores"], tables, group_sds, starts)
            return non_negative_bins(fine, -2), tuple(non_negative_bins(table, -3) for table in tables)

        fine, tables = post(found["scores"], [found[f"group:{axis.name}"] for axis in groups])
        generator = np.random.default_rng(SEED)
        noisy = post(
            gaussian(generator, fine, sds["scores"]),
            [gaussian(generator, table, s) for table, s in zip(tables, group_sds, strict=True)],
        )
        draws = [Draws(noise, poisson(generator, table)) for noise, table in zip(noisy[1], tables, strict=True)]
        names = [axis.name for axis in groups]
        return cls(
            scores=scores,
            coarse=coarse,
            groups=groups,
            score_counts=fine,
            group_counts=dict(zip(names, tables, strict=True)),
            cell_counts={name: found[f"cells:{name}"] for name, _ in features},
            block_sd=sds,
            score_draws=Draws(noisy[0], poisson(generator, fine)),
            group_draws=dict(zip(names, draws, strict=True)),
        )

    @property
    def records(self) -> float:
        """Records evaluated, as the noisy histogram counts them."""
        return float(self.score_counts.sum())

    @property
    def bad_rate(self) -> float:
        """Share of bads; nan without records."""
        return float(self.score_counts[:, 1].sum() / self.records) if self.records > 0 else math.nan

    @property
    def too_few(self) -> str | None:
        """Why no figure can be given, if so."""
        floor = minimum(self.block_sd["scores"], self.scores.bins)
        for label, count in zip(("goods", "bads"), self.score_counts.sum(axis=0), strict=True):
            if count < floor:
                return f"about {count:.0f} {label} counted, {floor:.0f} needed under this noise"
        return None

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """auc, ks, gini, brier, ece and bad_rate, each with its standard error."""
        names = {
            "auc": histograms.auc,
            "ks": histograms.ks,
            "gini": lambda counts: 2 * histograms.auc(counts) - 1,
            "brier": lambda counts: histograms.brier(counts, self.scores.predicted),
            "ece": self._ece,
            "bad_rate": histograms.bad_rate,
        }
        reason = self.too_few
        if reason is not None:
            return dict.fromkeys(names, Estimate.suppressed(reason))
        draws = self.score_draws
        least = {"gini": -1.0}
        return {
            name: draws.estimate(float(of(self.score_counts)), of, least.get(name, 0.0)) for name, of in names.items()
        }

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return histograms.equal_mass(self.score_counts, CALIBRATION_BINS)

    def _ece(self, counts: Floats) -> Floats:
        return histograms.ece(counts, self.scores.predicted, self._starts)

    def calibration(self) -> tuple[CalibrationPoint, ...]:
        """Points with enough records, by rising risk; standard errors include the privacy noise."""
        if self.too_few:
            return ()
        merged = histograms.merge(self.score_counts, self._starts)
        totals = merged.sum(axis=-1)
        weighted = np.add.reduceat(self.score_counts.sum(axis=-1) * self.scores.predicted, self._starts)
        widths = np.diff(np.append(self._starts, self.scores.bins))
        points = []
        for index, (total, bads) in enumerate(zip(totals, merged[:, 1], strict=True)):
            if total >= minimum(self.block_sd["scores"], int(widths[index])):
                noise = _rate_sd(self.score_draws.noise, self._starts, index)
                sampling = _rate_sd(self.score_draws.sampling, self._starts, index)
                error = math.hypot(noise, sampling)
                points.append(
                    CalibrationPoint(float(weighted[index] / total), float(bads / total), float(total), error)
                )
        return tuple(points)

    def bands(self, scaling: Scaling) -> dict[str, Estimate]:
        """Share of subjects per band of `scaling`, lowest first."""
        if self.too_few:
            return {band.name: Estimate.suppressed(self.too_few) for band in scaling.bands}
        cuts = [self.scores.below(cut) for cut in scaling.cuts[::-1]]
        starts = np.array([0, *cuts])

        def share(position: int, counts: Floats) -> Floats:
            merged = histograms.merge(counts, starts).sum(axis=-1)
            found: Floats = merged[..., -1 - position] / np.maximum(merged.sum(axis=-1), 1.0)
            return found

        draws, counts = self.score_draws, self.score_counts
        return {
            band.name: draws.estimate(float(share(position, counts)), partial(share, position))
            for position, band in enumerate(scaling.bands)
        }

    def cell_shares(self) -> tuple[Floats, ...]:
        """The average subject: share of subjects per cell, float64 [n_cells] per feature, each summing to 1.

        Empty where too few records stand against the noise: then there is no average to measure reasons from.
        """
        if self.too_few:
            return ()
        return tuple(cell_shares(counts) for counts in self.cell_counts.values())


def minimum(sd: float, cells: int) -> float:
    """Records that a figure resting on the sum of `cells` noisy counts needs."""
    return max(MINIMUM_RECORDS, NOISE_FLOOR * sd * math.sqrt(cells))


def starts_of(scores: ScoreAxis, coarse: ScoreAxis) -> NDArray[np.int64]:
    """The first fine bin of every coarse bin; coarse edges are fine edges."""
    return np.array([0, *(scores.below(edge) for edge in coarse.points)])


def _rate_sd(draws: Floats, starts: NDArray[np.int64], index: int) -> float:
    merged = histograms.merge(draws, starts)[:, index]
    return float((merged[:, 1] / np.maximum(merged.sum(axis=-1), 1.0)).std(ddof=1))
