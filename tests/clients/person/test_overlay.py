"""Corrections and erasures over the file: in every reading of the records, and never in the file itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from person_world import MODEL, TODAY, new_home, people
from scores_world import CATALOGUE

from clients import institution
from clients.institution.home import InstitutionHome
from clients.institution.lookup.customers import read_customers
from clients.institution.node_service import open_computation
from clients.institution.person.desk import Desk
from clients.institution.person.overlay import Overlay
from clients.institution.person.records import counting_table
from clients.institution.scoring import score_subject
from federation.jurisdiction import Request
from federation.lookup.identifiers import scheme
from federation.records import read_table
from federation.scorecard import Outcome, Scaling, Scorer

WORST = {"utilisation_now": None}


def corrected(home: InstitutionHome, subject: str, values: dict[str, str | None]) -> None:
    desk = Desk.open(home)
    case = desk.open_case(subject, Request.DISPUTE, tuple(values), "it is wrong", TODAY)
    desk.correct(case.id, subject, values, "proof", TODAY)


def erased(home: InstitutionHome, subject: str) -> None:
    desk = Desk.open(home)
    case = desk.open_case(subject, Request.ERASURE, (), "forget me", TODAY)
    desk.erase(case.id, subject, "no ground to keep it", TODAY)


def another_value(home: InstitutionHome, row: int) -> dict[str, str | None]:
    """A change that moves the model's evidence: missing where there is a value."""
    table = read_table(home.data)
    for feature in CATALOGUE.features:
        column = CATALOGUE.inputs(feature.source)[0]
        if column in table.columns and table[column][row] not in (None, ""):
            spec = CATALOGUE.columns[column]
            if not spec.required and not spec.allowed and spec.numeric and spec.min is not None:
                low = str(int(spec.min))
                if str(table[column][row]) not in (low, f"{low}.0"):
                    return {column: low}
    raise AssertionError("no column to change")


@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_a_correction_is_in_every_reading_and_not_in_the_file(tmp_path: Path, form: Any) -> None:
    home = new_home(tmp_path, form=form)
    subject, before = people(home)[5], hashlib.sha256(home.data.read_bytes()).digest()
    scorer, scaling = Scorer(MODEL, CATALOGUE, Scaling()), Scaling()
    was_score = score_subject(home, scorer, home.data, subject)
    was_customer = read_customers(home, MODEL, scaling)
    was_training = open_computation(home)
    change = another_value(home, 5)
    corrected(home, subject, change)
    assert hashlib.sha256(home.data.read_bytes()).digest() == before
    (column,) = change
    table = counting_table(home)
    differing = [row for row, cell in enumerate(table[column].to_list()) if cell != read_table(home.data)[column][row]]
    assert differing == [5]
    assert score_subject(home, scorer, home.data, subject).score != was_score.score
    name = scheme("opaque").normalise(subject)
    now = read_customers(home, MODEL, scaling)
    assert now.of(name) is not None
    assert now.of(name)[1] != was_customer.of(name)[1]  # type: ignore[index]
    others = [row for row, each in enumerate(now.identifiers) if each != name]
    assert np.array_equal(now.evidence[others], was_customer.evidence[others])
    codes = np.concatenate(
        [x.codes for x in (open_computation(home).training_records, open_computation(home).holdout_records)]
    )
    old = np.concatenate([x.codes for x in (was_training.training_records, was_training.holdout_records)])
    assert codes.shape == old.shape
    assert (codes != old).any(axis=1).sum() == 1


def test_who_was_erased_is_in_no_reading_whatever_file_comes(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    subject = people(home)[5]
    before = open_computation(home)
    corrected(home, subject, another_value(home, 5))
    erased(home, subject)
    name = scheme("opaque").normalise(subject)
    assert score_subject(home, Scorer(MODEL, CATALOGUE, Scaling()), home.data, subject).outcome is Outcome.NO_HIT
    assert read_customers(home, MODEL, Scaling()).of(name) is None
    after = open_computation(home)
    sizes = [len(x.training_records) + len(x.holdout_records) for x in (before, after)]
    assert sizes[0] - sizes[1] == 1
    for records in (after.training_records, after.holdout_records):
        assert records.subjects is not None
        assert subject not in records.subjects.tolist()
    newer = tmp_path / "newer.csv"
    read_table(home.data).write_csv(newer)
    assert counting_table(home, newer).height == read_table(newer).height - 1


def test_without_a_case_the_records_are_the_file(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    assert counting_table(home).equals(read_table(home.data))
    assert not (home.path / "person.db").exists()  # looking leaves no trace


def test_nobody_reads_an_institutions_records_around_the_corrections() -> None:
    """Whoever adds a reader of the data file says how corrections reach it, or that they need not, here."""
    without = {"data_check.py": "counts rows when a home is made"}
    for file in Path(institution.__file__).parent.rglob("*.py"):
        text = file.read_text()
        calls = text.count("load_records(") + text.count("read_table(")
        amended = text.count("amend=amend") + text.count("amendments(home)(read_table(")
        if file.parent.name != "person" and file.name not in without:
            assert calls == amended, file


cells = st.dictionaries(st.sampled_from(["a", "b", "gone"]), st.one_of(st.none(), st.text("0123456789", max_size=4)))


@given(
    st.dictionaries(st.sampled_from("xyz"), cells), st.sets(st.sampled_from("xyzw")), st.lists(st.sampled_from("xyzv"))
)
def test_exactly_the_corrected_cells_differ(corrections: dict, gone: set, subjects: list) -> None:  # type: ignore[type-arg]
    table = pl.DataFrame(
        {"id": subjects, "a": ["1"] * len(subjects), "b": ["2"] * len(subjects)},
        schema=dict.fromkeys(("id", "a", "b"), pl.String),
    )
    seen = Overlay(corrections, frozenset(gone)).apply(table, "id", lambda names: [name or "" for name in names])
    expected = [
        {"id": name, "a": corrections.get(name, {}).get("a", "1"), "b": corrections.get(name, {}).get("b", "2")}
        for name in subjects
        if name not in gone
    ]
    assert seen.to_dicts() == expected
