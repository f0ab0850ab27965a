"""What stability is judged by: how records spread over score bins and over each feature's cells, outcomes or none.

spec = StabilitySpec.from_catalogue(catalogue)
vector = spec.counts(logits, records.codes)          one record moves it by at most 1 in L2 norm; it needs no outcome
marginals = spec.read(noisy_vector, sd)
marginals = Marginals.of(evaluation_tables)          of a vintage whose outcomes are known, from its one release
together = Marginals.sum([marginals, ...])           of several institutions
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import PrivacyError, RecordsError
from federation.evaluation.axes import Block, ScoreAxis
from federation.evaluation.spec import LATTICE, score_axis
from federation.evaluation.tables import EvaluationTables
from federation.scorecard.scaling import Scaling

Floats = NDArray[np.float64]
SCORES = "scores"
OF_NORM = 0.4  # of the squared norm, for the scores; the features share the rest


@dataclass(frozen=True)
class Noisy:
    """counts  float64 [cells], as released: they may be negative;  sd  of the noise of each.  Raises PrivacyError."""

    counts: Floats
    sd: float

    def __post_init__(self) -> None:
        if self.counts.ndim != 1 or not self.counts.size or not np.isfinite(self.counts).all():
            raise PrivacyError("marginal.counts", got=f"shape {self.counts.shape}", expected="finite counts of cells")
        if not 0 <= self.sd < math.inf:
            raise PrivacyError("marginal.sd", got=self.sd, expected="a number >= 0")

    @property
    def records(self) -> float:
        return float(self.counts.sum())

    @classmethod
    def sum(cls, parts: Sequence[Noisy]) -> Self:
        """Of independent noise. Raises PrivacyError for none, or histograms of different cells."""
        if len({part.counts.shape for part in parts}) != 1:
            raise PrivacyError("marginal.sum", got=f"{len(parts)} histograms", expected="some, over the same cells")
        return cls(np.sum([part.counts for part in parts], axis=0), math.hypot(*(part.sd for part in parts)))


@dataclass(frozen=True)
class Marginals:
    """One vintage: its scores, and its features by name. A feature that nobody holds has no records."""

    scores: Noisy
    features: Mapping[str, Noisy]

    @classmethod
    def of(cls, tables: EvaluationTables) -> Self:
        """From a release with outcomes: goods and bads added up, so the noise of two counts."""
        sds = tables.block_sd
        scores = Noisy(tables.score_counts.sum(axis=1), sds[SCORES] * math.sqrt(2))
        return cls(scores, {name: Noisy(found, sds[f"cells:{name}"]) for name, found in tables.cell_counts.items()})

    @classmethod
    def sum(cls, parts: Sequence[Marginals]) -> Self:
        """Of several institutions. Raises PrivacyError unless all have the same features and cells."""
        if len({tuple(part.features) for part in parts}) != 1:
            raise PrivacyError("marginals.features", got="different ones", expected="those of one catalogue")
        features = {name: Noisy.sum([part.features[name] for part in parts]) for name in parts[0].features}
        return cls(Noisy.sum([part.scores for part in parts]), features)


@dataclass(frozen=True)
class StabilitySpec:
    """Layout of the vector of a vintage whose outcomes are not known yet. Frozen and public."""

    axis: ScoreAxis
    blocks: tuple[Block, ...]

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue, scaling: Scaling | None = None) -> Self:
        axis = score_axis(catalogue.base_rate, scaling or Scaling())
        shapes = [(SCORES, axis.bins), *((feature.name, feature.n_cells) for feature in catalogue.features)]
        shares = [OF_NORM, *[(1 - OF_NORM) / len(catalogue.features)] * len(catalogue.features)]
        blocks: list[Block] = []
        for (name, cells), share in zip(shapes, shares, strict=True):
            start = blocks[-1].stop if blocks else 0
            blocks.append(Block(name, start, (cells,), math.floor(math.sqrt(share) * LATTICE) / LATTICE))
        return cls(axis, tuple(blocks))

    @property
    def size(self) -> int:
        """m, the length of the vector."""
        return self.blocks[-1].stop

    @property
    def sensitivity(self) -> float:
        """The largest L2 distance that adding or removing one record can cause; at most 1."""
        return math.sqrt(sum(block.weight**2 for block in self.blocks))

    def counts(self, logits: Floats, codes: NDArray[np.uint8]) -> Floats:
        """float64 [m]: the weighted histograms, WITHOUT noise, on the lattice of 2^-24. Raises RecordsError.

        logits  float64 [n], log-odds of BAD; codes  [n, features], cells; one beyond a feature's last is 'not held'
        """
        features = len(self.blocks) - 1
        if codes.shape != (len(logits), features):
            raise RecordsError("codes", got=f"shape {codes.shape}", expected=f"({len(logits)}, {features})")
        columns = [self.axis.bin(np.nan_to_num(logits, nan=0.0)), *codes.astype(np.int64).T]
        vector = np.empty(self.size)
        for block, column in zip(self.blocks, columns, strict=True):
            vector[block.slice] = np.bincount(column, minlength=block.size)[: block.size] * block.weight
        return vector

    def read(self, noisy: Floats, sd: float) -> Marginals:
        """From a noisy vector, each entry with noise of standard deviation `sd`. Raises PrivacyError."""
        if noisy.shape != (self.size,):
            raise PrivacyError("stability.vector", got=f"shape {noisy.shape}", expected=f"{self.size} numbers")
        first, *others = (Noisy(block.read(noisy), sd / block.weight) for block in self.blocks)
        return Marginals(first, dict(zip([block.name for block in self.blocks[1:]], others, strict=True)))
