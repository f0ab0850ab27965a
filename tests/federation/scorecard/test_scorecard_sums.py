"""Scorecards of recipes of sums: pairs and recalibration, and still every part adds up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.records.encoded import Encoded
from federation.scorecard import Scaling, Scorecard
from federation.scorecard.recalibration import Recalibration
from federation.training.sums import SumRecipe, sum_model

CATALOGUE = load_catalogue("taiwan")
RECIPE = SumRecipe.of("gp")
MODEL = sum_model(CATALOGUE, RECIPE, RECIPE.calibrate(epsilon=8.0, delta=1e-5, sharing=None), [4000] * 3)


def records(count: int) -> Encoded:
    rng = np.random.default_rng(5)

    def codes(features) -> NDArray[np.uint8]:  # type: ignore[no-untyped-def]
        return np.stack([rng.integers(0, f.n_cells, count) for f in features], axis=1).astype(np.uint8)

    target = rng.integers(0, 2, count).astype(np.uint8)
    return Encoded(codes(CATALOGUE.features), target, pair_codes=codes(CATALOGUE.pair_features))


@pytest.fixture(scope="module")
def state() -> NDArray[np.float32]:
    """After all rounds, without noise, on random records: every effect and knot is something."""
    found, held = MODEL.initial(), records(3000)
    for number in range(1, len(MODEL.rounds) + 1):
        found = MODEL.advance(number, found, MODEL.contribution(number, found, held))
    return found


def card(state: NDArray[np.float32], **changes: object) -> Scorecard:
    tables = {"pairs": MODEL.pair_effects(state), "knots": MODEL.calibration(state), **changes}
    scaling = Scaling(minimum_known=0.0)
    return Scorecard(CATALOGUE, MODEL.effects(state), scaling, MODEL.shares(state), **tables)  # type: ignore[arg-type]


def test_the_score_is_the_models_own_log_odds(state: NDArray[np.float32]) -> None:
    held = records(500)
    scores = card(state).score(held)
    expected = Scaling().from_logits(MODEL.logits(state, held))
    assert np.abs(scores.unclamped - expected).max() < 1e-6
    assert np.ptp(expected) > 1  # it is a model, not a constant
    without = card(state, pairs=()).score(held)
    assert np.abs(without.unclamped - expected).max() > 1e-3


def test_parts_add_up_to_the_score_and_reasons_name_families(state: NDArray[np.float32]) -> None:
    scores = card(state).score(records(500))
    assert scores.parts is not None
    assert scores.reasons is not None
    assert np.abs(scores.parts.sum(axis=1) - scores.unclamped).max() < 1e-9
    assert (scores.reasons[:, 0] >= 0).any()
    assert scores.reference == "average subject"


def test_recalibration_changes_no_order(state: NDArray[np.float32]) -> None:
    held = records(500)
    calibrated, raw = card(state).score(held).unclamped, card(state, knots=()).score(held).unclamped
    assert not np.allclose(calibrated, raw)
    assert (np.diff(calibrated[np.argsort(raw, kind="stable")]) >= -1e-9).all()


def test_tables_of_another_shape_and_knots_that_fall_are_refused(state: NDArray[np.float32]) -> None:
    with pytest.raises(ConfigurationError, match="pairs"):
        card(state, pairs=MODEL.pair_effects(state)[1:])
    for knots in (((0.0, 0.0),), ((0.0, 0.0), (1.0, 0.0)), ((0.0, 0.0), (1.0, float("nan")))):
        with pytest.raises(ConfigurationError, match="knots"):
            Recalibration(knots)
