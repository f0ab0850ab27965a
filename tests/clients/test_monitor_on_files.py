"""`fedscore institution monitor` on files: what it charges, what it says, and what it does not charge for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bank_home import bank_home
from scores_world import published_model
from typer.testing import CliRunner, Result

from clients.institution.ledger_cli import read_summary
from clients.institution.monitor_cli import app
from federation.errors import RecordsError
from federation.synthetic import Population, PopulationSpec

WIDTH = 80


class Bank:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        population = Population.draw(PopulationSpec(persons=600, institutions=1), np.random.default_rng(1))
        self.records = population.table(0)
        data = folder / "all.csv"
        self.records.write_csv(data)
        (folder / "model.json").write_bytes(published_model().canonical())
        self.home = bank_home(folder / "home", data)

    def run(self, *words: object) -> Result:
        environment = {"COLUMNS": str(WIDTH), "FEDSCORE_HOME": str(self.home.path)}
        return CliRunner().invoke(app, [str(word) for word in words], env=environment)

    def release(self, vintage: str, table: pl.DataFrame, epsilon: float = 0.1) -> Result:
        file = self.folder / f"{vintage}.csv"
        table.write_csv(file)
        out = self.folder / f"{vintage}.json"
        words = ("--data", file, "--vintage", vintage, "--epsilon", epsilon, "--out", out)
        return self.run("release", "--model", self.folder / "model.json", *words)

    def spent(self) -> int:
        summary = read_summary(
            self.home.database_url,
            institution=self.home.name,
            key=self.home.signing_key.public,
            caps=self.home.caps(),
            now=datetime.now(UTC),
        )
        return sum(line.reserved for line in summary.runs)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    bank = Bank(tmp_path_factory.mktemp("bank"))
    for vintage, start in (("2029", 0), ("2030", 300)):
        result = bank.release(vintage, bank.records.slice(start, 300))
        assert result.exit_code == 0, (result.output, result.exception)
        assert "300 rows counted." in result.output
    return bank


@pytest.mark.parametrize("rows", [0, 20])
def test_a_file_without_a_good_row_costs_nothing(bank: Bank, rows: int) -> None:
    before = bank.spent()
    broken = bank.records.head(rows).with_columns(pl.lit(-4).alias("age"))
    result = bank.release(f"empty-{rows}", broken)
    assert isinstance(result.exception, RecordsError)
    assert f"{rows} rows, 0 of them good" in str(result.exception)
    assert not (bank.folder / f"empty-{rows}.json").exists()
    assert bank.spent() == before == 2


def test_where_nothing_can_be_compared_a_nightly_job_is_told(bank: Bank) -> None:
    words = ("drift", "--reference", bank.folder / "2029.json", "--current", bank.folder / "2030.json")
    told = bank.run(*words, "--json")
    assert told.exit_code == 3
    assert "scores: cannot be compared" in json.loads(told.stdout)["alerts"][0]
    shown = bank.run(*words)
    assert shown.exit_code == 3
    assert "ALERT scores: cannot be compared" in shown.stdout


def test_its_tables_show_whole_names_in_a_terminal_of_80_columns(bank: Bank) -> None:
    words = ("drift", "--reference", bank.folder / "2029.json", "--current", bank.folder / "2030.json")
    lines = bank.run(*words).stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if "…" in line]
    for name in ("months_since_delinquency", "worst_delinquency"):
        assert any(name in line for line in lines)
