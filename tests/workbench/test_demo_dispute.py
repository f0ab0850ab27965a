"""The dispute of the demonstration: a correction that the desk accepts, and what has to come of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import recorded
from bank_home import bank_home
from scores_world import published_model

from clients.institution.home import InstitutionHome
from clients.institution.person.desk import Desk
from clients.institution.scoring import open_scorer, score_subject
from federation.jurisdiction import Request
from federation.scorecard import Scaling
from federation.synthetic import Population, PopulationSpec, write_population
from workbench.demo import dispute
from workbench.demo.dispute import Correction, Disputed, correction

ASKER, CORRECTOR, BYPASSER = recorded.NAMES


def disputed(**changes: Any) -> Disputed:
    def record(score: float, value: str, **more: object) -> dict[str, Any]:
        return {"score": {"score": score}, "record": {"items": [{"column": "age", "value": value, **more}]}}

    facts: dict[str, Any] = {
        "institution": CORRECTOR,
        "correction": Correction("age", "61"),
        "before": record(540.0, "16"),
        "after": record(571.0, "61", corrected=True),
        "corrected": {"result": "corrected", "due": "2026-04-02", "after_epoch": 1},
        "closed": {"state": "closed", "steps": [{"event": "opened"}, {"event": "told"}]},
        "letters": {ASKER: 1, BYPASSER: 1},
        "read": {ASKER: 1, BYPASSER: 1},
        "delivered": {ASKER: True, BYPASSER: True},
        "expected": frozenset({ASKER, BYPASSER}),
    }
    return Disputed(**facts | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"after": disputed().before},
        {"after": disputed().after | {"score": disputed().before["score"]}},
        {"correction": Correction("age", "62")},
        {"corrected": {"result": "rejected", "due": "2026-04-02", "after_epoch": 1}},
        {"closed": {"state": "decided", "steps": []}},
        {"letters": {ASKER: 1, BYPASSER: 0}, "read": {ASKER: 1}},
        {"read": {ASKER: 1, BYPASSER: 0}},
        {"delivered": {ASKER: True, BYPASSER: False}},
        {"expected": frozenset({ASKER})},
    ],
)
def test_a_dispute_must_change_the_record_and_reach_those_who_inquired(changes: dict[str, Any]) -> None:
    assert disputed().holds
    assert not disputed(**changes).holds


def test_a_summary_of_a_dispute_has_no_value_of_the_record() -> None:
    told = dispute.summary(disputed())
    assert (told["score_before"], told["score_after"], told["about"]) == (540.0, 571.0, "age")
    assert "61" not in str(told).replace("571", "")


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    population = Population.draw(PopulationSpec(persons=120, institutions=1), np.random.default_rng(1))
    data = write_population(population, tmp_path, form="csv.gz")[0]
    made = bank_home(tmp_path / "home", data, more=f'\n[person]\njurisdiction = "{dispute.JURISDICTION}"\n')
    (tmp_path / "model.json").write_bytes(published_model().canonical())
    return made


def test_the_correction_is_one_that_the_desk_accepts_and_that_moves_her_score(home: InstitutionHome) -> None:
    model = home.path.parent / "model.json"
    scorer = open_scorer(home, model, None, Scaling())
    people = pl.read_csv(home.data, infer_schema=False)["person_id"].to_list()
    subject = next(each for each in people if score_subject(home, scorer, home.data, each).score is not None)
    found = correction(home, model, subject)
    assert found is not None
    before = score_subject(home, scorer, home.data, subject).score
    desk, today = Desk.open(home), date(2026, 3, 2)
    case = desk.open_case(subject, Request.DISPUTE, (found.column,), "it is not so", today)
    desk.correct(case.id, subject, {found.column: found.value}, "proof", today)
    after = score_subject(home, scorer, home.data, subject).score
    assert before is not None
    assert after is not None
    assert after > before + 1
    assert found.value not in repr(found)


def test_nothing_corrects_a_record_that_is_not_there(home: InstitutionHome) -> None:
    assert correction(home, home.path.parent / "model.json", "nobody-of-this-file") is None
