"""One column against its declaration: typed values, and which rows break which rule.

A rule says in words what kind of value was got and what the catalogue expects, and never the value: counts of rules go
into errors, and errors into logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.catalogue import Column, Value
from federation.errors import RecordsError

Mask = NDArray[np.bool_]

RULE_TYPE = "type"
RULE_RANGE = "range"
RULE_ALLOWED = "allowed values"
RULE_REQUIRED = "required"
RULE_TARGET = "target"
RULE_DUPLICATE = "duplicate subject"
_NUMBERS = {"integer": "a whole number", "number": "a number"}
_LISTED = 12  # values that a rule lists


@dataclass(frozen=True)
class Checked:
    """`values`: Float64 or String, null where missing or of the wrong type. `broken`: rule, in words -> rows that break
    it, such as "range: got less than 18, expected 18 to 100".
    """

    values: pl.Series
    broken: dict[str, Mask] = field(default_factory=dict)


def check_column(name: str, raw: pl.Series, column: Column) -> Checked:
    """`raw` as the file has it, typed and checked. Raises RecordsError for a column type that has no meaning here."""
    _refuse_foreign(name, raw)
    return _check_numbers(raw, column) if column.numeric else _check_text(raw, column)


def _refuse_foreign(name: str, raw: pl.Series) -> None:
    known = raw.dtype.is_numeric() or raw.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)
    if not known:
        raise RecordsError(f"column {name}", got=f"type {raw.dtype}", expected="numbers or text")


def _found(rules: Iterator[tuple[str, Mask]]) -> dict[str, Mask]:
    return {rule: mask for rule, mask in rules if mask.any()}


def _bools(series: pl.Series) -> Mask:
    mask: Mask = series.fill_null(False).to_numpy()
    return mask


def one_of(values: Sequence[Value]) -> str:
    """
    >>> one_of(("A", "B"))
    'A or B'
    """
    if len(values) > _LISTED:
        return f"one of the {len(values)} values of the catalogue"
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}" if first else last


def as_stored(values: Sequence[Value], series: pl.Series) -> list[float] | list[str]:
    """Values of the catalogue as a checked column holds them."""
    return [str(value) for value in values] if series.dtype == pl.String else [float(value) for value in values]


# ------------------------------------------------------------------------------------------------------------- numbers
def _check_numbers(raw: pl.Series, column: Column) -> Checked:
    values, wrong = _numbers(raw, column.missing)
    numeric_missing = [float(code) for code in column.missing if not isinstance(code, str)]
    for code in numeric_missing:
        values[values == code] = np.nan
    broken = _found(_number_rules(values, wrong, column))
    return Checked(pl.Series(raw.name, values, nan_to_null=True), broken)


def _numbers(raw: pl.Series, missing: tuple[Value, ...]) -> tuple[NDArray[np.float64], Mask]:
    """Float64 with NaN for missing, and the rows whose text is no finite number."""
    if raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        values = raw.cast(pl.Float64).to_numpy(writable=True)
        wrong = np.isinf(values)
    else:
        text = raw.cast(pl.String)
        values = text.cast(pl.Float64, strict=False).to_numpy(writable=True)
        wrong = ~np.isfinite(values) & _bools(text.is_not_null())
        if wrong.any():
            _second_reading(text, values, wrong, missing)
    values[wrong] = np.nan
    return values, wrong


def _second_reading(text: pl.Series, values: NDArray[np.float64], wrong: Mask, missing: tuple[Value, ...]) -> None:
    """Blank text and text codes are missing; spaces around a number are harmless. Corrects both arrays in place."""
    rows = np.flatnonzero(wrong)
    stripped = text.gather(rows).str.strip_chars()
    again = stripped.cast(pl.Float64, strict=False).to_numpy()
    codes = ["", *(code for code in missing if isinstance(code, str))]
    blank = _bools(stripped.is_in(codes))
    values[rows] = np.where(blank, np.nan, again)
    wrong[rows] = ~blank & ~np.isfinite(again)


def _number_rules(values: NDArray[np.float64], wrong: Mask, column: Column) -> Iterator[tuple[str, Mask]]:
    yield f"{RULE_TYPE}: got no number, expected {_NUMBERS[column.type]}", wrong
    yield f"{RULE_TYPE}: got a fraction, expected {_NUMBERS[column.type]}", _fractions(values, column)
    special = [float(item.code) for item in column.special]
    for side, outside in _outside(values, column):
        yield f"{RULE_RANGE}: got {side}, expected {_range(column)}", _unless(special, values, outside)
    if column.allowed:
        known = np.isnan(values)
        for value in column.allowed:
            known |= values == float(value)
        yield f"{RULE_ALLOWED}: expected {one_of(column.allowed)}", _unless(special, values, ~known)
    if column.required:
        yield RULE_REQUIRED, np.isnan(values) & ~wrong


def _fractions(values: NDArray[np.float64], column: Column) -> Mask:
    if column.type != "integer":
        return np.zeros(len(values), dtype=bool)
    fractions: Mask = (np.floor(values) != values) & ~np.isnan(values)
    return fractions


def _outside(values: NDArray[np.float64], column: Column) -> Iterator[tuple[str, Mask]]:
    if column.min is not None:
        yield f"less than {_number(column.min)}", values < column.min
    if column.max is not None:
        yield f"more than {_number(column.max)}", values > column.max


def _range(column: Column) -> str:
    if column.min is None or column.max is None:
        bound = column.max if column.min is None else column.min
        return f"{'at most' if column.min is None else 'at least'} {_number(bound or 0.0)}"
    return f"{_number(column.min)} to {_number(column.max)}"


def _number(bound: float) -> str:
    return f"{bound:.15g}"


def _unless(special: list[float], values: NDArray[np.float64], mask: Mask) -> Mask:
    for code in special:
        if mask.any():
            mask &= values != code
    return mask


# ---------------------------------------------------------------------------------------------------------------- text
def _check_text(raw: pl.Series, column: Column) -> Checked:
    text = raw.cast(pl.String).str.strip_chars()
    absent = text.is_in(["", *map(str, column.missing)]).fill_null(True)
    if absent.any():
        text = text.set(absent, None)
    return Checked(text, _found(_text_rules(text, column)))


def _text_rules(text: pl.Series, column: Column) -> Iterator[tuple[str, Mask]]:
    if column.allowed:
        known = [*map(str, column.allowed), *(str(item.code) for item in column.special)]
        yield f"{RULE_ALLOWED}: expected {one_of(column.allowed)}", _bools(~text.is_in(known))
    if column.required:
        yield RULE_REQUIRED, text.is_null().to_numpy()
