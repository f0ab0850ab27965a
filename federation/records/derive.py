"""Sources of features as float64 arrays: columns, and derived values by the closed set of operators.

NaN is a missing value. Special codes stay in a column's own array and are replaced where a derived value reads them.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Derived
from federation.catalogue.document import Above, Fold, Ratio, Sum

Floats = NDArray[np.float64]


class Sources:
    """Numeric sources of one validated table; each is computed once."""

    def __init__(self, good: pl.DataFrame, catalogue: Catalogue) -> None:
        self._good = good
        self._catalogue = catalogue
        self._derived = {item.name: item for item in catalogue.derived}
        self._known: dict[str, Floats] = {}

    def numbers(self, name: str) -> Floats:
        """float64 [n] of a numeric column or derived value, NaN where missing. Not to be written to."""
        if name not in self._known:
            item = self._derived.get(name)
            self._known[name] = self._good[name].to_numpy() if item is None else self._derive(item)
        return self._known[name]

    def text(self, name: str) -> pl.Series:
        """A text column, null where missing."""
        return self._good[name]

    def _derive(self, item: Derived) -> Floats:
        return apply(item, [self._input(name, item.specials_as) for name in item.of])

    def _input(self, name: str, specials_as: float | None) -> Floats:
        values = self.numbers(name)
        if name in self._derived:
            return values
        for special in self._catalogue.columns[name].special:
            at = values == float(special.code)
            if at.any():
                values = np.where(at, np.nan if specials_as is None else specials_as, values)
        return values


def apply(item: Derived, inputs: list[Floats]) -> Floats:
    """The operator of `item` on its inputs, float64 [n] each; NaN wherever an input is NaN.

    >>> from federation.catalogue.document import Above
    >>> late = Above(name="since", op="first_above", of=("m1", "m2"), threshold=0)
    >>> apply(late, [np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, np.nan])]).tolist()
    [2.0, 1.0, nan]
    """
    match item:
        case Ratio():
            return _ratio(inputs[0], inputs[1] + item.offset)
        case Sum():
            weights = item.weights or (1.0,) * len(inputs)
            return _total([w * v for w, v in zip(weights, _raised(inputs, item.floor), strict=True)])
        case Fold():
            return _fold(item.op, _raised(inputs, item.floor))
        case Above():
            return _above(item, inputs)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _raised(inputs: list[Floats], floor: float | None) -> list[Floats]:
    return inputs if floor is None else [np.maximum(values, floor) for values in inputs]


def _total(inputs: list[Floats]) -> Floats:
    total = inputs[0].copy()
    for values in inputs[1:]:
        total += values
    return total


def _fold(op: str, inputs: list[Floats]) -> Floats:
    if op == "mean":
        return _total(inputs) / len(inputs)
    combine = np.maximum if op == "max" else np.minimum
    result = inputs[0].copy()
    for values in inputs[1:]:
        combine(result, values, out=result)
    return result


def _above(item: Above, inputs: list[Floats]) -> Floats:
    above = [values > item.threshold for values in inputs]
    if item.op == "count_above":
        result = _total([mask.astype(np.float64) for mask in above])
    else:
        result = np.full(len(inputs[0]), float(len(inputs)))
        for position in reversed(range(len(inputs))):
            result[above[position]] = position
    for values in inputs:
        result[np.isnan(values)] = np.nan
    return result
