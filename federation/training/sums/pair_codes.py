"""The embedding of pairs: tensor products of two features' centred codes, integer, of norm at most 1 over all pairs.

Features enter in few cells: bins in at most six groups of neighbours, special codes and the missing cell as they are.
A pair's cell is embedded by the Kronecker product of two Cholesky roots (`federation.training.kernel`), which is a root
of the product of the kernels, over the root of the number of pairs. Centred roots carry little of what bins share, so
that pairs say what mains do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, RecordsError
from federation.training.embedding import ONE, Embedding
from federation.training.kernel import factor

if TYPE_CHECKING:
    from federation.catalogue import Catalogue, Feature
    from federation.records.encoded import Encoded

GROUPS = 6
MAX_PAIR_CELLS = 255  # a code is a byte, and one of them says 'not held'
_REACH, _LEVEL = Decimal("0.4"), Decimal("0.01")
Shape: TypeAlias = tuple[int, int]  # ordered groups, cells in all
Root: TypeAlias = list[list[Decimal]]


@dataclass(frozen=True)
class PairCodes:
    """The pairs of one catalogue. Raises ConfigurationError for none, or one with more than 255 cells."""

    catalogue: Catalogue

    def __post_init__(self) -> None:
        if not self.catalogue.pairs:
            raise ConfigurationError("catalogue.pairs", got="none", expected="at least one declared pair")
        for names, (first, second) in zip(self.catalogue.pairs, self.shapes, strict=True):
            if first[1] * second[1] > MAX_PAIR_CELLS:
                raise ConfigurationError(
                    f"pair {names[0]} x {names[1]}",
                    got=f"{first[1] * second[1]} cells",
                    expected=f"at most {MAX_PAIR_CELLS}",
                )

    @cached_property
    def shapes(self) -> tuple[tuple[Shape, Shape], ...]:
        """Of both features of each pair."""
        feature = self.catalogue.feature
        return tuple((_shape(feature(first)), _shape(feature(second))) for first, second in self.catalogue.pairs)

    @cached_property
    def embedding(self) -> Embedding:
        """One table per pair; its rows are cells (first's cell x cells of the second + second's cell)."""
        return _embedding(self.shapes)

    def codes(self, records: Encoded) -> NDArray[np.uint8]:
        """uint8 [n, pairs]: each record's cell of each pair; one beyond the last where either is not held.

        Raises RecordsError where pair features are needed and not encoded.
        """
        out = np.empty((len(records), len(self.shapes)), dtype=np.uint8)
        for j, (names, (first, second)) in enumerate(zip(self.catalogue.pairs, self.shapes, strict=True)):
            a, b = (self._grouped(name, records) for name in names)
            held = (a < first[1]) & (b < second[1])
            cell = a.astype(np.int64) * second[1] + b
            out[:, j] = np.where(held, cell, first[1] * second[1])
        return out

    @cached_property
    def _groups(self) -> dict[str, NDArray[np.uint8]]:
        """The pair cell of each code, of every feature that is in a pair: audits ask for few records, many times."""
        names = dict.fromkeys(name for pair in self.catalogue.pairs for name in pair)
        return {name: _groups(self.catalogue.feature(name)) for name in names}

    @cached_property
    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        """Columns among the codes of model inputs, and among those of pair features."""
        names = self.catalogue.feature_names, [feature.name for feature in self.catalogue.pair_features]
        inputs, pairs = ({name: place for place, name in enumerate(each)} for each in names)
        return inputs, pairs

    def _grouped(self, name: str, records: Encoded) -> NDArray[np.uint8]:
        inputs, pairs = self._places
        if name in inputs:
            codes = records.codes[:, inputs[name]]
        elif records.pair_codes is None:
            raise RecordsError("pair_codes", got=None, expected=f"cells of pair feature {name}")
        else:
            codes = records.pair_codes[:, pairs[name]]
        table = self._groups[name]
        if len(codes) and codes.max() >= len(table):
            raise RecordsError("codes", got=f"a code above {len(table) - 1} of {name}", expected="a cell")
        return table[codes]


def _shape(feature: Feature) -> Shape:
    rest = feature.n_cells - feature.n_ordered
    if feature.kind != "ordinal":
        return 0, feature.n_cells
    ordered = min(feature.n_ordered, GROUPS)
    return ordered, ordered + rest


def _groups(feature: Feature) -> NDArray[np.uint8]:
    """The pair cell of each of a feature's codes, 'not held' included; uint8 [n_cells + 1]."""
    ordered, cells = _shape(feature)
    bins = feature.n_ordered if ordered else 0
    grouped = [i * ordered // bins for i in range(bins)]
    return np.array([*grouped, *range(ordered, cells + 1)], dtype=np.uint8)


@lru_cache(maxsize=64)
def _embedding(shapes: tuple[tuple[Shape, Shape], ...]) -> Embedding:
    return Embedding(tuple(_table(first, second, len(shapes)) for first, second in shapes))


@lru_cache(maxsize=256)
def _table(first: Shape, second: Shape, pairs: int) -> NDArray[np.int64]:
    """int64 [cells, cells] in steps of 2^-16, rounded towards zero: no row is longer than its share of a norm of 1."""
    with localcontext(Context(prec=40)):
        scale = ONE / Decimal(pairs).sqrt()
        roots = _root(*first), _root(*second)
        rows = [[int(a * b * scale) for a in row for b in other] for row in roots[0] for other in roots[1]]
    table = np.array(rows, dtype=np.int64)
    table.flags.writeable = False
    return table


def _root(ordered: int, cells: int) -> Root:
    """A square root of one feature's kernel: neighbours first, the rest by themselves."""
    rows = [[Decimal(int(i == j)) for j in range(cells)] for i in range(cells)]
    if ordered > 1:
        for i, row in enumerate(factor(ordered, _REACH * (ordered - 1), _LEVEL)):
            rows[i][:ordered] = row
    return rows
