"""What is said to a person whose record is erased: in how many runs it may have been used, and what they can tell."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from person_world import new_home

from clients.institution.home import InstitutionHome
from clients.institution.person.remains import Models, models_of
from federation.ledger import Ledger, Release
from federation.ledger.release import Phase
from federation.privacy import GaussianEvent


def charge(home: InstitutionHome, run: str, phase: Phase, *rounds: int, noise: float = 20.0) -> None:
    ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())
    for number in rounds:
        release = Release(
            run_id=run,
            phase=phase,
            round=number,
            event=GaussianEvent(1.0, noise, 1),
            delta=home.caps().delta,
            plan_hash="1" * 64,
            catalogue_hash="2" * 64,
            model_hash="3" * 64,
            nominal_records=8000,
            vintage="2026",
            family="additive",
        )
        ledger.spend(ledger.reserve(release), "4" * 64, b"update")
    ledger.close()


def told(home: InstitutionHome) -> Models:
    return models_of(home, datetime.now(UTC))


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


def test_one_run_of_several_mechanisms_is_one_run_and_tells_what_its_own_plan_bounds(home: InstitutionHome) -> None:
    charge(home, "spring", "train", 1, 2, 3)
    charge(home, "spring", "train", 4, 5, noise=40.0)
    charge(home, "spring", "evaluate", 0, noise=30.0)
    found = told(home)
    assert found.runs == 1
    assert 0.1 < found.epsilon < home.caps().run
    assert found.words.startswith("1 training run has used")


def test_several_runs_are_bounded_by_the_filter_for_plans_chosen_one_after_the_other(home: InstitutionHome) -> None:
    charge(home, "spring", "train", 1)
    alone = told(home).epsilon
    charge(home, "autumn", "train", 1)
    found = told(home)
    assert found.runs == 2
    assert found.epsilon > 3 * alone  # the filter's Renyi order is fixed by the cap of the lifetime
    assert found.words.startswith("2 training runs have used")


def test_figures_that_are_no_training_run_are_not_left_unsaid(home: InstitutionHome) -> None:
    assert told(home).words.startswith("No model was trained")
    charge(home, "monitor-2030Q1-33", "monitor", 1)
    found = told(home)
    assert (found.runs, found.others, found.epsilon > 0) == (0, 1, True)
    assert found.words.startswith("1 other release has used")
    charge(home, "spring", "train", 1)
    assert told(home).words.startswith("1 training run and 1 other release have used")
