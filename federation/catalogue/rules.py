"""What must hold between the parts of a catalogue. Each check names the key, what was got and what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from federation.catalogue.categories import ALLOWED_CATEGORIES, Category, Dimension, Kind, Role
from federation.catalogue.document import Column, Derived, Document, FeatureSpec, ProtectedSpec, Sum, Value
from federation.catalogue.lexicon import disguise, find_sensitive
from federation.errors import CatalogueError

MAX_CELLS = 254  # a code is one byte and n_cells itself means "not held"


def check(document: Document) -> None:
    """Raises CatalogueError at the first rule that does not hold; `where` is the key path inside the file."""
    for name, column in document.columns.items():
        _check_column(f"columns.{name}", column)
    _check_record_columns(document)
    _check_unique("derived", [item.name for item in document.derived], taken=document.columns)
    _check_derived(document)
    _check_features(document)
    _check_protected(document)
    _check_pairs(document)
    _check_weights(document)
    _check_lexicon(document)


def _require(holds: bool, where: str, got: object, expected: object) -> None:
    if not holds:
        raise CatalogueError(where, got=got, expected=expected)


def _check_unique(where: str, names: Sequence[str], taken: Iterable[str] = ()) -> None:
    seen = set(taken)
    for index, name in enumerate(names):
        _require(name not in seen, f"{where}.{index}.name", repr(name), "a name not used before")
        seen.add(name)


# ------------------------------------------------------------------------------------------------------------- columns
def _check_column(where: str, column: Column) -> None:
    allowed = ALLOWED_CATEGORIES[column.role]
    _require(
        column.category in allowed,
        f"{where}.category",
        f"{column.category} with role {column.role}",
        f"one of {', '.join(sorted(allowed))}",
    )
    _check_bounds(where, column)
    for key, values in _coded_values(column):
        for value in values:
            _check_value(f"{where}.{key}", column, value, text_in_numbers=key == "missing")
    _check_codes_apart(where, column)
    _check_labels(where, column)


def _check_bounds(where: str, column: Column) -> None:
    if not column.numeric:
        _require(column.min is None, f"{where}.min", column.min, "no bounds on a text column")
        _require(column.max is None, f"{where}.max", column.max, "no bounds on a text column")
    if column.min is not None and column.max is not None:
        _require(column.min <= column.max, f"{where}.max", column.max, f"at least min = {column.min}")


def _coded_values(column: Column) -> Iterator[tuple[str, tuple[Value, ...]]]:
    yield "allowed", column.allowed
    yield "missing", column.missing
    yield "special", tuple(item.code for item in column.special)


def _check_value(where: str, column: Column, value: Value, *, text_in_numbers: bool = False) -> None:
    if isinstance(value, str):
        _require(not column.numeric or text_in_numbers, where, repr(value), f"a number: the column is {column.type}")
        return
    _require(column.numeric, where, repr(value), "text: the column is text")
    _require(math.isfinite(value), where, value, "a finite number")
    whole = column.type != "integer" or float(value).is_integer()
    _require(whole, where, value, "a whole number: the column is integer")


def _check_codes_apart(where: str, column: Column) -> None:
    used: dict[Value, str] = {}
    for key, values in _coded_values(column):
        for value in values:
            _require(value not in used, f"{where}.{key}", repr(value), f"a value not already in {used.get(value)}")
            used[value] = key
    _check_specials_outside(where, column)
    names = [item.name for item in column.special]
    _require(len(set(names)) == len(names), f"{where}.special", names, "names that differ")


def _check_specials_outside(where: str, column: Column) -> None:
    """A code that a measurement could have would turn that measurement into a state."""
    if column.min is None or column.max is None:
        return
    for item in column.special:
        if not isinstance(item.code, str):
            inside = column.min <= item.code <= column.max
            _require(not inside, f"{where}.special", item.code, f"a code outside {column.min:g}..{column.max:g}")


def _check_labels(where: str, column: Column) -> None:
    known = {str(value) for value in column.allowed}
    for value in column.labels:
        _require(value in known, f"{where}.labels.{value}", repr(value), f"one of the allowed values {sorted(known)}")


def _column_of(document: Document, name: str, where: str, role: Role) -> Column:
    column = document.columns.get(name)
    if column is None:
        raise CatalogueError(where, got=repr(name), expected="the name of a declared column")
    _require(column.role is role, where, f"column {name!r} with role {column.role}", f"a column with role {role}")
    return column


def _check_record_columns(document: Document) -> None:
    header, target = document.catalogue, document.target
    if header.subject is not None:
        column = _column_of(document, header.subject, "catalogue.subject", Role.RECORD)
        _require(
            column.category is Category.IDENTIFIER, "catalogue.subject", column.category, "a column of identifiers"
        )
        _require(not column.numeric, "catalogue.subject", column.type, "a text column: identifiers are not numbers")
    column = _column_of(document, target.column, "target.column", Role.RECORD)
    _require(column.category is Category.OUTCOME, "target.column", column.category, "a column with an outcome")
    for key, values in (("bad", target.bad), ("good", target.good)):
        for value in values:
            _check_value(f"target.{key}", column, value)
    both = set(target.bad) & set(target.good)
    _require(not both, "target.good", sorted(map(str, both)), "values that are not bad")


# ------------------------------------------------------------------------------------------------------------- derived
def _check_derived(document: Document) -> None:
    earlier: set[str] = set()
    for index, item in enumerate(document.derived):
        where = f"derived.{index}"
        for position, name in enumerate(item.of):
            if name not in earlier:
                _check_input(document, name, f"{where}.of.{position}")
        _check_operator(where, item)
        earlier.add(item.name)


def _check_input(document: Document, name: str, where: str) -> None:
    if name not in document.columns:
        raise CatalogueError(where, got=repr(name), expected="a declared column or an earlier derived value")
    column = _column_of(document, name, where, Role.MODEL)
    _require(column.numeric, where, f"text column {name!r}", "a column of numbers")


def _check_operator(where: str, item: Derived) -> None:
    if isinstance(item, Sum) and item.weights:
        _require(len(item.weights) == len(item.of), f"{where}.weights", len(item.weights), f"{len(item.of)} weights")


# ------------------------------------------------------------------------------------------------------------ features
def _check_features(document: Document) -> None:
    listed = (("features", document.features), ("pair_features", document.pair_features))
    names = [spec.name for _, specs in listed for spec in specs]
    _require(len(set(names)) == len(names), "features", sorted(n for n in names if names.count(n) > 1), "unique names")
    for key, specs in listed:
        for index, spec in enumerate(specs):
            _check_feature(document, f"{key}.{index}", spec)


def _check_feature(document: Document, where: str, spec: FeatureSpec) -> None:
    _require(spec.reason in document.reasons, f"{where}.reason", repr(spec.reason), f"one of {list(document.reasons)}")
    both_or_none = bool(spec.edges) == bool(spec.categories)
    _require(not both_or_none, where, "both or neither of edges and categories", "edges or categories")
    nominal = spec.kind is Kind.NOMINAL
    _require(not nominal or bool(spec.categories), f"{where}.kind", "nominal with edges", "nominal with categories")
    _require(not nominal or spec.monotone == 0, f"{where}.monotone", spec.monotone, "0 for a nominal feature")
    column = None
    if spec.source not in {item.name for item in document.derived}:
        column = _column_of(document, spec.source, f"{where}.source", Role.MODEL)
    if spec.edges:
        _check_edges(f"{where}.edges", spec.edges)
        _require(column is None or column.numeric, f"{where}.edges", f"text column {spec.source!r}", "a numeric source")
    else:
        _check_categories(f"{where}.categories", spec, column)
    cells = (len(spec.edges) + 1 if spec.edges else len(spec.categories)) + (len(column.special) if column else 0) + 1
    _require(cells <= MAX_CELLS, where, f"{cells} cells", f"at most {MAX_CELLS}")


def _check_edges(where: str, edges: Sequence[float]) -> None:
    rising = all(a < b for a, b in pairwise(edges))
    _require(rising, where, list(edges), "edges that rise strictly")


def _check_categories(where: str, spec: FeatureSpec, column: Column | None) -> None:
    if column is None:
        raise CatalogueError(where, got=f"categories of derived {spec.source!r}", expected="edges for a derived value")
    _require(bool(column.allowed), where, f"column {spec.source!r} without allowed values", "a column with `allowed`")
    listed = [value for group in spec.category_values for value in group]
    _check_partition(where, listed, column)


def _check_partition(where: str, listed: Sequence[Value], column: Column) -> None:
    twice = sorted({str(value) for value in listed if listed.count(value) > 1})
    _require(not twice, where, f"{twice} listed twice", "every allowed value once")
    lacking = [value for value in column.allowed if value not in listed]
    _require(not lacking, where, f"no place for {lacking}", "every allowed value once")
    foreign = [value for value in listed if value not in column.allowed]
    _require(not foreign, where, f"{foreign}", f"values out of {list(column.allowed)}")


# -------------------------------------------------------------------------------------------- protected, pairs, weights
def _check_protected(document: Document) -> None:
    _check_unique("protected", [spec.name for spec in document.protected])
    for index, spec in enumerate(document.protected):
        where = f"protected.{index}"
        _check_groups(where, spec, _column_of(document, spec.column, f"{where}.column", Role.PROTECTED))


def _check_groups(where: str, spec: ProtectedSpec, column: Column) -> None:
    _require(bool(spec.edges) != bool(spec.groups), where, "both or neither of edges and groups", "edges or groups")
    if spec.edges:
        _check_edges(f"{where}.edges", spec.edges)
        _require(column.numeric, f"{where}.edges", f"text column {spec.column!r}", "a numeric column")
        return
    _require(bool(column.allowed), f"{where}.groups", f"{spec.column!r} without allowed values", "`allowed` values")
    labels = [group.label for group in spec.groups]
    _require(len(set(labels)) == len(labels), f"{where}.groups", labels, "labels that differ")
    _check_partition(f"{where}.groups", [value for group in spec.groups for value in group.values], column)


def _check_pairs(document: Document) -> None:
    names = {spec.name for spec in (*document.features, *document.pair_features)}
    for index, pair in enumerate(document.pairs):
        for name in pair.of:
            _require(name in names, f"pairs.{index}.of", repr(name), "the name of a feature or pair feature")
        _require(pair.of[0] != pair.of[1], f"pairs.{index}.of", list(pair.of), "two different features")
    used = {name for pair in document.pairs for name in pair.of}
    for index, spec in enumerate(document.pair_features):
        _require(spec.name in used, f"pair_features.{index}.name", repr(spec.name), "a feature that a pair uses")


def _check_weights(document: Document) -> None:
    total = math.fsum(document.dimension_weights.values())
    _require(abs(total - 1) < 1e-9, "dimension_weights", f"a sum of {total:g}", "five weights with sum 1")
    used = {spec.dimension for spec in document.features}
    for dimension in Dimension:
        weight = document.dimension_weights.get(dimension, 0)
        expected = "a positive weight: features belong to it" if dimension in used else "0: no feature belongs to it"
        _require((weight > 0) == (dimension in used), f"dimension_weights.{dimension}", weight, expected)


# ------------------------------------------------------------------------------------------------------------- lexicon
def _check_lexicon(document: Document) -> None:
    for where, text in _model_texts(document):
        hidden = disguise(text, name=not where.endswith(".title") and not where.startswith("reasons."))
        _require(hidden is None, where, f"{text!a} with {hidden}", "letters that are what they look like")
        found = find_sensitive(text)
        if found is not None:
            category, words = found
            raise CatalogueError(
                where, got=f"{text!r}, which names {category} ({words!r})", expected="a financial attribute"
            )


def _model_texts(document: Document) -> Iterator[tuple[str, str]]:
    for name, column in document.columns.items():
        if column.role is Role.MODEL:
            yield f"columns.{name}", name
            yield f"columns.{name}.title", column.title
    for name, text in document.reasons.items():
        yield f"reasons.{name}", name
        yield f"reasons.{name}", text
    listed = (("derived", document.derived), ("features", document.features), ("pair_features", document.pair_features))
    for key, items in listed:
        for index, item in enumerate(items):
            yield f"{key}.{index}.name", item.name
            yield f"{key}.{index}.title", item.title
