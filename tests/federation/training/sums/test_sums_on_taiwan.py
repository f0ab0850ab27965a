"""What the recipes reach on real data, over the whole path: exact sums, discrete noise in shares, public arithmetic."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sums_samples import run

from federation.catalogue import Catalogue, load_catalogue
from federation.evaluation.metrics import Metrics, evaluate
from federation.privacy import SharedNoise
from federation.records import load_records
from federation.records.encoded import Encoded
from federation.training.sums import Method, SumRecipe, sum_model
from workbench.backtest import SPLIT_SEED, TEST_FRACTION
from workbench.partition import Split, holdout, partition

DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data" / "taiwan.csv.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there")
SEEDS = 5
SHARED = SharedNoise(members=5, droppers=1)


@cache
def split() -> tuple[Catalogue, Encoded, Encoded]:
    catalogue = load_catalogue("taiwan")
    everybody, _ = load_records(DATA, catalogue)
    assert everybody.target is not None
    train, test = holdout(everybody.target, TEST_FRACTION, SPLIT_SEED)
    return catalogue, everybody.take(train), everybody.take(test)


@cache
def figures(
    method: Method, epsilon: float, sharing: SharedNoise | None, how: Split = "even", seeds: int = SEEDS
) -> tuple[Metrics, ...]:
    catalogue, train, test = split()
    recipe = SumRecipe.of(method)
    plan = recipe.calibrate(epsilon=epsilon, delta=1e-5, sharing=sharing)
    assert plan.claims().pld <= epsilon
    found = []
    for seed in range(seeds):
        parts = partition(train, 5, how, np.random.default_rng(seed))
        model = sum_model(catalogue, recipe, plan, parts.nominal)
        state = run(model, plan, [train.take(rows) for rows in parts.members], seed)[-1]
        found.append(evaluate(test.target, model.logits(state, test)))
    return tuple(found)


def mean(found: tuple[Metrics, ...], name: str) -> float:
    return float(np.mean([getattr(figure, name) for figure in found]))


@pytest.mark.parametrize(
    ("method", "epsilon", "sharing", "bar"),
    [
        ("gp", 1.0, SHARED, 0.789),
        ("gp", 1.0, SharedNoise(members=5), 0.789),
        ("gp", 0.5, SHARED, 0.786),
        ("gp", 1.0, None, 0.786),
    ],
)
def test_auc_is_above_the_bar(method: Method, epsilon: float, sharing: SharedNoise | None, bar: float) -> None:
    found = figures(method, epsilon, sharing)
    assert mean(found, "auc") >= bar


def test_probabilities_are_calibrated() -> None:
    assert mean(figures("gp", 1.0, SHARED), "ece") <= 0.022


def test_a_skewed_split_costs_nothing() -> None:
    skewed = figures("gp", 1.0, SHARED, "skewed", seeds=1)[0]
    assert skewed.auc == pytest.approx(figures("gp", 1.0, SHARED)[0].auc, abs=1e-9)


def test_pairs_are_worth_their_budget_under_shared_noise() -> None:
    assert mean(figures("gp", 1.0, SHARED), "auc") > mean(figures("g", 1.0, SHARED, seeds=3), "auc")
