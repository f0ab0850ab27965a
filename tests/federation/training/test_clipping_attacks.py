"""A coordinator chooses the model, so that one record's gradient is as awkward for arithmetic as it can be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.privacy import GaussianEvent, OsNoise, PrivacyPlan, SeededNoise
from federation.privacy.lattice import POINTS
from federation.privacy.mechanism import GaussianMechanism
from federation.records.encoded import Encoded
from federation.training import Recipe, Trainer, dimension, initial_parameters, logits, mlp
from federation.training.additive import AdditiveModel
from federation.training.mlp import MlpModel
from federation.training.recipe import Family, noise_of

CLIP = 1e-3
TINY = 1e-8  # a clip that no plan may have: there the vanishing shows most
DEEP = (1, 1, 1)
CATALOGUE = load_catalogue("australian")


def plan(clip: float = CLIP, family: Family = "additive") -> PrivacyPlan:
    return PrivacyPlan(
        epsilon=1.0,
        delta=1e-5,
        sampler="full",
        sampling_rate=1.0,
        noise_multiplier=30.0,
        clip=clip,
        steps_per_round=1,
        rounds=1,
        distribution=noise_of(family),
    )


def mechanism(clip: float = CLIP) -> GaussianMechanism:
    return plan(clip, "mlp").mechanism(SeededNoise(1))


def held(catalogue: Catalogue, count: int, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, feature.n_cells, count) for feature in catalogue.features]
    return Encoded(np.stack(codes, axis=1).astype(np.uint8), rng.integers(0, 2, count).astype(np.uint8))


def _towards(model: MlpModel, target: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Parameters for which the target alone leaves the network, 10^17 strong, to be wrong by 10^-23 only."""
    weights = model.embedding.dense(np.vstack([target, others]))
    direction = weights[0]
    projections = weights @ direction
    flat, d = np.zeros(model.dimension), model.embedding.dimension
    threshold = (projections[0] + projections[1:].max()) / 2
    flat[:d], flat[d] = 1e6 * direction, -1e6 * threshold
    for layer in range(len(DEEP) - 1):
        flat[d + 1 + 2 * layer] = 1e6
    flat[-1] = -53.0 - model.intercept
    return flat


def _contribution() -> float:
    """By how much one chosen record moves the clipped sum of 200, in L2 norm."""
    model, records = MlpModel(CATALOGUE, DEEP), held(CATALOGUE, 200)
    target, outcomes = records.codes[0], np.zeros(200, dtype=np.uint8)
    flat = _towards(model, target, records.codes[1:])
    tiny = GaussianMechanism(GaussianEvent(1.0, 30.0, 1), clip=TINY, noise=SeededNoise(1))
    with_it = model.clipped_sum(flat, records.codes, outcomes, tiny)
    without = model.clipped_sum(flat, records.codes[1:], outcomes[1:], tiny)
    return float(np.linalg.norm(with_it - without))


def test_a_square_that_vanishes_does_not_pass_for_a_short_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0.999 * TINY < _contribution() <= TINY * (1 + 1e-9)
    monkeypatch.setattr(mlp, "_lengths", lambda rows: (rows.float() ** 2).sum(1).sqrt().double())
    assert _contribution() > 20 * TINY  # the norms of float32 arithmetic: the record enters as it is


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    size=st.floats(-12, 6),
    seed=st.integers(0, 2**32),
    clip=st.sampled_from([1e-3, 0.5, 1e3]),
)
def test_no_model_makes_a_record_enter_beyond_the_clip(hidden: list[int], size: float, seed: int, clip: float) -> None:
    model, record = MlpModel(CATALOGUE, tuple(hidden)), held(CATALOGUE, 1, seed)
    flat = np.random.default_rng(seed).normal(size=model.dimension) * 10.0**size
    flat = np.clip(flat, -1e6, 1e6)
    total = model.clipped_sum(flat, record.codes, record.target, mechanism(clip))
    assert np.isfinite(total).all()
    assert np.linalg.norm(total) <= clip * (1 + 1e-9)


def test_the_gradient_is_that_of_autograd() -> None:
    """One record at a time, so that clipping and summing are checked against the definition."""
    model, records = MlpModel(CATALOGUE, (4, 3)), held(CATALOGUE, 30)
    flat = torch.from_numpy(np.random.default_rng(3).normal(size=model.dimension)).requires_grad_()
    x = torch.from_numpy(model.embedding.dense(records.codes))
    total = torch.zeros(model.dimension, dtype=torch.float64)
    for row, outcome in zip(x, records.target, strict=True):
        z, layers = row, model._layers(flat)
        for weight, bias in layers[:-1]:
            z = torch.relu(weight @ z + bias)
        z = layers[-1][0] @ z + layers[-1][1] + model.intercept
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor([float(outcome)]).double())
        (gradient,) = torch.autograd.grad(loss, flat)
        total += gradient * min(1.0, 0.5 / float(gradient.norm()))
    ours = model.clipped_sum(flat.detach().numpy(), records.codes, records.target, mechanism(0.5))
    assert np.allclose(ours, total.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e200, -1e300])
def test_arithmetic_that_breaks_down_for_a_record_leaves_it_out_of_the_sum(value: float) -> None:
    """Such a model is refused beforehand; were it not, no sum and no failure would tell that the record is there."""
    records, model = held(CATALOGUE, 20), MlpModel(CATALOGUE, (3,))
    flat = np.random.default_rng(1).normal(size=model.dimension)
    flat[::3] = value
    for outcomes in (records.target, 1 - records.target):
        total = model.clipped_sum(flat, records.codes, outcomes, mechanism(0.5))
        assert np.isfinite(total).all()
        assert np.linalg.norm(total) <= 20 * 0.5


@pytest.mark.filterwarnings("ignore:invalid value")
@settings(max_examples=80, deadline=None)
@given(
    size=st.one_of(st.floats(-12, 6), st.sampled_from([np.nan, np.inf, 30.0, 300.0])),
    seed=st.integers(0, 2**32),
    clip=st.sampled_from([1e-3, 0.3, 0.5, 1.0, 1e3]),
    absent=st.booleans(),
)
def test_a_record_of_the_additive_model_moves_the_sum_by_the_clip_at_most(
    size: float, seed: int, clip: float, absent: bool
) -> None:
    """In Python's integers, without any tolerance: whatever the model, also one that is not a number."""
    model, record = AdditiveModel(CATALOGUE), held(CATALOGUE, 1, seed)
    if absent:
        record.codes[0, ::2] = [feature.n_cells for feature in CATALOGUE.features[::2]]
    with np.errstate(all="ignore"):
        flat = np.random.default_rng(seed).normal(size=model.dimension) * 10.0**size
        total = model.clipped_sum(flat, record.codes, record.target, clip).tolist()
    assert sum(value**2 for value in total) <= (Fraction(clip) * POINTS) ** 2


def test_the_largest_model_allowed_stays_within_int64() -> None:
    model, records = AdditiveModel(CATALOGUE), held(CATALOGUE, 50)
    for sign in (1.0, -1.0):
        flat = np.full(model.dimension, sign * 1e6)
        dense = (model.embedding.dense(records.codes) * 2**16).astype(np.int64).tolist()
        exact = [model._intercept + sum(x * int(sign * 1e6 * 2**20) for x in row) for row in dense]
        assert model._log_odds(flat, records.codes).tolist() == exact


def test_factors_of_norms_that_say_nothing() -> None:
    norms = torch.tensor([0.0, 5e-324, 0.5, 1.0, 1e199, 1e300, torch.inf, torch.nan], dtype=torch.float64)
    factors = mechanism(0.5).clip_factors(norms).tolist()
    assert factors == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.5e-199, 0.5e-300, 0.0, 0.0], rel=1e-12, abs=0)


@pytest.mark.parametrize("recipe", [Recipe(learning_rate=1e4), Recipe(family="mlp", hidden=(3,), learning_rate=1e4)])
def test_the_longest_steps_end_within_the_bound(recipe: Recipe) -> None:
    loud = PrivacyPlan.model_validate(
        {**plan(1e3, recipe.family).to_json(), "noise_multiplier": 1e4, "steps_per_round": 3}
    )
    start = initial_parameters(CATALOGUE, recipe)
    moved = Trainer(CATALOGUE, recipe, loud, 1, OsNoise()).round(start, held(CATALOGUE, 10))
    assert np.isfinite(moved).all()
    assert np.abs(moved).max() <= 1e6 + np.abs(start).max()


@pytest.mark.parametrize("value", [1.1e6, -1.1e6, np.nan, np.inf])
def test_a_model_out_of_bounds_is_refused_whatever_the_records(value: float) -> None:
    recipe = Recipe(learning_rate=1.0)
    start = np.full(dimension(CATALOGUE, recipe), value, dtype=np.float32)
    for count in (0, 10):
        with pytest.raises(ConfigurationError, match="parameters"):
            Trainer(CATALOGUE, recipe, plan(), 100, OsNoise()).round(start, held(CATALOGUE, count))
    with pytest.raises(ConfigurationError, match="parameters"):
        logits(CATALOGUE, recipe, start, held(CATALOGUE, 3).codes)


@pytest.mark.parametrize(
    "change", [{"hidden": (8,) * 5}, {"hidden": (1025,)}, {"learning_rate": 1.1e4}, {"hidden": ()}]
)
def test_recipes_beyond_the_bounds_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="recipe"):
        Recipe.from_json({"family": "mlp", "hidden": (8,), "learning_rate": 1.0, **change})


def test_the_size_of_a_model_is_known_without_building_it(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(family="mlp", hidden=(8, 4), learning_rate=1.0)
    size = initial_parameters(CATALOGUE, recipe).size
    monkeypatch.setattr(MlpModel, "initial", lambda self: pytest.fail("a model was built"))
    assert dimension(CATALOGUE, recipe) == size
