"""What a catalogue is once it is read: frozen values that the rest of the federation works with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from federation.catalogue.categories import Dimension, Kind, Purpose, Role
from federation.catalogue.document import Column, Derived, Special, Target, Value


def _short(value: float) -> str:
    return f"{value:.10g}"


@dataclass(frozen=True)
class Feature:
    """One model input. Its cells are numbered: n_ordered bins or categories, then special codes, then missing.

    `n_cells` itself is the code of a feature that an institution does not hold; such a code contributes nothing.
    For a nominal feature `n_ordered` counts its categories, in declared order: they share nothing with neighbours.
    Bins of an ordinal feature over numbers are left-closed: bin i holds edges[i-1] <= value < edges[i].
    """

    name: str
    source: str
    title: str
    dimension: Dimension
    reason: str
    kind: Kind
    edges: tuple[float, ...]
    categories: tuple[tuple[Value, ...], ...]
    specials: tuple[Special, ...]
    monotone: int
    unit: str = ""
    labels: tuple[str, ...] = ()

    @property
    def n_ordered(self) -> int:
        """Bins or categories, without specials and missing."""
        return len(self.categories) or len(self.edges) + 1

    @property
    def n_cells(self) -> int:
        """All cells: bins or categories, specials, missing."""
        return self.n_ordered + len(self.specials) + 1

    @property
    def missing_cell(self) -> int:
        """The cell of a missing value."""
        return self.n_cells - 1

    @property
    def absent_code(self) -> int:
        """The code of a feature that is not held."""
        return self.n_cells

    def cell_label(self, cell: int) -> str:
        """What people read for cell `cell`. Raises IndexError outside 0..n_cells (n_cells: not held)."""
        if not 0 <= cell <= self.n_cells:
            raise IndexError(f"cell {cell} of feature {self.name}: expected 0..{self.n_cells}")
        if cell == self.absent_code:
            return "not held"
        if cell == self.missing_cell:
            return "missing"
        if cell >= self.n_ordered:
            return self.specials[cell - self.n_ordered].text
        return self.labels[cell] if self.categories else self._bin_label(cell)

    def _bin_label(self, cell: int) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if cell == 0:
            return f"< {_short(self.edges[0])}{unit}"
        if cell == len(self.edges):
            return f">= {_short(self.edges[-1])}{unit}"
        return f"{_short(self.edges[cell - 1])} to < {_short(self.edges[cell])}{unit}"


@dataclass(frozen=True)
class Protected:
    """An attribute kept aside for the fairness report. The last group is always "unknown"."""

    name: str
    column: str
    groups: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...] = ()
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """A data standard that every member signs up to; `hash` commits to all of it.

    features      model inputs, in the order of `Encoded.codes`.
    pair_features features that enter a model only through `pairs`.
    protected     attributes for the fairness report; prohibited: column names that make a file unreadable.
    reasons       reason family -> what a person reads.
    base_rate     public share of bads; the intercept of every model.
    """

    name: str
    version: str
    title: str
    hash: str
    purpose: Purpose
    retention_years: int
    unit_of_privacy: str
    base_rate: float
    subject: str | None
    target: Target
    dimension_weights: Mapping[Dimension, float]
    reasons: Mapping[str, str]
    columns: Mapping[str, Column]
    derived: tuple[Derived, ...]
    features: tuple[Feature, ...]
    pair_features: tuple[Feature, ...]
    pairs: tuple[tuple[str, str], ...]
    protected: tuple[Protected, ...]
    prohibited: tuple[str, ...]

    @property
    def retention(self) -> int:
        """Years that records and scores may be kept."""
        return self.retention_years

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the model inputs, in order."""
        return tuple(feature.name for feature in self.features)

    def feature(self, name: str) -> Feature:
        """The model input or pair feature `name`. Raises KeyError."""
        for feature in (*self.features, *self.pair_features):
            if feature.name == name:
                return feature
        raise KeyError(name)

    def inputs(self, source: str) -> tuple[str, ...]:
        """The columns that `source` (a column or derived value) is computed from, in declared order."""
        by_name = {item.name: item for item in self.derived}
        if source not in by_name:
            return (source,)
        found = (column for part in by_name[source].of for column in self.inputs(part))
        return tuple(dict.fromkeys(found))

    def held(self, columns: Collection[str]) -> tuple[str, ...]:
        """Names of the model inputs that a file with these columns can give."""
        present = set(columns)
        return tuple(f.name for f in self.features if present.issuperset(self.inputs(f.source)))

    def columns_of(self, role: Role) -> tuple[str, ...]:
        """Names of the columns with this role, in declared order."""
        return tuple(name for name, column in self.columns.items() if column.role is role)
