"""Validated records to cells. Every value lands in exactly one cell of its feature.

Bins of numbers are left-closed: bin i holds edges[i-1] <= value < edges[i].
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Feature, Protected
from federation.errors import RecordsError
from federation.records.columns import as_stored
from federation.records.derive import Floats, Sources
from federation.records.encoded import Encoded
from federation.records.validate import held_features

Codes = NDArray[np.uint8]


def encode(good: pl.DataFrame, catalogue: Catalogue, *, coverage: Collection[str] | None = None) -> Encoded:
    """The cells of `good` (as `validate` gives it), one column per model input of `catalogue`.

    A feature outside `coverage` gets the code `feature.n_cells`, and so does a pair feature that needs a column which
    no covered feature is made of and the file lacks. The target is there if `good` has its column.
    Raises RecordsError for a coverage that names no feature or a column that a covered feature lacks.
    """
    held = held_features(catalogue, coverage)
    sources = Sources(good, catalogue)
    for feature in catalogue.features:
        if feature.name in held:
            _require_columns(good, catalogue, feature)
    present = {f.name for f in catalogue.pair_features if set(catalogue.inputs(f.source)) <= set(good.columns)}
    return Encoded(
        codes=_all_codes(catalogue.features, held, sources, good.height),
        pair_codes=_all_codes(catalogue.pair_features, present, sources, good.height),
        target=_target(good, catalogue),
        protected={item.name: protected_groups(item, good) for item in catalogue.protected},
        subjects=good[catalogue.subject].to_numpy() if catalogue.subject in good.columns else None,
    )


def _all_codes(features: Sequence[Feature], held: Collection[str], sources: Sources, records: int) -> Codes:
    """uint8 [n, len(features)]: the code for 'not held' where a name is not in `held`."""
    codes = np.empty((records, len(features)), dtype=np.uint8)
    for index, feature in enumerate(features):
        codes[:, index] = feature_codes(feature, sources) if feature.name in held else feature.absent_code
    return codes


def _require_columns(good: pl.DataFrame, catalogue: Catalogue, feature: Feature) -> None:
    for name in catalogue.inputs(feature.source):
        if name not in good.columns:
            raise RecordsError(f"column {name}", got="no such column", expected=f"an input of feature {feature.name}")


def feature_codes(feature: Feature, sources: Sources) -> Codes:
    """uint8 [n]: the cell of each record."""
    if feature.categories and isinstance(feature.categories[0][0], str):
        return _text_codes(feature, sources.text(feature.source))
    values = sources.numbers(feature.source)
    codes = _category_codes(feature, values) if feature.categories else bin_codes(values, feature.edges)
    for index, special in enumerate(feature.specials):
        codes[values == float(special.code)] = feature.n_ordered + index
    codes[np.isnan(values)] = feature.missing_cell
    return codes


def bin_codes(values: Floats, edges: tuple[float, ...]) -> Codes:
    """uint8 [n]: how many edges are <= value.

    >>> bin_codes(np.array([-1.0, 0.0, 4.9, 5.0]), (0.0, 5.0)).tolist()
    [0, 1, 1, 2]
    """
    codes = np.zeros(len(values), dtype=np.uint8)
    for edge in edges:  # a comparison pass per edge is several times faster than a binary search per value
        codes += values >= edge
    return codes


def _category_codes(feature: Feature, values: Floats) -> Codes:
    codes = np.full(len(values), feature.missing_cell, dtype=np.uint8)
    for index, category in enumerate(feature.categories):
        for value in category:
            codes[values == float(value)] = index
    return codes


def _text_codes(feature: Feature, text: pl.Series) -> Codes:
    cells = {str(value): index for index, category in enumerate(feature.categories) for value in category}
    cells |= {str(special.code): feature.n_ordered + index for index, special in enumerate(feature.specials)}
    return _mapped(text, cells, feature.missing_cell)


def _mapped(text: pl.Series, cells: dict[str, int], otherwise: int) -> Codes:
    mapped = text.replace_strict(list(cells), list(cells.values()), default=otherwise, return_dtype=pl.UInt8)
    return mapped.fill_null(otherwise).to_numpy(writable=True)


def protected_groups(item: Protected, good: pl.DataFrame) -> Codes:
    """uint8 [n]: the group of each record; the last group where the value or the whole column is missing."""
    unknown = len(item.groups) - 1
    if item.column not in good.columns:
        return np.full(good.height, unknown, dtype=np.uint8)
    values = good[item.column]
    if values.dtype == pl.String:
        return _mapped(values, {str(v): i for i, group in enumerate(item.values) for v in group}, unknown)
    numbers = values.to_numpy()
    codes = bin_codes(numbers, item.edges) if item.edges else np.full(len(numbers), unknown, dtype=np.uint8)
    for index, group in enumerate(item.values):
        for value in group:
            codes[numbers == float(value)] = index
    codes[np.isnan(numbers)] = unknown
    return codes


def _target(good: pl.DataFrame, catalogue: Catalogue) -> Codes | None:
    target = catalogue.target
    if target.column not in good.columns:
        return None
    values = good[target.column]
    return values.is_in(as_stored(target.bad, values)).cast(pl.UInt8).to_numpy()
