"""`fedscore institution monitor` on files of a synthetic population: charged once, compared for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from bank_home import bank_home
from scores_world import CATALOGUE, COORDINATOR, published_model
from typer.testing import CliRunner

from clients.institution.cli import app
from clients.institution.home import CapSettings, InstitutionHome
from federation.ledger import Ledger
from federation.monitoring import MonitoringRelease
from federation.synthetic import Population, PopulationSpec, write_population

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    population = Population.draw(PopulationSpec(persons=9000, institutions=1), np.random.default_rng(1))
    return write_population(population, folder, form="parquet")[0]


@pytest.fixture
def home(tmp_path: Path, records: Path) -> InstitutionHome:
    made = bank_home(tmp_path / "home", records, caps=CapSettings(run=1.0, year=1.3))
    for seed in (0, 1):
        (tmp_path / f"model-{seed}.json").write_bytes(published_model(seed=seed).canonical())
    return made


@pytest.fixture
def run(home: InstitutionHome, tmp_path: Path) -> Run:
    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["monitor", arguments[0], "--home", str(home.path), *arguments[1:]])
        ended = result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout if ended else str(result.exception)

    return invoke


def released(run: Run, folder: Path, vintage: str, data: Path, epsilon: float = 0.6, model: int = 0) -> dict[str, Any]:
    out = folder / f"{vintage}-{model}.json"
    terms = ["--vintage", vintage, "--epsilon", str(epsilon), "--out", str(out), "--model"]
    code, said = run("release", *terms, str(folder / f"model-{model}.json"), "--data", str(data), "--json")
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_vintage_is_charged_once_and_its_release_is_in_the_ledger(
    home: InstitutionHome, run: Run, tmp_path: Path, records: Path
) -> None:
    first = released(run, tmp_path, "2029", records)
    data = (tmp_path / "2029-0.json").read_bytes()
    (tmp_path / "2029-0.json").unlink()
    again = released(run, tmp_path, "2029", records)
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert (tmp_path / "2029-0.json").read_bytes() == data
    made = MonitoringRelease.read(data)
    assert made.signer == home.signing_key.public
    ledger = Ledger.open(home.database_url, institution="bank-0", key=home.signing_key, caps=home.caps(), recover=False)
    reserve, spend = ledger.entries()
    assert (reserve.entry.release.phase, reserve.hash) == ("monitor", made.reservation)  # type: ignore[union-attr]
    assert ledger.claims("year").pld == pytest.approx(first["epsilon"], abs=1e-3)
    assert 0.55 < made.epsilon <= 0.6
    assert spend.entry.reservation == reserve.hash
    ledger.close()


def test_other_terms_of_the_same_vintage_and_a_budget_that_is_spent_are_refused(
    run: Run, tmp_path: Path, records: Path
) -> None:
    released(run, tmp_path, "2029", records)
    model, out = ("--model", str(tmp_path / "model-0.json")), ("--out", str(tmp_path / "x.json"))
    code, said = run("release", *model, *out, "--data", str(records), "--vintage", "2029", "--epsilon", "0.3")
    assert code == 1
    assert "released before" in said
    code, said = run("release", *model, *out, "--data", str(records), "--vintage", "2030", "--epsilon", "1.2")
    assert code == 1
    assert "budget.run" in said
    assert not (tmp_path / "x.json").exists()
    code, said = run("release", *model, *out, "--data", str(records), "--vintage", "a b", "--epsilon", "0.1")
    assert (code, "--vintage" in said) == (1, True)


def test_a_file_that_cannot_be_used_costs_nothing(home: InstitutionHome, run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing,known\n1,2\n")
    out = ("--out", str(tmp_path / "x.json"), "--vintage", "2029", "--epsilon", "0.5")
    code, _ = run("release", *out, "--data", str(bad), "--model", str(tmp_path / "model-0.json"))
    assert code == 1
    ledger = Ledger.open(home.database_url, institution="bank-0", key=home.signing_key, caps=home.caps(), recover=False)
    assert ledger.entries() == ()
    ledger.close()


def test_drift_without_outcomes_exits_3_and_names_the_feature(run: Run, tmp_path: Path, records: Path) -> None:
    table = pl.read_parquet(records)
    moved, same = tmp_path / "moved.parquet", tmp_path / "same.parquet"
    name, column = "income", "monthly_income"
    table = table.drop(CATALOGUE.target.column)
    table.write_parquet(same)
    one = table[column].drop_nulls()[0]
    half = pl.int_range(pl.len()) < pl.len() // 2
    table.with_columns(pl.when(half).then(pl.lit(one)).otherwise(pl.col(column)).alias(column)).write_parquet(moved)
    assert released(run, tmp_path, "2029", same, 0.6)["outcomes"] is False
    released(run, tmp_path, "2030", moved, 0.6)
    files = ("--reference", str(tmp_path / "2029-0.json"), "--current", str(tmp_path / "2030-0.json"))
    code, said = run("drift", *files, "--json")
    assert code == 3, said
    assert json.loads(said)["features"][name]["verdict"] == "alert"
    code, said = run("drift", *files)
    assert code == 3
    assert f"ALERT {name}" in said


def test_vintages_with_outcomes_are_compared_by_performance_and_fairness(
    run: Run, tmp_path: Path, records: Path
) -> None:
    for vintage in ("2029", "2030"):
        released(run, tmp_path, vintage, records, 0.6)
    code, said = run("drift", "--reference", str(tmp_path / "2029-0.json"), "--current", str(tmp_path / "2030-0.json"))
    # Noise of so small a budget may cost a fairness rule: then it is an alert, and the code says so.
    assert code == (3 if "ALERT" in said else 0), said
    for heading in ("Stability indices", "auc", "Fairness, 2030"):
        assert heading in said


def test_two_models_meet_on_one_vintage(run: Run, tmp_path: Path, records: Path) -> None:
    for model in (0, 1):
        released(run, tmp_path, "2029", records, 0.5, model)
    code, said = run(
        "contest", "--champion", str(tmp_path / "2029-0.json"), "--challenger", str(tmp_path / "2029-1.json")
    )
    assert code == 0, said
    assert "AUC" in said
    forged = tmp_path / "forged.json"
    made = MonitoringRelease.read((tmp_path / "2029-1.json").read_bytes())
    forged.write_bytes(made.entry(COORDINATOR).data)
    refused = run("contest", "--champion", str(tmp_path / "2029-0.json"), "--challenger", str(forged))
    assert refused[0] == 1
    assert "signer" in refused[1]
    missing = run("contest", "--champion", "no.json", "--challenger", "no.json")
    assert missing[0] == 1
    assert "no.json" in missing[1]
