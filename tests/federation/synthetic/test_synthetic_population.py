"""The synthetic population: repeatable, by its catalogue, and worth knowing from several sides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.evaluation.metrics import auc
from federation.records import encode, load_records, read_table, validate
from federation.synthetic import Population, PopulationSpec, write_population
from federation.synthetic.cli import app
from federation.training.embedding import Embedding


@pytest.fixture(scope="module")
def population() -> Population:
    return Population.draw(PopulationSpec(persons=24_000), np.random.default_rng(7))


def test_same_seed_same_bytes_another_seed_others(tmp_path: Path) -> None:
    spec = PopulationSpec(persons=800)
    written = [
        write_population(Population.draw(spec, np.random.default_rng(seed)), tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, second, third = ([path.read_bytes() for path in paths] for paths in written)
    assert first == second
    assert all(one != other for one, other in zip(first, third, strict=True))


@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_every_record_keeps_the_catalogue(tmp_path: Path, form: str) -> None:
    catalogue = load_catalogue("synthetic")
    population = Population.draw(PopulationSpec(persons=3_000), np.random.default_rng(3))
    for k, path in enumerate(write_population(population, tmp_path, form=form)):  # type: ignore[arg-type]
        encoded, report = load_records(path, catalogue)
        assert report.rows_quarantined == 0, report.examples
        assert report.ignored == ()
        assert report.not_held == ()
        assert len(encoded) == len(population.views[k])
        assert report.missing.get("monthly_income", 0) > 0


def test_every_feature_cell_that_matters_is_lived_in(population: Population) -> None:
    catalogue = load_catalogue("synthetic")
    codes = np.concatenate([encode(validate(population.table(k), catalogue).good, catalogue).codes for k in range(3)])
    for j, feature in enumerate(catalogue.features):
        counts = np.bincount(codes[:, j], minlength=feature.n_cells)[: feature.n_ordered + len(feature.specials)]
        assert (counts > 0).all(), f"{feature.name}: {counts}"


def test_everybody_is_somewhere_and_many_are_known_to_several(population: Population) -> None:
    known_to = population.people.member.sum(axis=1)
    assert known_to.min() == 1
    assert 1.7 < known_to.mean() < 2.3
    assert len(set(population.people.identifier)) == len(population.people)


def test_marginals_look_like_people(population: Population) -> None:
    people, table = population.people, population.table(0)
    assert abs(people.bad.mean() - 0.10) < 0.01
    assert np.mean(people.income) > 1.15 * np.median(people.income)
    assert 0.6 < (table["worst_delinquency_24m"].drop_nulls() == 0).mean() < 0.9
    assert 0.05 < (table["revolving_limit"].drop_nulls() == 0).mean() < 0.25
    risk_by_group = [people.bad[people.nationality == group].mean() for group in (0, 1)]
    assert 1.0 < risk_by_group[1] / risk_by_group[0] < 1.8


def test_default_rate_drifts_over_the_vintages(population: Population) -> None:
    people = population.people
    first, last = (people.risk[people.vintage == quarter].mean() for quarter in (0, 7))
    assert last > 1.1 * first


def test_institutions_see_different_values_of_one_person(population: Population) -> None:
    one, other = population.table(0), population.table(1)
    both = one.join(other, on="person_id", suffix="_other")
    assert (both["default_12m"] == both["default_12m_other"]).all()
    assert (both["monthly_income"] != both["monthly_income_other"]).mean() > 0.5


def test_knowing_more_institutions_tells_more(population: Population) -> None:
    """Log-odds of each view by a linear fit on its embedding; their sum, by the number of views, against each alone."""
    from sklearn.linear_model import LogisticRegression

    catalogue = load_catalogue("synthetic")
    embedding, people = Embedding.of(catalogue), population.people
    test = np.arange(len(people)) % 3 == 0
    evidence = np.zeros(people.member.shape)
    for k, view in enumerate(population.views):
        features = embedding.dense(encode(validate(population.table(k), catalogue).good, catalogue).codes)
        train = ~test[view.rows]
        model = LogisticRegression(C=30.0, max_iter=200).fit(features[train], people.bad[view.rows][train])
        evidence[view.rows, k] = model.decision_function(features) - np.log(0.1 / 0.9)
    known_to = people.member.sum(axis=1)
    total = evidence.sum(axis=1)
    joint_inputs = np.column_stack([total / known_to, *(total * (known_to == m) for m in (1, 2, 3)), known_to])
    joint = LogisticRegression(C=1e3, max_iter=500).fit(joint_inputs[~test], people.bad[~test])
    combined = joint.decision_function(joint_inputs)
    gains = []
    for k, view in enumerate(population.views):
        rows = view.rows[test[view.rows]]
        gains.append(auc(people.bad[rows], combined[rows]) - auc(people.bad[rows], evidence[rows, k]))
    assert np.mean(gains) >= 0.03, gains


@settings(max_examples=25, deadline=None)
@given(persons=st.integers(100, 400), institutions=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_any_specification_gives_whole_tables(persons: int, institutions: int, seed: int) -> None:
    population = Population.draw(PopulationSpec(persons, institutions), np.random.default_rng(seed))
    assert sum(len(view) for view in population.views) == population.people.member.sum()
    for k in range(institutions):
        table = population.table(k)
        assert table.height == len(population.views[k])
        assert table["person_id"].is_unique().all()
        assert table["default_12m"].null_count() == 0


@pytest.mark.parametrize(
    "wrong",
    [{"persons": 99}, {"institutions": 0}, {"institutions": 51}, {"vintages": ()}, {"default_rate": 0.9}],
)
def test_impossible_specifications_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        PopulationSpec(**wrong)  # type: ignore[arg-type]


def test_the_truth_is_kept_apart(tmp_path: Path) -> None:
    population = Population.draw(PopulationSpec(persons=500), np.random.default_rng(1))
    for path in write_population(population, tmp_path):
        assert "creditworthiness" not in read_table(path).columns
    truth = read_table(tmp_path / "truth" / "truth.csv.gz")
    assert truth.height == 500
    assert {"creditworthiness", "probability_of_default", "institution_3"} <= set(truth.columns)


def test_not_stated_is_written_in_each_institutions_own_way(tmp_path: Path) -> None:
    population = Population.draw(PopulationSpec(persons=2_000), np.random.default_rng(1))
    paths = write_population(population, tmp_path)
    words = [set(pl.read_csv(path, infer_schema=False)["monthly_income"].unique().to_list()) for path in paths]
    assert None in words[0]
    assert "NA" in words[1]
    assert "-9" in words[2]


def test_command_writes_files_and_says_so(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--persons", "400", "--institutions", "2", "--parquet"]
    result = CliRunner().invoke(app, [*options, "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert [Path(file).name for file in facts["files"]] == ["institution-1.parquet", "institution-2.parquet"]
    assert sum(facts["persons_known_to"].values()) == 400
    shown = CliRunner().invoke(app, options)
    assert shown.exit_code == 0
    assert "400 persons" in shown.output


def test_command_refuses_what_cannot_be_drawn(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--out", str(tmp_path), "--persons", "5"])
    assert result.exit_code == 1
    assert "synth.persons" in result.output
