"""The demonstration's judge on files as people have them: some outcomes missing, some broken, some subjects twice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scores_world import CATALOGUE, published_model

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.scoring import score_file
from federation.errors import RecordsError
from federation.records import load_records
from federation.scorecard import Scorer
from federation.synthetic import Population, PopulationSpec, write_table
from workbench.demo.inputs import Inputs, split_file
from workbench.demo.oracle import Judgement, judge, read_aside

MODEL = published_model()
BROKEN = 90


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A small file of which every n-th outcome is missing or nonsense, dealt to three institutions."""
    folder = tmp_path_factory.mktemp("oracle")
    population = Population.draw(PopulationSpec(persons=1_800, institutions=1), np.random.default_rng(5))
    table = population.table(0).with_columns(pl.col("default_12m").cast(pl.String))
    rows = np.random.default_rng(6).choice(table.height, BROKEN, replace=False)
    outcomes = table["default_12m"].to_list()
    for n, row in enumerate(rows):
        outcomes[row] = ("", "7", "unknown")[n % 3]
    write_table(table.with_columns(pl.Series("default_12m", outcomes)), folder / "all.csv.gz")
    return split_file(folder, folder / "all.csv.gz", "synthetic", seed=2)


@pytest.fixture(scope="module")
def scored(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What every institution's own command writes for the judge's rows."""
    files = {}
    for given in inputs.institutions:
        folder = tmp_path_factory.mktemp(given.name)
        text = settings_text(
            name=given.name,
            catalogue="synthetic",
            data=given.records,
            nominal_records=500,
            caps=CapSettings(),
            written=datetime(2030, 1, 1, tzinfo=UTC),
        )
        home = InstitutionHome.create(folder / "home", text)
        files[given.name] = score_file(home, Scorer(MODEL, CATALOGUE), given.oracle, folder / "scored.parquet").out
    return files


@pytest.fixture(scope="module")
def judgement(inputs: Inputs, scored: dict[str, Path]) -> Judgement:
    return judge(inputs, CATALOGUE, MODEL, scored)


def test_rows_without_a_valid_outcome_are_scored_left_out_and_counted(
    inputs: Inputs, scored: dict[str, Path], judgement: Judgement
) -> None:
    valid = sum(len(load_records(given.oracle, CATALOGUE)[0]) for given in inputs.institutions)
    answered = sum(pl.read_parquet(file).height for file in scored.values())
    assert 0 < judgement.left_out < BROKEN
    assert len(judgement.target) == len(judgement.scores) == valid == answered - judgement.left_out
    assert judgement.models["federated"].records == valid


def test_every_score_is_judged_by_its_own_outcome(
    inputs: Inputs, scored: dict[str, Path], judgement: Judgement
) -> None:
    outcome, score = [], []
    for given in inputs.institutions:
        table = pl.read_csv(given.oracle, infer_schema=False).select("person_id", "default_12m")
        joined = pl.read_parquet(scored[given.name]).join(table, left_on="subject", right_on="person_id")
        judged = joined.filter(pl.col("default_12m").is_in(["0", "1"]))
        outcome += judged["default_12m"].cast(pl.UInt8).to_list()
        score += judged["score"].to_list()
    assert sorted(zip(judgement.target.tolist(), judgement.scores.tolist(), strict=True)) == sorted(
        zip(outcome, score, strict=True)
    )


def test_scores_that_are_not_the_models_are_refused_even_where_nobody_judges(
    inputs: Inputs, scored: dict[str, Path], tmp_path: Path
) -> None:
    given = inputs.institutions[0]
    hidden = int(np.flatnonzero(~read_aside(given.oracle, CATALOGUE).judged)[0])
    table = pl.read_parquet(scored[given.name])
    moved = table["unclamped"].to_numpy() + np.where(np.arange(table.height) == hidden, 40.0, 0.0)
    table.with_columns(pl.Series("unclamped", moved)).write_parquet(tmp_path / "moved.parquet")
    with pytest.raises(RecordsError, match="log-odds apart"):
        judge(inputs, CATALOGUE, MODEL, {**scored, given.name: tmp_path / "moved.parquet"})


def test_of_a_subject_whose_first_row_has_no_outcome_none_is_judged(inputs: Inputs, tmp_path: Path) -> None:
    """The first row is the one that was scored; the outcome of the second is another row's."""
    rows = pl.read_csv(inputs.institutions[0].oracle, infer_schema=False)
    good = rows.filter(pl.col("default_12m").is_in(["0", "1"]))[:5]
    first = good[:1].with_columns(default_12m=pl.lit("unknown"))
    pl.concat([first, good]).write_csv(tmp_path / "twice.csv")
    aside = read_aside(tmp_path / "twice.csv", CATALOGUE)
    assert aside.judged.tolist() == [False, True, True, True, True]
    assert (len(aside.scored), len(aside.records), aside.left_out) == (5, 4, 1)
    assert np.array_equal(aside.scored.codes[aside.judged], aside.records.codes)
