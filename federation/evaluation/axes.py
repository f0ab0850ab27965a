"""The public axes and blocks of the evaluation vector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.errors import RecordsError
from federation.evaluation.probability import probability

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


@dataclass(frozen=True)
class ScoreAxis:
    """Bins of log-odds of BAD, by rising risk: bin i holds edges[i-1] <= logit < edges[i]... of the score, (from, to].

    points  the unclamped scores at the edges, descending
    logits  the same edges as log-odds of BAD, ascending
    A subject exactly on an edge belongs to the bin of the HIGHER score, as in the bands.
    """

    points: tuple[float, ...]
    logits: tuple[float, ...]

    @property
    def bins(self) -> int:
        return len(self.logits) + 1

    def bin(self, logits: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each log-odds of BAD; int64 [n]."""
        return np.searchsorted(np.array(self.logits), logits, side="left").astype(np.int64)

    @property
    def middles(self) -> NDArray[np.float64]:
        """A representative log-odds of BAD per bin; the open ends are as wide as their neighbours."""
        edges = np.array(self.logits)
        widths = np.diff(edges)
        padded = np.concatenate([[edges[0] - widths[0]], edges, [edges[-1] + widths[-1]]])
        middles: NDArray[np.float64] = (padded[:-1] + padded[1:]) / 2
        return middles

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Probability of BAD at the middle of each bin."""
        return probability(self.middles)

    def below(self, points: float) -> int:
        """Number of bins whose scores are all >= `points`. Raises RecordsError unless `points` is an edge."""
        for position, edge in enumerate(self.points):
            if math.isclose(edge, points, abs_tol=1e-9):
                return position + 1
        raise RecordsError("cut-off", got=points, expected=f"one of {[round(edge, 2) for edge in self.points]}")


@dataclass(frozen=True)
class GroupAxis:
    """The groups of one protected attribute; the last one is 'unknown', also for members who do not hold it."""

    name: str
    labels: tuple[str, ...]

    def of(self, records: Encoded) -> NDArray[np.int64]:
        """Group index of each record; int64 [n]."""
        unknown = len(self.labels) - 1
        found = records.protected.get(self.name)
        if found is None:
            return np.full(len(records), unknown, dtype=np.int64)
        return np.minimum(found.astype(np.int64), unknown)


@dataclass(frozen=True)
class Block:
    """One histogram inside the vector: where it starts, its shape, and the weight its counts are multiplied by."""

    name: str
    start: int
    shape: tuple[int, ...]
    weight: float

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        return self.start + self.size

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    def read(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """The counts of this block, in its shape, weights taken off; negative where noise made them so."""
        return vector[self.slice].reshape(self.shape) / self.weight
