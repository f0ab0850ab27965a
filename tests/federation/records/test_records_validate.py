"""Good rows go on, bad rows go to quarantine, nothing vanishes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue, load_catalogue, parse_catalogue
from federation.errors import RecordsError
from federation.records import read_table, validate

OUTCOME = "target: expected defaulted, repaid or current"
FRACTION = "type: got a fraction, expected a whole number"
GOOD = {
    "customer": "c1",
    "outcome": "repaid",
    "age": "30",
    "sex": "f",
    "months_since_delay": "3",
    "balance": "1",
    "limit": "2",
    "income": "1500",
    "contract": "P",
}


def rows(*changes: dict[str, str | None]) -> pl.DataFrame:
    full = [{**GOOD, "customer": f"c{i}", **change} for i, change in enumerate(changes)]
    return pl.DataFrame(full, schema=dict.fromkeys(full[0], pl.String))


def test_worked_example(loans: Catalogue, loans_csv: Path) -> None:
    checked = validate(read_table(loans_csv), loans)
    report = checked.report
    assert (report.rows_read, report.rows_good, report.rows_quarantined) == (7, 4, 3)
    assert report.broken == {
        ("outcome", OUTCOME): 1,
        ("months_since_delay", FRACTION): 1,
        ("customer", "duplicate subject"): 1,
    }
    assert checked.quarantine["row"].to_list() == [5, 6, 7]
    assert checked.quarantine["reasons"].to_list() == [
        f"outcome: {OUTCOME}",
        f"months_since_delay: {FRACTION}",
        "customer: duplicate subject",
    ]
    assert report.missing == {"income": 2}
    assert report.special == {"months_since_delay": {"never": 1}}


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("income", "much", "type: got no number, expected a number"),
        ("income", "inf", "type: got no number, expected a number"),
        ("income", "nan", "type: got no number, expected a number"),
        ("income", "-1", "range: got less than 0, expected 0 to 1000000"),
        ("income", "1000001", "range: got more than 1000000, expected 0 to 1000000"),
        ("months_since_delay", "1.5", FRACTION),
        ("months_since_delay", "-2", "range: got less than 0, expected 0 to 120"),
        ("contract", "X", "allowed values: expected P, T or S"),
        ("sex", "x", "allowed values: expected f or m"),
        ("outcome", "unknown", OUTCOME),
        ("outcome", None, OUTCOME),
        ("customer", None, "required"),
        ("customer", " ", "required"),
    ],
)
def test_one_bad_value(loans: Catalogue, column: str, value: str | None, rule: str) -> None:
    checked = validate(rows({}, {column: value}, {}), loans)
    assert checked.report.broken == {(column, rule): 1}
    assert checked.good.height == 2
    (finding,) = checked.report.examples
    assert (finding.row, finding.column, finding.rule, finding.value) == (2, column, rule, value)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("income", None),
        ("income", ""),
        ("income", "  "),
        ("income", "NA"),
        ("income", " NA "),
        ("income", "-999"),
        ("income", "-999.0"),
        ("contract", None),
        ("contract", ""),
    ],
)
def test_missing_values_are_not_bad(loans: Catalogue, column: str, value: str | None) -> None:
    checked = validate(rows({column: value}), loans)
    assert checked.report.rows_good == 1
    assert checked.report.missing == {column: 1}


@pytest.mark.parametrize(("column", "value"), [("income", " 1500 "), ("income", "1.5e3"), ("contract", " P ")])
def test_spaces_and_spellings_of_numbers(loans: Catalogue, column: str, value: str) -> None:
    good = validate(rows({column: value}), loans).good
    assert good[column].to_list() == ([1500.0] if column == "income" else ["P"])


def test_a_row_may_break_several_rules(loans: Catalogue) -> None:
    checked = validate(rows({"income": "-5", "contract": "X", "outcome": "?"}), loans)
    reasons = checked.quarantine["reasons"][0].split("; ")
    assert sorted(reasons) == [
        "contract: allowed values: expected P, T or S",
        "income: range: got less than 0, expected 0 to 1000000",
        f"outcome: {OUTCOME}",
    ]
    assert checked.report.rows_quarantined == 1


def test_first_sound_row_of_a_subject_stays(loans: Catalogue) -> None:
    frame = rows({"customer": "x", "income": "?"}, {"customer": "x", "income": "1"}, {"customer": "x", "income": "2"})
    checked = validate(frame, loans)
    assert checked.good["income"].to_list() == [1.0]
    assert checked.quarantine["row"].to_list() == [1, 3]


@pytest.mark.parametrize("name", ["religion", "Religion", "RELI GION", "re_ligion"])
def test_prohibited_column_refuses_the_file(loans: Catalogue, name: str) -> None:
    with pytest.raises(RecordsError) as caught:
        validate(rows({}).with_columns(pl.lit("x").alias(name)), loans)
    assert caught.value.where == f"column {name}"
    assert "x" not in caught.value.got.split()


@pytest.mark.parametrize(
    ("column", "why"), [("customer", "subject identifier"), ("outcome", "the outcome"), ("limit", "utilisation")]
)
def test_needed_column_is_absent(loans: Catalogue, column: str, why: str) -> None:
    with pytest.raises(RecordsError) as caught:
        validate(rows({}).drop(column), loans)
    assert caught.value.where == f"column {column}"
    assert why in caught.value.expected


def test_coverage_makes_columns_optional(loans: Catalogue) -> None:
    frame = rows({}).drop("limit", "contract")
    report = validate(frame, loans, coverage=["income", "months_since_delay"]).report
    assert report.rows_good == 1
    assert report.not_held == ("utilisation", "contract")
    with pytest.raises(RecordsError, match="wealth"):
        validate(frame, loans, coverage=["wealth"])


def test_protected_columns_are_optional_and_unknown_ones_are_listed(loans: Catalogue) -> None:
    frame = rows({}).drop("age", "sex").with_columns(pl.lit("red").alias("colour"))
    report = validate(frame, loans).report
    assert report.rows_good == 1
    assert report.ignored == ("colour",)


def test_outcome_is_not_read_when_scoring(loans: Catalogue) -> None:
    checked = validate(rows({"outcome": "pending"}), loans, require_target=False)
    assert checked.report.rows_good == 1
    assert "outcome" not in checked.good.columns


def test_typed_columns_are_read_as_they_are(loans: Catalogue) -> None:
    frame = rows({}, {}).with_columns(
        pl.Series("income", [1500, None]), pl.Series("balance", [1.5, float("inf")]), pl.Series("limit", [True, False])
    )
    checked = validate(frame, loans)
    assert checked.good["income"].to_list() == [1500.0]
    assert checked.report.broken == {("balance", "type: got no number, expected a number"): 1}


def test_column_of_dates_is_refused(loans: Catalogue) -> None:
    frame = rows({}).with_columns(pl.Series("income", [date(2025, 1, 1)]))
    with pytest.raises(RecordsError, match="Date"):
        validate(frame, loans)


def test_allowed_numbers_required_values_and_no_subject() -> None:
    german = load_catalogue("german")
    text = (
        'format = "fedscore/catalogue/v1"\ndimension_weights = { capacity = 1.0 }\nreasons = { a = "Amounts" }\n'
        'catalogue = { name = "t", version = "1.0.0", title = "T", unit_of_privacy = "record", '
        'purpose = "lending decisions", retention_years = 1, base_rate = 0.5 }\n'
        'target = { column = "y", bad = [1], good = [0], definition = "bad" }\n'
        '[columns]\ny = { role = "record", category = "outcome", type = "integer" }\n'
        'n = { role = "model", category = "balance", type = "integer", allowed = [1, 2], required = true, '
        'special = [{ name = "none", code = 9 }] }\n'
        't = { role = "model", category = "balance", allowed = ["a"], required = true, missing = ["?"] }\n'
        '[[features]]\nname = "n"\nsource = "n"\ndimension = "capacity"\nreason = "a"\nkind = "nominal"\n'
        "categories = [1, 2]\n"
        '[[features]]\nname = "t"\nsource = "t"\ndimension = "capacity"\nreason = "a"\nkind = "nominal"\n'
        'categories = ["a"]\n'
    )
    catalogue = parse_catalogue(text.encode(), source="t.toml")
    frame = pl.DataFrame(
        {"y": ["0", "1", "1", "2", "0"], "n": ["1", "9", "3", "2", ""], "t": ["a", "a", "a", "a", "?"]}
    )
    report = validate(frame, catalogue).report
    assert report.broken == {
        ("n", "allowed values: expected 1 or 2"): 1,
        ("n", "required"): 1,
        ("t", "required"): 1,
        ("y", "target: expected 1 or 0"): 1,
    }
    assert report.special == {"n": {"none": 1}}
    assert german.subject is None


def test_values_are_left_out_of_the_report_unless_asked(loans: Catalogue) -> None:
    report = validate(rows({"income": "hidden-value"}), loans).report
    assert "hidden-value" not in report.to_json()
    assert "hidden-value" in report.to_json(show_values=True)
    assert json.loads(report.to_json())["rows"] == {"read": 1, "good": 0, "quarantined": 1}


def test_quarantine_keeps_columns_with_its_own_names(loans: Catalogue) -> None:
    frame = rows({"income": "?"}).with_columns(pl.lit("x").alias("row"))
    assert validate(frame, loans).quarantine.columns[:2] == ["row", "reasons"]
    assert "row_in_file" in validate(frame, loans).quarantine.columns


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "customer": st.sampled_from(["a", "b", ""]),
                "income": st.sampled_from(["1", "-999", "-3", "x", "NA", " 7"]),
                "months_since_delay": st.sampled_from(["0", "-1", "1.5", ""]),
                "contract": st.sampled_from(["P", "Z", ""]),
                "outcome": st.sampled_from(["repaid", "defaulted", "?"]),
            },
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_row_is_somewhere_and_quarantine_is_exact(loans: Catalogue, changes: list[dict[str, str]]) -> None:
    frame = rows(*changes)
    checked = validate(frame, loans)
    assert checked.report.rows_good + checked.report.rows_quarantined == frame.height == checked.report.rows_read
    kept = [i for i in range(frame.height) if i + 1 not in checked.quarantine["row"].to_list()]
    assert checked.good["customer"].to_list() == frame["customer"].gather(kept).to_list()
    assert all(checked.quarantine["reasons"].str.len_chars() > 0)
    again = validate(frame[kept], loans).report
    assert again.rows_quarantined == 0
