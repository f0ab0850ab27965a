"""`fedscore institution score` on synthetic files: trust, files, subjects, outcomes, exit codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bank_home import bank_home
from membership_world import pinned
from scores_world import CATALOGUE, COORDINATOR, published_model
from typer.testing import CliRunner, Result

from clients.institution.score_cli import app
from federation.evaluation import EvaluationSpec
from federation.models import EVALUATION_LABEL, PublishedEvaluation, PublishedModel
from federation.records import load_records
from federation.scorecard import DIMENSIONS, Scaling, Scorer
from federation.synthetic import Population, PopulationSpec, write_population
from federation.training import Recipe, logits
from protocols.signing import SigningKey

MODEL = published_model()


@dataclass(frozen=True)
class Bank:
    """An enrolled institution with a file of records and a model."""

    home: Path
    data: Path
    model: Path

    def score(self, *arguments: str, typed: str | None = None) -> Result:
        fixed = ["--home", str(self.home), "--model", str(self.model), "--data", str(self.data)]
        return CliRunner().invoke(app, [*fixed, *arguments], input=typed, env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    population = Population.draw(PopulationSpec(persons=600, institutions=1), np.random.default_rng(1))
    return write_population(population, folder, form="csv.gz")[0]


def new_bank(folder: Path, records: Path, features: tuple[str, ...] | None = None) -> Bank:
    home = bank_home(folder / "home", records, features=features)
    model = folder / "model.json"
    model.write_bytes(MODEL.canonical())
    return Bank(home.path, records, model)


@pytest.fixture
def bank(tmp_path: Path, records: Path) -> Bank:
    return new_bank(tmp_path, records)


def evaluation(counts: np.ndarray, model: PublishedModel = MODEL, key: SigningKey = COORDINATOR) -> bytes:
    unsigned = PublishedEvaluation(
        plan_hash=model.plan.hash,
        model_hash=model.hash,
        updates={"bank-0": "0" * 64},
        counts=tuple(counts.tolist()),
        sd=1.0,
        signature="",
    )
    signature = key.sign(EVALUATION_LABEL, unsigned._signed_bytes())
    return unsigned.model_copy(update={"signature": signature.hex()}).canonical()


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_file_is_scored_as_the_scorecard_scores_it(bank: Bank, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"scored.{form}"
    result = bank.score("--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    frame = pl.read_parquet(out) if form == "parquet" else pl.read_csv(out, schema_overrides={"subject": pl.String})
    encoded, report = load_records(bank.data, CATALOGUE)
    expected = Scorer(MODEL, CATALOGUE).score(encoded)
    assert frame["subject"].to_list() == [str(name) for name in encoded.subjects]
    assert frame["score"].to_numpy() == pytest.approx(expected.score, abs=0.006, nan_ok=True)
    assert summary["rows_read"] == report.rows_read == summary["quarantined"] + sum(summary["outcomes"].values())
    assert sum(summary["bands"].values()) == summary["outcomes"]["scored"]
    assert out.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob(".*partial"))


def test_a_subject_gets_score_band_parts_reasons_and_coverage(bank: Bank) -> None:
    name = pl.read_csv(bank.data, infer_schema=False)["person_id"][3]
    document = json.loads(bank.score("--subject", name, "--json").stdout)
    assert document["outcome"] == "scored"
    assert list(document["parts"]) == list(DIMENSIONS)
    assert sum(document["parts"].values()) == pytest.approx(document["unclamped"])
    assert document["reference"] == "neutral point"
    assert len(document["reasons"]) <= 5
    text = bank.score("--subject", name)
    assert text.exit_code == 0
    assert f"{document['score']:.0f}" in text.stdout
    assert document["band"] in text.stdout
    for reason in document["reasons"]:
        assert CATALOGUE.reasons[reason["family"]] in text.stdout
    assert "of 21 features held" in text.stdout


def test_an_identifier_need_not_be_on_the_command_line(bank: Bank, tmp_path: Path) -> None:
    name = pl.read_csv(bank.data, infer_schema=False)["person_id"][3]
    file = tmp_path / "subject"
    file.write_text(f"{name}\n")
    expected = bank.score("--subject", name, "--json").stdout
    assert bank.score("--subject", "-", "--json", typed=f"{name}\n").stdout == expected
    assert bank.score("--subject-file", str(file), "--json").stdout == expected


@pytest.mark.parametrize("typed", ["", "\n", "a\nb\n", "x" * 1001])
def test_what_is_not_one_identifier_is_refused_unquoted(bank: Bank, tmp_path: Path, typed: str) -> None:
    file = tmp_path / "subject"
    file.write_text(typed)
    for result in (bank.score("--subject", "-", typed=typed), bank.score("--subject-file", str(file))):
        assert result.exit_code == 1
        assert "one identifier" in result.output
        assert "xxx" not in result.output
    assert bank.score("--subject-file", str(tmp_path / "none")).exit_code == 1
    assert bank.score("--subject", "x", "--subject-file", str(file)).exit_code == 2


def test_a_subject_who_is_not_in_the_file_is_a_no_hit_with_exit_code_0(bank: Bank) -> None:
    result = bank.score("--subject", "nobody", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["outcome"] == "no_hit"
    assert "no record of this subject" in bank.score("--subject", "nobody").stdout


def test_a_thin_file_has_an_outcome_and_no_score(bank: Bank, tmp_path: Path) -> None:
    table = pl.read_csv(bank.data, infer_schema=False)
    keep = {"person_id", "vintage"}
    thin = table.head(1).with_columns(pl.lit(None, dtype=pl.String).alias(c) for c in table.columns if c not in keep)
    path = tmp_path / "thin.csv"
    thin.write_csv(path)
    result = Bank(bank.home, path, bank.model).score("--subject", thin["person_id"][0], "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["outcome"] == "thin_file"
    assert document["score"] is None
    assert "too few features" in Bank(bank.home, path, bank.model).score("--subject", thin["person_id"][0]).stdout


def test_with_the_evaluation_reasons_are_measured_from_the_average_subject(bank: Bank) -> None:
    encoded, _ = load_records(bank.data, CATALOGUE)
    found = logits(CATALOGUE, MODEL.plan.recipe, MODEL.vector, encoded.codes)
    counts = 20 * EvaluationSpec.from_catalogue(CATALOGUE).counts(found, encoded)
    (bank.model.parent / "evaluation.json").write_bytes(evaluation(counts))
    name = str(encoded.subjects[0])
    document = json.loads(bank.score("--subject", name, "--json").stdout)
    assert document["reference"] == "average subject"
    assert "average subject" in bank.score("--subject", name).stdout


@pytest.mark.parametrize("wrong", ["key", "model", "absent"])
def test_an_evaluation_that_is_not_the_coordinators_of_this_model_is_refused(
    bank: Bank, tmp_path: Path, wrong: str
) -> None:
    zeros = np.zeros(EvaluationSpec.from_catalogue(CATALOGUE).size)
    path = tmp_path / "other.json"
    if wrong == "key":
        path.write_bytes(evaluation(zeros, key=SigningKey.from_seed(bytes(32))))
    elif wrong == "model":
        path.write_bytes(evaluation(zeros, published_model(seed=1)))
    result = bank.score("--subject", "x", "--evaluation", str(path))
    assert result.exit_code == 1
    assert "score:" in result.stderr


def test_bad_rows_are_quarantined_and_counted(bank: Bank, tmp_path: Path) -> None:
    table = pl.read_csv(bank.data, infer_schema=False)
    column = next(c for c in table.columns if CATALOGUE.columns[c].type == "number")
    table = table.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("oops")).otherwise(pl.col(column)).alias(column)
    )
    path = tmp_path / "bad.csv"
    table.write_csv(path)
    broken = Bank(bank.home, path, bank.model)
    result = broken.score("--out", str(tmp_path / "scored.csv"), "--json")
    summary = json.loads(result.stdout)
    assert summary["quarantined"] == 1
    assert Path(summary["quarantine_file"]).is_relative_to(bank.home / "quarantine")
    assert "1 rows quarantined" in broken.score("--out", str(tmp_path / "again.csv")).stdout
    refused = broken.score("--subject", table["person_id"][0])
    assert refused.exit_code == 1
    assert column in refused.stderr
    assert "oops" not in refused.output


def test_features_not_held_contribute_nothing_and_are_named(tmp_path: Path, records: Path) -> None:
    held = CATALOGUE.feature_names[2:]
    small = new_bank(tmp_path, records, held)
    out = tmp_path / "scored.parquet"
    summary = json.loads(small.score("--out", str(out), "--json").stdout)
    assert summary["coverage"]["not_held"] == list(CATALOGUE.feature_names[:2])
    assert CATALOGUE.feature_names[0] in small.score("--out", str(out), "--overwrite").stdout
    nobody = json.loads(small.score("--subject", "nobody", "--json").stdout)
    assert nobody["coverage"]["held"] == len(held)


def test_a_network_gives_scores_without_parts_and_says_so(bank: Bank, tmp_path: Path) -> None:
    model = tmp_path / "network.json"
    model.write_bytes(published_model(Recipe(family="mlp", hidden=(3,), learning_rate=0.5)).canonical())
    network = Bank(bank.home, bank.data, model)
    name = pl.read_csv(bank.data, infer_schema=False)["person_id"][0]
    document = json.loads(network.score("--subject", name, "--json").stdout)
    assert document["score"] is not None
    assert document["parts"] is None
    assert "not additive" in network.score("--subject", name).stdout
    assert "not additive" in network.score("--out", str(tmp_path / "s.csv")).stdout


def test_a_changed_model_is_refused(bank: Bank) -> None:
    other = published_model(seed=2)
    forged = MODEL.model_copy(update={"parameters": other.parameters})
    bank.model.write_bytes(forged.canonical())
    result = bank.score("--subject", "x")
    assert result.exit_code == 1
    assert "signature" in result.stderr


def test_a_model_of_another_coordinator_is_refused(bank: Bank) -> None:
    (bank.home / "membership.json").write_text(pinned(SigningKey.from_seed(bytes(32))).model_dump_json())
    result = bank.score("--subject", "x")
    assert result.exit_code == 1
    assert "as enrolled" in result.stderr


def test_a_model_of_another_catalogue_is_refused(tmp_path: Path, records: Path) -> None:
    home = new_bank(tmp_path, records)
    settings = home.home / "institution.toml"
    settings.write_text(settings.read_text().replace('catalogue = "synthetic"', 'catalogue = "taiwan"'))
    result = home.score("--subject", "x")
    assert result.exit_code == 1
    assert "as in the model's plan" in result.stderr


def test_a_scaling_of_ones_own(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "scaling.json"
    path.write_text(json.dumps(Scaling(base_score=500).to_json()))
    name = pl.read_csv(bank.data, infer_schema=False)["person_id"][0]
    ours = json.loads(bank.score("--subject", name, "--json", "--scaling", str(path)).stdout)
    default = json.loads(bank.score("--subject", name, "--json").stdout)
    assert ours["unclamped"] == pytest.approx(default["unclamped"] - 100)
    path.write_text("{")
    assert bank.score("--subject", name, "--scaling", str(path)).exit_code == 1


def test_scores_replace_nothing_that_they_were_not_told_to(bank: Bank, tmp_path: Path) -> None:
    out = tmp_path / "scored.csv"
    out.write_text("the scores of last year")
    refused = bank.score("--out", str(out))
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert out.read_text() == "the scores of last year"
    assert bank.score("--out", str(out), "--overwrite").exit_code == 0
    assert out.read_text().startswith("subject,")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--out", "a.csv", "--subject", "x"), 2),
        (("--out", "scored.xlsx"), 1),
        (("--out", "/nonexistent/folder/scored.csv"), 1),
    ],
)
def test_wrong_usage_and_outputs_that_cannot_be(bank: Bank, arguments: tuple[str, ...], code: int) -> None:
    assert bank.score(*arguments).exit_code == code


def test_a_missing_model_is_refused(bank: Bank, tmp_path: Path) -> None:
    assert Bank(bank.home, bank.data, tmp_path / "none.json").score("--subject", "x").exit_code == 1


def test_files_without_the_subject_column_are_refused(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    result = Bank(bank.home, path, bank.model).score("--subject", "x")
    assert result.exit_code == 1
    assert "person_id" in result.stderr
