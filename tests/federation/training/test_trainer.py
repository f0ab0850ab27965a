"""What leaves an institution after a round: bounded, noisy, blind to the number of records; and what a model says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError, PrivacyError, RecordsError
from federation.privacy import OsNoise, PrivacyPlan, SeededNoise
from federation.privacy.lattice import POINTS
from federation.records.encoded import Encoded
from federation.training import (
    Recipe,
    Trainer,
    cell_effects,
    initial_parameters,
    logits,
)
from federation.training.additive import AdditiveModel
from federation.training.recipe import noise_of

ADDITIVE = Recipe(learning_rate=10.0)
MLP = Recipe(family="mlp", hidden=(16,), learning_rate=10.0)


def plan(recipe: Recipe = ADDITIVE, **change: object) -> PrivacyPlan:
    base = PrivacyPlan(
        epsilon=1.0,
        delta=1e-5,
        sampling_rate=0.2,
        noise_multiplier=7.6254,
        clip=0.5,
        steps_per_round=5,
        rounds=20,
    )
    return base.model_copy(update={"distribution": noise_of(recipe.family), **change})


class NoNoise(SeededNoise):
    """Samples, and adds nothing: shows the clipped sums themselves."""

    def gaussian(self, shape: object, scale: float) -> np.ndarray:
        return np.zeros(tuple(shape))  # type: ignore[call-overload]

    def discrete_gaussian(self, size: int, sigma: object) -> np.ndarray:
        return np.zeros(size, dtype=np.int64)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue("synthetic")


def records(catalogue: Catalogue, n: int, seed: int = 0) -> Encoded:
    """Codes at random; the outcome follows the first two features."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, f.n_cells, n) for f in catalogue.features], axis=1).astype(np.uint8)
    z = 1.5 * (codes[:, 0] > 2) - 1.5 * (codes[:, 1] > 2) - 1.5
    return Encoded(codes, (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.uint8))


def public_log_odds(catalogue: Catalogue) -> float:
    return math.log(catalogue.base_rate / (1 - catalogue.base_rate))


@pytest.mark.parametrize("recipe", [ADDITIVE, MLP], ids=["additive", "mlp"])
class TestEveryFamily:
    def test_starts_at_the_public_base_rate(self, catalogue: Catalogue, recipe: Recipe) -> None:
        start = initial_parameters(catalogue, recipe)
        assert start.dtype == np.float32
        assert np.array_equal(start, initial_parameters(catalogue, recipe))
        out = logits(catalogue, recipe, start, records(catalogue, 50).codes)
        assert out.dtype == np.float64
        assert np.allclose(out, public_log_odds(catalogue))

    def test_a_round_is_a_finite_float32_change(self, catalogue: Catalogue, recipe: Recipe) -> None:
        start = initial_parameters(catalogue, recipe)
        delta = Trainer(catalogue, recipe, plan(recipe), 400, OsNoise()).round(start, records(catalogue, 400))
        assert delta.dtype == np.float32
        assert delta.shape == start.shape
        assert np.isfinite(delta).all()
        assert delta.any()

    def test_rounds_differ_with_os_noise_and_repeat_with_a_seed(self, catalogue: Catalogue, recipe: Recipe) -> None:
        start, held = initial_parameters(catalogue, recipe), records(catalogue, 300)
        seeded = [Trainer(catalogue, recipe, plan(recipe), 300, SeededNoise(5)).round(start, held) for _ in range(2)]
        assert np.array_equal(*seeded)
        drawn = [Trainer(catalogue, recipe, plan(recipe), 300, OsNoise()).round(start, held) for _ in range(2)]
        assert not np.array_equal(*drawn)

    def test_no_records_at_all_still_release_noise(self, catalogue: Catalogue, recipe: Recipe) -> None:
        nobody = records(catalogue, 1).take(np.array([], dtype=np.int64))
        delta = Trainer(catalogue, recipe, plan(recipe), 300, OsNoise()).round(
            initial_parameters(catalogue, recipe), nobody
        )
        assert (delta != 0).mean() > 0.99

    def test_one_record_cannot_move_a_step_by_more_than_the_clip(self, catalogue: Catalogue, recipe: Recipe) -> None:
        """Noise off, everybody sampled, one step: leave each record out in turn and look at the sum of gradients."""
        full = plan(recipe, sampler="full", sampling_rate=1.0, steps_per_round=1, clip=0.05)
        rng = np.random.default_rng(1)
        start = (initial_parameters(catalogue, recipe) + rng.normal(size=1)).astype(np.float32) * 3
        held = records(catalogue, 12)
        trainer = Trainer(catalogue, recipe, full, 10, NoNoise(0))
        unit = recipe.learning_rate / 10  # what a sum of gradients is multiplied by
        whole = trainer.round(start, held) / unit
        moves = []
        for out in range(len(held)):
            without = trainer.round(start, held.take(np.arange(len(held)) != out)) / unit
            moves.append(float(np.linalg.norm(whole - without)))
        assert max(moves) <= 0.05 * 1.001 + 1e-5
        assert max(moves) > 0.04  # and the test would see it if it could

    def test_the_update_is_divided_by_the_nominal_size(self, catalogue: Catalogue, recipe: Recipe) -> None:
        full = plan(recipe, sampler="full", sampling_rate=1.0, steps_per_round=1)
        start, held = initial_parameters(catalogue, recipe), records(catalogue, 200)
        halves = [Trainer(catalogue, recipe, full, size, NoNoise(0)).round(start, held) for size in (100, 200)]
        assert np.allclose(halves[0], 2 * halves[1], rtol=1e-3, atol=1e-6)

    def test_wrong_parameters_are_refused(self, catalogue: Catalogue, recipe: Recipe) -> None:
        start = initial_parameters(catalogue, recipe)
        trainer = Trainer(catalogue, recipe, plan(recipe), 100, OsNoise())
        held = records(catalogue, 10)
        with pytest.raises(ConfigurationError, match="parameters"):
            trainer.round(start[:-1], held)
        start[0] = np.nan
        with pytest.raises(ConfigurationError, match="finite"):
            trainer.round(start, held)
        with pytest.raises(ConfigurationError, match="finite"):
            logits(catalogue, recipe, start, held.codes)

    def test_records_without_an_outcome_are_refused(self, catalogue: Catalogue, recipe: Recipe) -> None:
        unlabelled = Encoded(records(catalogue, 5).codes)
        with pytest.raises(RecordsError, match="target"):
            Trainer(catalogue, recipe, plan(recipe), 100, OsNoise()).round(
                initial_parameters(catalogue, recipe), unlabelled
            )

    def test_it_learns_without_noise(self, catalogue: Catalogue, recipe: Recipe) -> None:
        held, fresh = records(catalogue, 4_000), records(catalogue, 2_000, seed=9)
        model = initial_parameters(catalogue, recipe)
        trainer = Trainer(catalogue, recipe, plan(recipe), 4_000, NoNoise(3))
        for _ in range(15):
            model = model + trainer.round(model, held)
        out = logits(catalogue, recipe, model, fresh.codes)
        bad = fresh.target == 1
        auc = stats.mannwhitneyu(out[bad], out[~bad]).statistic / (bad.sum() * (~bad).sum())
        assert auc > 0.65


def test_a_delta_too_large_for_the_institution_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(PrivacyError, match="delta"):
        Trainer(catalogue, ADDITIVE, plan(), 10_001, OsNoise())


def test_the_noise_in_an_update_is_that_of_the_plan(catalogue: Catalogue) -> None:
    """Nobody's records, one step without momentum: what is left is learning rate x sigma x C / (q N) in every place."""
    single = plan(steps_per_round=1)
    nobody = records(catalogue, 1).take(np.array([], dtype=np.int64))
    start = initial_parameters(catalogue, ADDITIVE)
    trainer = Trainer(catalogue, ADDITIVE, single, 1_000, OsNoise())
    moved = np.concatenate([trainer.round(start, nobody) for _ in range(60)])
    sd = ADDITIVE.learning_rate * single.noise_multiplier * single.clip / (0.2 * 1_000)
    assert 1e-6 < stats.chi2.cdf(((moved / sd) ** 2).sum(), len(moved)) < 1 - 1e-6


def test_cell_effects_add_up_to_the_logits(catalogue: Catalogue) -> None:
    rng = np.random.default_rng(4)
    model = rng.normal(size=len(initial_parameters(catalogue, ADDITIVE))).astype(np.float32)
    codes = records(catalogue, 100).codes
    effects = cell_effects(catalogue, ADDITIVE, model)
    assert [len(e) for e in effects] == [f.n_cells for f in catalogue.features]
    summed = public_log_odds(catalogue) + sum(e[codes[:, j]] for j, e in enumerate(effects))
    assert np.allclose(logits(catalogue, ADDITIVE, model, codes), summed, atol=1e-12)
    with pytest.raises(ConfigurationError, match="additive"):
        cell_effects(catalogue, MLP, initial_parameters(catalogue, MLP))


def test_the_closed_form_gradient_is_that_of_autograd(catalogue: Catalogue) -> None:
    model = AdditiveModel(catalogue)
    held = records(catalogue, 60)
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=model.dimension)).requires_grad_()
    dense = torch.from_numpy(model.embedding.dense(held.codes)).double()
    total = torch.zeros(model.dimension, dtype=torch.float64)
    for x, y in zip(dense, torch.from_numpy(held.target.astype(float)), strict=True):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights + model.intercept, y)
        (gradient,) = torch.autograd.grad(loss, weights)
        total += gradient * min(1.0, 0.3 / float(gradient.norm()))
    ours = model.clipped_sum(weights.detach().numpy(), held.codes, held.target, 0.3) / POINTS
    assert np.allclose(ours, total.numpy(), atol=60 * 2**-12)  # what the sigmoid's table rounds, for each record
    assert np.abs(ours).max() > 0.3


def test_scoring_in_chunks_is_scoring(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    from federation.training import mlp

    rng = np.random.default_rng(4)
    model = rng.normal(size=len(initial_parameters(catalogue, MLP))).astype(np.float32) / 4
    codes = records(catalogue, 100).codes
    whole = logits(catalogue, MLP, model, codes)
    monkeypatch.setattr(mlp, "_CHUNK", 7)
    assert np.allclose(logits(catalogue, MLP, model, codes), whole, atol=1e-5)
    assert logits(catalogue, MLP, model, codes[:0]).shape == (0,)


def test_recipe_round_trip_and_refusals() -> None:
    for recipe in (ADDITIVE, MLP):
        assert Recipe.from_json(recipe.to_json()) == recipe
    for change in ({"family": "tree"}, {"momentum": 1.0}, {"learning_rate": 0.0}, {"hidden": [4]}, {"x": 1}):
        with pytest.raises(ConfigurationError, match="recipe"):
            Recipe.from_json({**ADDITIVE.to_json(), **change})
    with pytest.raises(ConfigurationError, match="hidden"):
        Recipe(family="mlp", learning_rate=1.0)


def test_the_default_recipe_takes_longer_steps_where_noise_is_low(catalogue: Catalogue) -> None:
    loud = Recipe.default(catalogue, plan(), [4_000] * 3)
    quiet = Recipe.default(catalogue, plan(delta=1e-8), [900_000] * 3)
    curvature = catalogue.base_rate * (1 - catalogue.base_rate)
    assert loud.learning_rate == pytest.approx(2 / curvature)
    assert quiet.learning_rate == pytest.approx(4 / curvature)
    assert (loud.momentum, loud.average_last, loud.family) == (0.5, 10, "additive")
