"""The back-test end to end on a synthetic institution's own records, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError, PrivacyError, RecordsError, TooFewRecords
from federation.evaluation.metrics import evaluate
from federation.records.encoded import Encoded
from federation.synthetic import Population, PopulationSpec, write_table
from workbench.backtest import FIGURES, MODELS, BacktestResult, Spread, backtest, backtest_records
from workbench.backtest import Settings as Asked
from workbench.backtest_cli import _cell, app
from workbench.baselines import NoNoise, additive_logits, boosting_logits, outcomes

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    population = Population.draw(PopulationSpec(persons=15_000, institutions=2), np.random.default_rng(5))
    path = tmp_path_factory.mktemp("owner") / "records.csv.gz"
    write_table(population.table(0), path)
    return path


@pytest.fixture(scope="module")
def result(owner: Path) -> BacktestResult:
    return backtest("synthetic", owner, institutions=3, seeds=2, noise="local")


def test_federation_learns_within_its_budget(result: BacktestResult) -> None:
    assert result.epsilon.pld <= 1.0
    assert result.epsilon.prv <= 1.02
    assert result.auc["federated"].mean > 0.70
    assert result.auc["federated_no_privacy"].mean > result.auc["federated"].mean - 0.01
    assert result.auc["central_additive"].mean > result.auc["federated"].mean - 0.01


def test_document_has_the_documented_keys(result: BacktestResult) -> None:
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    for figure in FIGURES:
        assert set(document[figure]) == set(MODELS)
        assert all(set(spread) == {"mean", "sd"} for spread in document[figure].values())
    assert set(document["epsilon"]) == {"pld", "prv", "rdp"}
    assert document["delta"] == 1e-5
    assert document["adjacency"] == "add_or_remove_one"
    assert document["cpu_seconds"] > 0
    assert document["institutions"] == 3
    assert sum(document["held_records"][0]) == document["records"]["train"]
    assert document["auc"]["central_boosting"]["sd"] == 0.0


def test_no_protected_attribute_is_a_feature(result: BacktestResult) -> None:
    catalogue = load_catalogue("synthetic")
    columns = {column for name in result.features_used for column in catalogue.inputs(catalogue.feature(name).source)}
    assert not columns & {attribute.column for attribute in catalogue.protected}


def test_a_backtest_can_be_repeated(owner: Path) -> None:
    first, second = (backtest("synthetic", owner, institutions=3, split="skewed", seeds=1) for _ in range(2))
    assert first.auc == second.auc
    assert first.held_records == second.held_records
    assert len(set(first.nominal_records)) == 3
    assert (first.settings.choice.noise, first.to_json()["noise"], first.recipe) == ("secagg", "secagg", "gp")
    assert first.to_json()["noise_because"] == "3 institutions joined"


@pytest.mark.parametrize(
    ("asked", "noise"),
    [
        ({"institutions": 2}, "local"),
        ({"institutions": 3}, "secagg"),
        ({"institutions": 3, "noise": "local"}, "local"),
        ({"institutions": 3, "recipe": "fedavg"}, "local"),
        ({"institutions": 3, "recipe": "a"}, "secagg"),
    ],
)
def test_noise_that_is_left_open_is_chosen_as_a_plan_chooses(asked: dict[str, Any], noise: str) -> None:
    assert Asked(**asked).choice.noise == noise


def test_two_institutions_cannot_share_their_noise() -> None:
    few = Encoded(codes=np.zeros((500, 21), dtype=np.uint8), target=np.tile([0, 1], 250).astype(np.uint8))
    with pytest.raises(PrivacyError, match="secagg among 2 institutions"):
        backtest_records(load_catalogue("synthetic"), few, Asked(institutions=2, noise="secagg"))


def test_progress_reaches_its_end(owner: Path) -> None:
    seen: list[tuple[int, int]] = []
    backtest("synthetic", owner, institutions=2, seeds=1, progress=lambda step, done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_too_few_records_are_refused_with_the_figures() -> None:
    few = Encoded(codes=np.zeros((500, 21), dtype=np.uint8), target=np.tile([0, 1], 250).astype(np.uint8))
    with pytest.raises(TooFewRecords, match="400 records"):
        backtest_records(load_catalogue("synthetic"), few, Asked(institutions=5))


def test_delta_too_large_for_the_sizes_is_refused(owner: Path) -> None:
    with pytest.raises(PrivacyError, match="delta"):
        backtest("synthetic", owner, institutions=2, delta=1e-3)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"institutions": 1}])
def test_impossible_requests_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Asked(**wrong)


def test_command_writes_figures_and_a_table(owner: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures" / "out.json"
    options = ["--catalogue", "synthetic", "--data", str(owner), "--institutions", "2", "--seeds", "1"]
    result = CliRunner().invoke(app, [*options, "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert "federated, private" in result.output
    assert json.loads(out.read_text())["auc"]["federated"]["mean"] > 0.6


def test_command_refuses_with_exit_code_1_and_says_why(owner: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--catalogue", "synthetic", "--data", str(owner), "--epsilon", "0.01", "--json", str(out)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 1
    refused = json.loads(out.read_text())["refused"]
    assert refused["reason"] == "too_few_records"
    assert "records" in refused["expected"]


@pytest.mark.parametrize(
    ("catalogue", "file"),
    [
        ("german", "german.csv.gz"),
        ("japanese", "japanese_crx.csv.gz"),
        ("australian", "australian.csv.gz"),
        ("polish", "polish_1year.csv.gz"),
    ],
)
def test_small_public_sets_are_refused_with_figures(catalogue: str, file: str, tmp_path: Path) -> None:
    if not (SHARED / file).is_file():
        pytest.skip(f"no {file}: the public data sets are not beside the project")
    out = tmp_path / "out.json"
    options = ["--catalogue", catalogue, "--data", str(SHARED / file), "--noise", "local", "--json", str(out)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 1, result.output
    assert json.loads(out.read_text())["refused"]["reason"] == "too_few_records"


@pytest.mark.soak
def test_taiwan_keeps_its_bar() -> None:
    file = SHARED / "taiwan.csv.gz"
    if not file.is_file():
        pytest.skip("no taiwan.csv.gz: the public data sets are not beside the project")
    result = backtest("taiwan", file, seeds=2, noise="local")
    assert result.auc["federated"].mean >= 0.782
    assert result.epsilon.pld <= 1.0


def test_spread_of_one_has_no_deviation() -> None:
    assert Spread.of([0.7]) == Spread(0.7, 0.0)
    assert Spread.of([0.0, 1.0]).sd == pytest.approx(0.70710678)
    assert _cell({"mean": 0.7, "sd": 0.0}, 1) == "0.7000"
    assert _cell({"mean": 0.7, "sd": 0.01}, 2) == "0.7000 ± .0100"


def test_baselines_order_a_learnable_target() -> None:
    catalogue, rng = load_catalogue("synthetic"), np.random.default_rng(2)
    codes = np.column_stack([rng.integers(0, f.n_cells, 4_000) for f in catalogue.features]).astype(np.uint8)
    risk = 1 / (1 + np.exp(2.0 - 0.8 * codes[:, 0]))
    whole = Encoded(codes=codes, target=(rng.random(4_000) < risk).astype(np.uint8))
    train, test = whole.take(np.arange(3_000)), whole.take(np.arange(3_000, 4_000))
    for model in (additive_logits, boosting_logits):
        assert evaluate(outcomes(test), model(catalogue, train, test)).auc > 0.75


def test_baselines_need_both_outcomes() -> None:
    catalogue = load_catalogue("synthetic")
    empty = Encoded(codes=np.zeros((50, 21), dtype=np.uint8), target=np.zeros(50, dtype=np.uint8))
    with pytest.raises(RecordsError, match="bads"):
        additive_logits(catalogue, empty, empty)
    with pytest.raises(RecordsError, match="no outcome"):
        outcomes(Encoded(codes=empty.codes))


def test_no_noise_is_none_and_never_secure() -> None:
    source = NoNoise(1)
    assert not source.secure
    assert not source.gaussian((3, 2), 5.0).any()
    assert (NoNoise(1).uniform(5) == source.uniform(5)).all()
