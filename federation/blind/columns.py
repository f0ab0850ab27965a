"""The features of a blind model: indicators of a catalogue's cells, in one order that owner and lender derive alike.

First the cells of every feature in the catalogue's order, each in the part of its feature: its dimension, or its family
of reasons. Where a model has pairs, the cells of every pair follow, half of their effect in the part of either feature:
one column where both features are of one part, two columns otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Feature
from federation.errors import ConfigurationError
from federation.scorecard.card import DIMENSIONS, checked_codes
from federation.training.sums.pair_codes import PairCodes

if TYPE_CHECKING:
    from federation.models import Effects
    from federation.records.encoded import Encoded


By: TypeAlias = Literal["dimension", "family"]
"""What a part is. Families give finer reasons, and are smaller: fewer answers solve for them."""


@dataclass(frozen=True)
class _Block:
    """The columns of one feature, or of one pair for one of its parts. `share`: of the effect, 1 or 1/2."""

    cells: int
    part: str
    pair: int | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Columns:
    """Raises ConfigurationError for pairs of a catalogue that has none, or a family that is of two dimensions."""

    catalogue: Catalogue
    pairs: bool = False
    by: By = "dimension"

    def __post_init__(self) -> None:
        if self.pairs:
            PairCodes(self.catalogue)
        for name, dimensions in self._dimensions.items():
            if len(dimensions) != 1:
                raise ConfigurationError(f"family {name}", got=sorted(dimensions), expected="features of one dimension")

    @cached_property
    def _dimensions(self) -> dict[str, set[str]]:
        inputs = (*self.catalogue.features, *(self.catalogue.pair_features if self.pairs else ()))
        found: dict[str, set[str]] = {}
        for feature in inputs:
            found.setdefault(self._part(feature), set()).add(feature.dimension.value)
        return found

    def _part(self, feature: Feature) -> str:
        return feature.dimension.value if self.by == "dimension" else feature.reason

    @cached_property
    def _blocks(self) -> tuple[_Block, ...]:
        blocks = [_Block(feature.n_cells, self._part(feature)) for feature in self.catalogue.features]
        if self.pairs:
            for number, names in enumerate(self.catalogue.pairs):
                (_, first), (_, second) = PairCodes(self.catalogue).shapes[number]
                parts = dict.fromkeys(self._part(self.catalogue.feature(name)) for name in names)
                blocks += [_Block(first * second, part, number, 1.0 / len(parts)) for part in parts]
        return tuple(blocks)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that have columns, by dimension in the order of a scorecard."""
        present = dict.fromkeys(block.part for block in self._blocks)
        return tuple(sorted(present, key=lambda part: DIMENSIONS.index(min(self._dimensions[part]))))

    @cached_property
    def dimension_of(self) -> tuple[str, ...]:
        """Of each part, its dimension."""
        return tuple(min(self._dimensions[part]) for part in self.parts)

    @cached_property
    def part_of(self) -> tuple[int, ...]:
        """Of each column, its part."""
        return tuple(self.parts.index(block.part) for block in self._blocks for _ in range(block.cells))

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Of each part, its columns whose weight stands in no other part."""
        counts = dict.fromkeys(self.parts, 0)
        for block in self._blocks:
            counts[block.part] += block.cells if block.share == 1.0 else 0
        return tuple(counts.values())

    @property
    def mains(self) -> int:
        """The cells of the features: the columns that come first, and are the same whatever the parts are."""
        return sum(feature.n_cells for feature in self.catalogue.features)

    @property
    def count(self) -> int:
        return len(self.part_of)

    @property
    def active(self) -> int:
        """The most columns that are 1 for one applicant."""
        return len(self._blocks)

    @property
    def intercept(self) -> float:
        """Log-odds of BAD at the catalogue's base rate."""
        return math.log(self.catalogue.base_rate / (1 - self.catalogue.base_rate))

    def weights(self, effects: Effects) -> tuple[float, ...]:
        """Log-odds of BAD per column. Raises ConfigurationError for tables of another shape."""
        found: list[float] = []
        for place, block in enumerate(self._blocks):
            tables = effects.cells if block.pair is None else effects.pairs
            at = place if block.pair is None else block.pair
            table = np.asarray(tables[at] if at < len(tables) else (), dtype=np.float64).ravel()
            if table.size != block.cells:
                raise ConfigurationError("effects", got=f"{table.size} cells", expected=f"{block.cells} at {at}")
            found += (block.share * table).tolist()
        return tuple(found)

    def encode(self, records: Encoded) -> NDArray[np.int8]:
        """int8[n, count], 0 or 1; a feature that is not held has no 1. Raises RecordsError for codes of no cell."""
        codes = checked_codes(self.catalogue, records)
        pair_codes = PairCodes(self.catalogue).codes(records) if self.pairs else codes
        ends = np.cumsum([0, *(block.cells for block in self._blocks)])
        encoded = np.zeros((len(records), self.count), dtype=np.int8)
        for place, (block, (start, end)) in enumerate(zip(self._blocks, pairwise(ends), strict=True)):
            cell = codes[:, place] if block.pair is None else pair_codes[:, block.pair]
            held = np.flatnonzero(cell < end - start)
            encoded[held, start + cell[held].astype(np.int64)] = 1
        return encoded
