from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.ledger_cli import app, mechanism
from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Ledger, Release
from federation.ledger.renyi import conversion
from federation.privacy.event import DiscreteGaussianEvent, GaussianEvent

RUNNER = CliRunner(env={"COLUMNS": "200", "FEDSCORE_HOME": ""})
STEP = GaussianEvent(sampling_rate=1.0, noise_multiplier=20.0, steps=5)
EVALUATION = GaussianEvent(sampling_rate=1.0, noise_multiplier=40.0, steps=1)


def release(round: int, phase: str = "train", event: GaussianEvent = STEP) -> Release:
    hashes = {"plan_hash": "a" * 64, "catalogue_hash": "b" * 64, "model_hash": f"{round:064x}"}
    return Release(
        "run-2025-06", phase, round, event, 1e-5, **hashes, nominal_records=10_000, vintage="2025Q1", family="additive"
    )


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> InstitutionHome:
    text = settings_text(
        name="bank-a",
        catalogue="taiwan",
        data=Path("records.csv"),
        nominal_records=10_000,
        caps=CapSettings(run=1.5, year=3, lifetime=10, delta=1e-5),
        written=datetime(2025, 1, 1, tzinfo=UTC),
    )
    return InstitutionHome.create(tmp_path_factory.mktemp("home") / "bank-a", text)


@pytest.fixture(scope="module")
def home(empty_home: InstitutionHome) -> InstitutionHome:
    """A home whose ledger has two answered rounds, a failed one, an open evaluation and two refusals."""
    ledger = Ledger.open(
        empty_home.database_url, institution="bank-a", key=empty_home.signing_key, caps=empty_home.caps()
    )
    for round in (1, 2):
        ledger.spend(ledger.reserve(release(round)), "c" * 64, b"reply")
    ledger.fail(ledger.reserve(release(3)), "internal")
    ledger.reserve(release(0, "evaluate", EVALUATION))
    ledger.refuse(
        "wrong_bundle",
        "bundle",
        got="[red]abc\x1b[2J\x1b]0;pwned\x07\n2030-01-01 all is well",
        expected="an accepted bundle",
        request_hash="d" * 64,
    )
    with pytest.raises(BudgetExceeded):
        ledger.reserve(release(4, event=GaussianEvent(1.0, 1.0, 5)))
    ledger.close()
    return empty_home


def machine(home: InstitutionHome, *options: str) -> dict[str, object]:
    result = RUNNER.invoke(app, ["--home", str(home.path), "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_for_machines(home: InstitutionHome) -> None:
    document = machine(home)
    train, evaluate = document["runs"]  # type: ignore[misc]
    assert (document["institution"], document["entries"], document["verified"]) == ("bank-a", 9, True)
    assert (train["reserved"], train["answered"], train["failed"], train["unknown"]) == (3, 2, 1, 0)
    assert (train["rounds"], train["event"]["noise_multiplier"], train["vintage"]) == ([1, 3], 20.0, "2025Q1")
    assert (evaluate["phase"], evaluate["reserved"], evaluate["answered"]) == ("evaluate", 1, 0)
    run, year, lifetime = document["amounts"]  # type: ignore[misc]
    assert (run["scope"], run["key"], run["cap"], run["delta"]) == ("run", "run-2025-06", 1.5, 1e-5)
    assert run["pld"] == year["pld"] == lifetime["pld"] == evaluate["amount"]["pld"]
    assert 0 < run["pld"] < 1.5
    assert run["remaining"] == pytest.approx(1.5 - run["pld"])
    assert [(a["capped_by"], a["order"]) for a in (run, year, lifetime)] == [("pld", None), ("rdp", 8), ("rdp", 3)]
    assert year["remaining"] == pytest.approx(3 - year["rdp"])
    assert year["key"] == f"{datetime.now(UTC).year}"
    of_year, of_lifetime = document["burn_down"]  # type: ignore[misc]
    assert (of_year["spent"], of_lifetime["spent"]) == (year["rdp"], lifetime["rdp"])
    assert (of_year["cap"], len(of_year["points"])) == (3, 4)
    assert of_year["plans_left"] == int(year["remaining"] / (year["rdp"] - conversion(8, 1e-5))) == 10
    assert of_lifetime["exhausted"] > of_lifetime["since"]
    assert document["deltas"] == {year["key"]: 1e-5, "": 1e-5}
    assert [line["code"] for line in document["refusals"]] == ["wrong_bundle", "budget_exceeded"]  # type: ignore[attr-defined]
    assert (document["adjacency"], document["unit"]) == ("add_or_remove_one", "one record at one institution")


def test_for_people(home: InstitutionHome) -> None:
    result = RUNNER.invoke(app, ["--home", str(home.path)], catch_exceptions=False)
    assert result.exit_code == 0
    for text in (
        "Privacy ledger of bank-a",
        "Gaussian 20 x clip, full batch, 5 steps",
        "1 failed",
        "1 open",
        "10,000 2025Q1",
        "1-3",
        "lifetime",
        "capped by",
        "RDP, order 8",
        "Burn-down",
        "reached at this pace",
        "[red]abc?[2J?]0;pwned?",
        "budget.run",
        "adjacency: add or remove one",
        "one record at one institution",
        home.signing_key.public.key_id,
    ):
        assert text in result.stdout
    assert "accounting of every entry was repeated" not in result.stdout
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_at_80_columns_no_line_is_longer_and_no_word_is_broken(home: InstitutionHome) -> None:
    result = RUNNER.invoke(app, ["--home", str(home.path)], env={"COLUMNS": "80"}, catch_exceptions=False)
    assert max(map(len, result.stdout.splitlines())) <= 80
    for word in ("Gaussian", "evaluate:", "lifetime", "releases", "wrong_bundle", f"{datetime.now(UTC):%F}"):
        assert word in result.stdout.split(), word


def test_verify_repeats_the_accounting(home: InstitutionHome) -> None:
    assert machine(home, "--verify")["recomputed"] is True
    result = RUNNER.invoke(app, ["--home", str(home.path), "--verify"], catch_exceptions=False)
    assert "accounting of every entry was repeated" in result.stdout


@pytest.mark.parametrize("scope", ["run", "year", "lifetime"])
def test_one_scope(home: InstitutionHome, scope: str) -> None:
    assert [amount["scope"] for amount in machine(home, "--scope", scope)["amounts"]] == [scope]  # type: ignore[attr-defined]
    assert RUNNER.invoke(app, ["--home", str(home.path), "--scope", "decade"]).exit_code == 2


def test_reading_changes_nothing(home: InstitutionHome) -> None:
    """The open reservation stays open: a look at the ledger must not take a node's work for lost."""
    before = machine(home)["head"]
    assert machine(home)["head"] == before


def test_a_broken_ledger_is_an_error_that_names_the_entry(home: InstitutionHome, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with sqlite3.connect(home.path / "institution.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
        target.execute("DROP TRIGGER ledger_entries_no_delete")
        target.execute("DROP TRIGGER ledger_replies_no_delete")
        target.execute("DELETE FROM ledger_replies")
        target.execute("DELETE FROM ledger_entries WHERE sequence = 2")
    result = RUNNER.invoke(
        app, ["--home", str(home.path)], env={"FEDSCORE_INSTITUTION_DATABASE_URL": f"sqlite:///{copy}"}
    )
    assert isinstance(result.exception, LedgerError)
    assert result.exception.where == "entry 3: sequence"


def test_a_home_that_was_never_used_has_no_ledger(empty_home: InstitutionHome, tmp_path: Path) -> None:
    env = {"FEDSCORE_INSTITUTION_DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
    result = RUNNER.invoke(app, ["--home", str(empty_home.path)], env=env)
    assert isinstance(result.exception, LedgerError)
    assert "no file" in str(result.exception)


def test_a_mechanism_in_words() -> None:
    assert mechanism(GaussianEvent(0.2, 7.6312, 5)) == "Gaussian 7.631 x clip, Poisson q=0.2, 5 steps"
    assert mechanism(DiscreteGaussianEvent(1.0, 20.0, 1)) == "discrete Gaussian 20 x clip, full batch, 1 steps"


def test_the_noise_of_an_integer_run_is_named_as_what_it_is(empty_home: InstitutionHome, tmp_path: Path) -> None:
    """As the ledger was written, and read again: both kinds of noise cost the same, and are not the same."""
    url = f"sqlite:///{tmp_path / 'both.db'}"
    ledger = Ledger.open(url, institution="bank-a", key=empty_home.signing_key, caps=empty_home.caps())
    for round, event in ((1, STEP), (2, DiscreteGaussianEvent(1.0, 20.0, 5))):
        ledger.fail(ledger.reserve(release(round, event=event)), "internal")
    ledger.close()
    env = {"FEDSCORE_INSTITUTION_DATABASE_URL": url}
    said = RUNNER.invoke(app, ["--home", str(empty_home.path)], env=env, catch_exceptions=False).output
    assert "discrete Gaussian 20 x clip, full batch, 5 steps" in said
    assert said.count("Gaussian 20 x clip") == 2
