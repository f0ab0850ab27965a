"""The one release of an evaluation: a single vector of histograms, moved by at most 1 in L2 norm by any one record.

    spec = EvaluationSpec.from_catalogue(catalogue)
    vector = spec.counts(logits, encoded)            at each institution; its node adds the noise and is charged for it
    tables = spec.read(sum_of_noisy_vectors, sd)     at the coordinator, which sees nothing else

Blocks of the vector, each a histogram in which one record lies in exactly one cell (or in none, if not held):

    scores          score bin x label
    group:NAME      coarse score bin x label x group, per protected attribute; the last group is 'unknown'
    cells:NAME      cells of one feature: what the average subject looks like, for reasons and influence

Every block is multiplied by a weight and the squares of the weights sum to 1, so adding or removing a record moves the
vector by the root of the sum of the squares of the weights of the blocks it lies in, at most 1 (L2 sensitivity,
add/remove adjacency). With noise of standard deviation s on every component, a count of a block of weight w carries
noise of standard deviation s / w. All bins are public: they follow from catalogue and scaling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import PrivacyError, RecordsError
from federation.evaluation.axes import Block, GroupAxis, ScoreAxis
from federation.evaluation.tables import EvaluationTables
from federation.scorecard.scaling import Scaling

if TYPE_CHECKING:
    from federation.records.encoded import Encoded

Shares = tuple[float, float, float]  # of the squared norm: scores, groups, cells
SHARES: Shares = (0.6, 0.25, 0.15)  # measured: docs/decisions/0008-scores-and-evaluation.md
FINE_LOGIT, COARSE_LOGIT = 0.44, 0.9  # widest bin, in log-odds: more bins, more noise; fewer, more ties
LATTICE = 2**24
REACH = 2.7  # log-odds on each side of the base rate that have bins of their own


@dataclass(frozen=True)
class EvaluationSpec:
    """Layout of the vector. Frozen and public; the same for every member of a federation."""

    scores: ScoreAxis
    coarse: ScoreAxis
    groups: tuple[GroupAxis, ...]
    features: tuple[tuple[str, int], ...]
    blocks: tuple[Block, ...]

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue, scaling: Scaling | None = None) -> EvaluationSpec:
        """The layout for one catalogue; `scaling` decides where the bands' edges fall among the bins."""
        scale = scaling or Scaling()
        scores = score_axis(catalogue.base_rate, scale)
        coarse = coarsen(scores, scale)
        groups = tuple(GroupAxis(item.name, item.groups) for item in catalogue.protected)
        features = tuple((feature.name, feature.n_cells) for feature in catalogue.features)
        return cls(scores, coarse, groups, features, lay_out(scores, coarse, groups, features))

    @property
    def size(self) -> int:
        """m, the length of the vector."""
        return self.blocks[-1].stop

    @property
    def sensitivity(self) -> float:
        """The largest L2 distance that adding or removing one record can cause."""
        return math.sqrt(sum(block.weight**2 for block in self.blocks))

    def counts(self, logits: NDArray[np.float64], records: Encoded) -> NDArray[np.float64]:
        """float64 [m]: the weighted histograms of `records` with log-odds of BAD `logits`, WITHOUT noise.

        Never leaves an institution as it is. An infinite logit lies in an end bin, one that is no number at even
        odds: what a model makes of a record is never an error. Raises RecordsError without outcomes or where shapes
        do not fit.
        """
        target = _target(logits, records, len(self.features))
        logits = np.nan_to_num(logits, nan=0.0)
        fine = self.scores.bin(logits) * 2 + target
        coarse = self.coarse.bin(logits) * 2 + target
        indices = [fine]
        indices += [coarse * len(axis.labels) + axis.of(records) for axis in self.groups]
        indices += [records.codes[:, position].astype(np.int64) for position in range(len(self.features))]
        vector = np.empty(self.size)
        for block, index in zip(self.blocks, indices, strict=True):
            held = np.bincount(index, minlength=block.size)[: block.size]  # the cell beyond the last means 'not held'
            vector[block.slice] = held * block.weight
        return vector

    def read(self, noisy_sum: NDArray[np.float64], sd: float) -> EvaluationTables:
        """Counts from the SUM of the members' noisy vectors; `sd` is the noise of a component of that sum.

        With K members who add noise of their own, sd = noise multiplier x sqrt(K). Raises PrivacyError.
        """
        vector = np.asarray(noisy_sum, dtype=np.float64)
        if vector.shape != (self.size,) or not np.isfinite(vector).all():
            raise PrivacyError("evaluation.sum", got=f"shape {vector.shape}", expected=f"{self.size} finite numbers")
        if not 0 <= sd < math.inf:
            raise PrivacyError("evaluation.sd", got=sd, expected="a number >= 0")
        return EvaluationTables.from_vector(
            vector, sd, self.scores, self.coarse, self.groups, self.features, self.blocks
        )


def lay_out(
    scores: ScoreAxis,
    coarse: ScoreAxis,
    groups: tuple[GroupAxis, ...],
    features: tuple[tuple[str, int], ...],
    of_norm: Shares = SHARES,
) -> tuple[Block, ...]:
    """Blocks in order, with weights whose squares sum to (a hair under) 1, divided as `of_norm` says.

    A weight is a whole multiple of 2^-24, so that the vector lies on the lattice of exact noise.
    """
    shares = {"scores": of_norm[0]}
    shares |= {f"group:{axis.name}": of_norm[1] / len(groups) for axis in groups}
    shares |= {f"cells:{name}": of_norm[2] / len(features) for name, _ in features}
    shapes: list[tuple[int, ...]] = [(scores.bins, 2)]
    shapes += [(coarse.bins, 2, len(axis.labels)) for axis in groups]
    shapes += [(cells,) for _, cells in features]
    total = sum(shares.values()) * (1 + 1e-12)
    blocks: list[Block] = []
    for (name, share), shape in zip(shares.items(), shapes, strict=True):
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(name, start, shape, math.floor(math.sqrt(share / total) * LATTICE) / LATTICE))
    return tuple(blocks)


def score_axis(base_rate: float, scaling: Scaling) -> ScoreAxis:
    """Bins of equal width in points, at most `FINE_LOGIT` in log-odds, around the base rate; band edges are edges."""
    step = _step(scaling)
    centre = float(scaling.from_logits(math.log(base_rate / (1 - base_rate))))
    first = math.ceil((centre - REACH * scaling.factor) / step)
    last = math.floor((centre + REACH * scaling.factor) / step)
    return _axis(np.union1d(np.arange(first, last + 1) * step, scaling.cuts), scaling)


def coarsen(scores: ScoreAxis, scaling: Scaling) -> ScoreAxis:
    """Every k-th edge of `scores`, bins at most `COARSE_LOGIT` wide, and the bands' edges."""
    step = _step(scaling)
    wide = step * math.floor(COARSE_LOGIT * scaling.factor / step)
    points = np.array(scores.points)
    on_grid = np.isclose(points / wide, np.round(points / wide), rtol=0, atol=1e-9)
    return _axis(np.union1d(points[on_grid], scaling.cuts), scaling)


def _step(scaling: Scaling) -> float:
    """Points: the largest unit fraction of the bands' common step that is at most `FINE_LOGIT`."""
    gap = math.gcd(*(round(cut) for cut in scaling.cuts)) or scaling.maximum - scaling.minimum
    return gap / math.ceil(gap / (FINE_LOGIT * scaling.factor))


def _axis(points: NDArray[np.float64], scaling: Scaling) -> ScoreAxis:
    falling = points[::-1]
    return ScoreAxis(tuple(map(float, falling)), tuple(map(float, scaling.to_logits(falling))))


def _target(logits: NDArray[np.float64], records: Encoded, features: int) -> NDArray[np.int64]:
    if records.target is None:
        raise RecordsError("target", got="records without outcomes", expected="an outcome for every record")
    if logits.shape != (len(records),):
        raise RecordsError("logits", got=f"shape {logits.shape}", expected=f"{len(records)} numbers")
    if records.codes.shape[1] != features:
        raise RecordsError("codes", got=f"{records.codes.shape[1]} features", expected=features)
    if records.target.max(initial=0) > 1:
        raise RecordsError("target", got="values beyond 0 and 1", expected="0 = good, 1 = bad")
    return records.target.astype(np.int64)
