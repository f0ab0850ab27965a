"""Every value lands in exactly one cell."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue
from federation.catalogue.document import Above, Fold, Ratio, Sum
from federation.errors import RecordsError
from federation.records import derive, encode, load_records, read_table, validate
from federation.records import encode as encode_function
from federation.records.columns import one_of
from federation.records.derive import Sources, apply
from federation.records.encode import bin_codes, feature_codes, protected_groups

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
edge_lists = st.lists(finite, min_size=1, max_size=12, unique=True).map(sorted)


def test_worked_example(loans: Catalogue, loans_csv: Path) -> None:
    encoded, _ = load_records(loans_csv, loans)
    labels = [[f.cell_label(int(c)) for f, c in zip(loans.features, row, strict=True)] for row in encoded.codes]
    assert labels == [
        ["never", "< 0.1", "2000 to < 4000 EUR", "permanent"],
        ["< 6 months", ">= 0.9", "missing", "temporary or self-employed"],
        [">= 24 months", "missing", "1000 to < 2000 EUR", "temporary or self-employed"],
        ["6 to < 12 months", "0.1 to < 0.5", "missing", "permanent"],
    ]
    assert encoded.codes.dtype == np.uint8
    assert encoded.target is not None
    assert encoded.target.tolist() == [0, 1, 0, 0]
    assert encoded.protected["sex"].tolist() == [0, 1, 0, 1]
    assert encoded.protected["age"].tolist() == [1, 2, 1, 2]
    assert encoded.subjects is not None
    assert encoded.subjects.tolist() == ["c1", "c2", "c3", "c4"]


@given(edge_lists, st.lists(finite, min_size=1, max_size=40))
def test_bins_are_left_closed(edges: list[float], values: list[float]) -> None:
    codes = bin_codes(np.array(values), tuple(edges))
    bounds = [-math.inf, *edges, math.inf]
    for value, code in zip(values, codes, strict=True):
        assert bounds[code] <= value < bounds[code + 1]
        assert sum(bounds[i] <= value < bounds[i + 1] for i in range(len(edges) + 1)) == 1


@given(edge_lists)
def test_an_edge_belongs_to_the_bin_on_its_right(edges: list[float]) -> None:
    assert bin_codes(np.array(edges), tuple(edges)).tolist() == list(range(1, len(edges) + 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 120), st.just(-1)), min_size=1, max_size=30))
def test_special_missing_and_bins_are_apart(loans: Catalogue, months: list[int | None]) -> None:
    feature = loans.feature("months_since_delay")
    good = pl.DataFrame({"months_since_delay": pl.Series(months, dtype=pl.Float64)})
    for month, code in zip(months, feature_codes(feature, Sources(good, loans)), strict=True):
        if month is None:
            assert code == feature.missing_cell
        elif month == -1:
            assert feature.cell_label(int(code)) == "never"
        else:
            assert code == sum(month >= edge for edge in feature.edges)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["P", "T", "S", None]), min_size=1, max_size=30))
def test_categories_share_cells_as_declared(loans: Catalogue, contracts: list[str | None]) -> None:
    good = pl.DataFrame({"contract": pl.Series(contracts, dtype=pl.String)})
    cell = {"P": 0, "T": 1, "S": 1, None: 2}
    assert feature_codes(loans.feature("contract"), Sources(good, loans)).tolist() == [cell[c] for c in contracts]


def test_feature_not_held(loans: Catalogue, loans_csv: Path) -> None:
    held = ["income", "contract"]
    checked = validate(read_table(loans_csv).drop("limit"), loans, coverage=held)
    encoded = encode(checked.good, loans, coverage=held)
    absent = [f.absent_code for f in loans.features[:2]]
    assert (encoded.codes[:, :2] == absent).all()
    assert (encoded.codes[:, 2] < loans.features[2].n_cells).all()
    with pytest.raises(RecordsError, match="limit"):
        encode(checked.good, loans)
    with pytest.raises(RecordsError, match="coverage"):
        encode(checked.good, loans, coverage=["wealth"])


def test_without_outcome_and_protected(loans: Catalogue, loans_csv: Path) -> None:
    frame = read_table(loans_csv).drop("outcome", "sex", "age")
    encoded = encode(validate(frame, loans, require_target=False).good, loans)
    assert encoded.target is None
    assert set(encoded.protected["sex"].tolist()) == {2}
    assert set(encoded.protected["age"].tolist()) == {4}


def test_protected_groups_by_number(loans: Catalogue) -> None:
    item = loans.protected[0]
    good = pl.DataFrame({"age": [24.0, 25.0, None, 60.0]})
    assert [item.groups[g] for g in protected_groups(item, good)] == ["< 25", "25 to < 40", "unknown", ">= 60"]


def test_encoding_is_the_same_for_every_file_format(loans: Catalogue, loans_csv: Path, tmp_path: Path) -> None:
    pl.read_csv(loans_csv, null_values=["NA"], infer_schema_length=None).write_parquet(tmp_path / "loans.parquet")
    from_csv, _ = load_records(loans_csv, loans)
    from_parquet, _ = load_records(tmp_path / "loans.parquet", loans)
    assert (from_csv.codes == from_parquet.codes).all()


# ------------------------------------------------------------------------------------------------------------ operators
columns = st.integers(1, 5).flatmap(
    lambda n: st.lists(
        st.lists(st.one_of(st.just(math.nan), st.integers(-9, 9).map(float)), min_size=n, max_size=n),
        min_size=2,
        max_size=4,
    )
)


def _rows(inputs: list[list[float]]) -> list[tuple[float, ...]]:
    return list(zip(*inputs, strict=True))


def _same(got: np.ndarray[tuple[int], np.dtype[np.float64]], expected: list[float]) -> None:
    np.testing.assert_allclose(got, expected, equal_nan=True)


@given(columns, st.sampled_from(["mean", "max", "min"]), st.sampled_from([None, 0.0]))
def test_folds_agree_with_their_definition(inputs: list[list[float]], op: str, floor: float | None) -> None:
    item = Fold.model_validate({"name": "x", "op": op, "of": ["a"] * len(inputs), "floor": floor})
    how = {"mean": lambda v: sum(v) / len(v), "max": max, "min": min}[op]
    raised = [[v if floor is None else max(v, floor) for v in row] for row in _rows(inputs)]
    expected = [
        math.nan if any(map(math.isnan, row)) else how(high) for row, high in zip(_rows(inputs), raised, strict=True)
    ]
    _same(apply(item, [np.array(v) for v in inputs]), expected)


@given(columns, st.sampled_from([None, 0.0]), st.booleans())
def test_sum_agrees_with_its_definition(inputs: list[list[float]], floor: float | None, weighted: bool) -> None:
    weights = tuple(float(i - 1) for i in range(len(inputs))) if weighted else ()
    item = Sum(name="x", op="sum", of=("a",) * len(inputs), weights=weights, floor=floor)
    expected = []
    for row in _rows(inputs):
        terms = [
            w * (v if floor is None else max(v, floor)) for w, v in zip(weights or (1,) * len(row), row, strict=True)
        ]
        expected.append(math.nan if any(map(math.isnan, row)) else sum(terms))
    _same(apply(item, [np.array(v) for v in inputs]), expected)


@given(columns, st.sampled_from([-1.0, 0.0, 2.5]))
def test_above_agrees_with_its_definition(inputs: list[list[float]], threshold: float) -> None:
    for op in ("count_above", "first_above"):
        item = Above.model_validate({"name": "x", "op": op, "of": ["a"] * len(inputs), "threshold": threshold})
        expected = []
        for row in _rows(inputs):
            above = [v > threshold for v in row]
            value = sum(above) if op == "count_above" else above.index(True) if any(above) else len(row)
            expected.append(math.nan if any(map(math.isnan, row)) else float(value))
        _same(apply(item, [np.array(v) for v in inputs]), expected)


def test_ratio_needs_a_positive_denominator() -> None:
    item = Ratio(name="x", op="ratio", of=("a", "b"), offset=1)
    top, bottom = np.array([1.0, 1.0, 1.0, math.nan]), np.array([1.0, -1.0, -3.0, 1.0])
    _same(apply(item, [top, bottom]), [0.5, math.nan, math.nan, math.nan])


def test_taking_records_keeps_their_parts_together(loans: Catalogue, loans_csv: Path) -> None:
    encoded, _ = load_records(loans_csv, loans)
    taken = encoded.take(np.array([3, 0]))
    assert taken.subjects is not None
    assert taken.subjects.tolist() == ["c4", "c1"]
    assert (taken.codes == encoded.codes[[3, 0]]).all()
    assert taken.protected["sex"].tolist() == [1, 0]


@pytest.mark.parametrize(("stand_in", "expected"), [(None, math.nan), (0.0, 3.0)])
def test_special_code_in_a_derived_value(loans: Catalogue, stand_in: float | None, expected: float) -> None:
    item = Sum(name="total", op="sum", of=("months_since_delay", "income"), specials_as=stand_in)
    catalogue = replace(loans, derived=(item,))
    good = pl.DataFrame({"months_since_delay": [-1.0, 4.0], "income": [3.0, 3.0]})
    _same(Sources(good, catalogue).numbers("total"), [expected, 7.0])


def test_inputs_are_not_changed(loans: Catalogue) -> None:
    good = pl.DataFrame({"balance": [1.0, 5.0], "limit": [2.0, 0.0]})
    sources = Sources(good, loans)
    assert sources.numbers("utilisation").tolist()[0] == 0.5
    assert sources.numbers("utilisation") is sources.numbers("utilisation")
    assert good["balance"].to_list() == [1.0, 5.0]


def test_examples_in_docstrings() -> None:
    import importlib

    functions = (one_of, encode_function)
    for module in (derive, *(importlib.import_module(each.__module__) for each in functions)):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
