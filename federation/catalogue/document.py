"""The catalogue file as TOML says it: frozen models that accept no key they do not know.

Shapes and types only. What holds between parts of the file is checked by `federation.catalogue.rules`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from federation.catalogue.categories import Category, Dimension, Kind, Purpose, Role

FORMAT = "fedscore/catalogue/v1"

Value: TypeAlias = StrictInt | StrictFloat | StrictStr
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=300)]
Edges: TypeAlias = tuple[Number, ...]


class Frozen(BaseModel):
    """Immutable; unknown keys are refused; strings and numbers are not converted into each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Header(Frozen):
    """`[catalogue]`: what it is, for whom, for what and for how long."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Text
    unit_of_privacy: Literal["record"]
    purpose: Purpose
    retention_years: Annotated[int, Field(ge=1, le=10)]
    base_rate: Annotated[float, Field(gt=0, lt=1)]
    subject: str | None = None


class Target(Frozen):
    """`[target]`: the outcome column, which of its values are bad and good, and what bad means in words."""

    column: str
    bad: Annotated[tuple[Value, ...], Field(min_length=1)]
    good: Annotated[tuple[Value, ...], Field(min_length=1)]
    definition: Text


class Special(Frozen):
    """A code that stands for a state and not for a value of the column, such as -1 for "never"."""

    name: Name
    code: Value
    label: str = ""

    @property
    def text(self) -> str:
        """What people read."""
        return self.label or self.name.replace("_", " ")


class Column(Frozen):
    """`[columns.NAME]`: one column of the file."""

    role: Role
    category: Category
    type: Literal["integer", "number", "text"] = "text"
    title: Annotated[str, Field(max_length=300)] = ""
    unit: Annotated[str, Field(max_length=40)] = ""
    min: Number | None = None
    max: Number | None = None
    allowed: tuple[Value, ...] = ()
    labels: dict[str, str] = {}
    missing: tuple[Value, ...] = ()
    special: tuple[Special, ...] = ()
    required: bool = False

    @property
    def numeric(self) -> bool:
        """Whether values are numbers."""
        return self.type != "text"


class Group(Frozen):
    """One group of a protected attribute, by its values."""

    label: Text
    values: Annotated[tuple[Value, ...], Field(min_length=1)]


class ProtectedSpec(Frozen):
    """`[[protected]]`: groups of a protected column, by values or by edges."""

    name: Name
    column: str
    groups: tuple[Group, ...] = ()
    edges: Edges = ()


class DerivedBase(Frozen):
    """`[[derived]]`: a value computed by a declared operator over columns or earlier derived values.

    A missing input makes the result missing. So does a special code, unless `specials_as` says which number it counts
    as in this place.
    """

    name: Name
    title: Annotated[str, Field(max_length=300)] = ""
    of: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    specials_as: Number | None = None


class Ratio(DerivedBase):
    """of[0] / (of[1] + offset); missing where the denominator is not positive."""

    op: Literal["ratio"]
    of: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
    offset: Number = 0.0


class Sum(DerivedBase):
    """sum_i weights[i] max(of[i], floor)."""

    op: Literal["sum"]
    weights: tuple[Number, ...] = ()
    floor: Number | None = None


class Fold(DerivedBase):
    """Mean, largest or smallest of the inputs, each raised to `floor` first."""

    op: Literal["mean", "max", "min"]
    floor: Number | None = None


class Above(DerivedBase):
    """How many inputs are above the threshold, or the position (from 0) of the first that is, len(of) if none."""

    op: Literal["count_above", "first_above"]
    threshold: Number


Derived: TypeAlias = Annotated[Ratio | Sum | Fold | Above, Field(discriminator="op")]


class FeatureSpec(Frozen):
    """`[[features]]`: how one column or derived value becomes a cell of the model."""

    name: Name
    source: str
    dimension: Dimension
    reason: str
    kind: Kind
    title: Annotated[str, Field(max_length=300)] = ""
    edges: Edges = ()
    categories: tuple[Value | Annotated[tuple[Value, ...], Field(min_length=1)], ...] = ()
    monotone: Literal[-1, 0, 1] = 0

    @property
    def category_values(self) -> tuple[tuple[Value, ...], ...]:
        """The values of each declared category."""
        return tuple(item if isinstance(item, tuple) else (item,) for item in self.categories)


class Pair(Frozen):
    """`[[pairs]]`: two features whose combination a recipe may use."""

    of: tuple[str, str]


class Document(Frozen):
    """The whole file."""

    format: Literal["fedscore/catalogue/v1"]
    catalogue: Header
    target: Target
    dimension_weights: dict[Dimension, Annotated[float, Field(ge=0, le=1)]]
    reasons: Annotated[dict[Name, Text], Field(min_length=1)]
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    features: Annotated[tuple[FeatureSpec, ...], Field(min_length=1, max_length=500)]
    protected: tuple[ProtectedSpec, ...] = ()
    derived: tuple[Derived, ...] = ()
    pair_features: tuple[FeatureSpec, ...] = ()
    pairs: tuple[Pair, ...] = ()
