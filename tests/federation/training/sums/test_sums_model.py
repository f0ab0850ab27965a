"""Whole runs: the same to the bit everywhere, indifferent to who holds what, finite whatever is released."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sums_samples import METHODS, NOMINAL, catalogue, model, privacy, records, run, state

from federation.errors import ConfigurationError
from federation.privacy import PrivacyPlan, SharedNoise
from federation.training import Recipe
from federation.training.sums import Method, Stage, SumModel, SumRecipe, sum_model
from protocols.canonical import canonical, parse_canonical

# SHA-256 (first 8 bytes) of the state after the last round: `records(900, seed=4)` in three parts, SeededNoise(11).
# Made by this file's `finished`; anything that changes them changes what members and auditors compute.
STATES = {"gp": "58a2e9d8818bc287", "g": "89042a32d8bbab45", "a": "04f3e4ddd31a9c23"}


def finished(method: Method, cut: int = 300) -> list[np.ndarray]:
    held = records(900, seed=4)
    members = [held.take(np.arange(a, b)) for a, b in ((0, cut), (cut, 600), (600, 900))]
    return run(model(method), privacy(method), members, seed=11)


@pytest.mark.parametrize("method", METHODS)
def test_states_are_the_known_ones(method: Method) -> None:
    last = finished(method)[-1]
    assert last.dtype == np.float32
    assert sha256(last.astype("<f4").tobytes()).hexdigest()[:16] == STATES[method]


def test_who_holds_which_record_changes_nothing() -> None:
    even, skewed = finished("gp"), finished("gp", cut=20)
    assert all(np.array_equal(a, b) for a, b in zip(even, skewed, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_every_stage_moves_its_part_of_the_state_and_no_other(method: Method) -> None:
    of, states = model(method), finished(method)
    layout = of.setting.layout
    for before, after, stage in zip(states, states[1:], of.rounds, strict=False):
        old, new = layout.read(before), layout.read(after)
        moved = {n for n in old.__dataclass_fields__ if not np.array_equal(getattr(old, n), getattr(new, n))}
        assert (
            moved
            == {
                Stage.HISTOGRAM: {"shares"},
                Stage.MAINS: {"effects", "velocity"},
                Stage.PAIRS: {"weights", "pushes"},
                Stage.CALIBRATION: {"knots"},
            }[stage]
        )


@pytest.mark.parametrize("method", METHODS)
def test_log_odds_are_base_plus_cells_plus_pairs_recalibrated(method: Method) -> None:
    of, held = model(method), records(200, absent=False)
    now = finished(method)[-1]
    raw = np.full(len(held), math.log(catalogue().base_rate / (1 - catalogue().base_rate)))
    for j, effect in enumerate(of.effects(now)):
        raw += effect[held.codes[:, j]]
    for j, effect in enumerate(of.pair_effects(now)):
        raw += effect.ravel()[of.setting.pairs.codes(held)[:, j]]
    knots = of.calibration(now)
    if knots:
        x, y = (np.array(side) for side in zip(*knots, strict=True))
        inside = (raw > x[0]) & (raw < x[-1])
        assert inside.sum() > 100
        assert np.allclose(of.logits(now, held)[inside], np.interp(raw[inside], x, y), atol=1e-4)
    else:
        assert np.allclose(of.logits(now, held), raw, atol=1e-4)


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 61), method=st.sampled_from(METHODS))
@settings(max_examples=20, deadline=None)
def test_no_release_leads_out_of_the_states_that_members_accept(seed: int, bits: int, method: Method) -> None:
    of, rng = model(method), np.random.default_rng(seed)
    now = state(of, seed, spread=5.0)
    for r in sorted({of.rounds.index(stage) + 1 for stage in of.rounds}):
        now = of.advance(r, now, rng.integers(-(2**bits), 2**bits, of.width(r)))
        of.contribution(r, now, records(3))


def test_shares_are_those_of_the_records() -> None:
    of, held = model("g"), records(900, seed=4, absent=False)
    exact = of.advance(1, of.initial(), of.contribution(1, of.initial(), held))
    for j, share in enumerate(of.shares(exact)):
        assert np.allclose(share, np.bincount(held.codes[:, j], minlength=len(share)) / len(held), atol=1e-6)
    assert model("a").shares(model("a").initial()) == ()
    assert all(not share.any() for share in of.shares(of.initial()))


def test_a_bound_holds_noise_and_four_times_the_records() -> None:
    of, plan, held = model("gp"), privacy("gp"), records(300)
    for r in (1, 2, 22, len(of.rounds)):
        sd = float(plan.noise_share(r)) * of.sensitivity(r) * math.sqrt(len(NOMINAL))
        noise = np.random.default_rng(r).normal(0, sd, of.width(r))
        norm = float(np.linalg.norm(of.contribution(r, of.initial(), held) + noise))
        assert norm <= of.bound(r, nominal=300)
        assert of.bound(r, 300) <= 4 * 300 * of.sensitivity(r) + sd * (math.sqrt(of.width(r)) + 10) + 1
        assert of.bound(r) == of.bound(r, sum(NOMINAL))


def test_noise_of_the_sum_is_what_all_members_add() -> None:
    members = (3_000,) * 5
    local = sum_model(catalogue(), SumRecipe.of("gp"), privacy("gp"), members)
    shared = sum_model(catalogue(), SumRecipe.of("gp"), privacy("gp", 5, 1), members)
    for r, multiplier in ((1, 0), (2, 1), (22, 2)):
        own = privacy("gp").stages[multiplier].noise_multiplier
        assert local.noise_sd[r - 1] == pytest.approx(own * math.sqrt(5))
        assert shared.noise_sd[r - 1] == pytest.approx(own * math.sqrt(5 / 3), rel=1e-9)
    with pytest.raises(ConfigurationError, match="sharing"):
        sum_model(catalogue(), SumRecipe.of("gp"), privacy("gp", 5, 1), NOMINAL)


# -------------------------------------------------------------------------------------------------------------- recipe
@pytest.mark.parametrize("method", METHODS)
def test_a_recipe_survives_its_canonical_form_and_is_no_other_recipe(method: Method) -> None:
    recipe = SumRecipe.of(method)
    assert SumRecipe.from_json(parse_canonical(canonical(recipe.to_json()))) == recipe
    with pytest.raises(ConfigurationError, match="recipe"):
        Recipe.from_json(recipe.to_json())
    with pytest.raises(ConfigurationError, match="recipe"):
        SumRecipe.from_json(Recipe(learning_rate=2.0).to_json())


@pytest.mark.parametrize(
    "change", [{"method": "b"}, {"clip": 0.0}, {"clip": math.nan}, {"momentum": 1.0}, {"rate": 0}, {"pairs": 3}]
)
def test_an_impossible_recipe_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="recipe"):
        SumRecipe.from_json({**SumRecipe.of("gp").to_json(), **change})


def test_recipe_and_privacy_plan_must_fit() -> None:
    averaging = PrivacyPlan.calibrate(epsilon=1.0, delta=1e-5)
    for method, plan in (("gp", privacy("g")), ("g", privacy("gp")), ("a", averaging)):
        with pytest.raises(ConfigurationError, match=r"privacy\.stages"):
            sum_model(catalogue(), SumRecipe.of(method), plan, NOMINAL)
    with pytest.raises(ConfigurationError, match=r"privacy\.stages"):
        Recipe(learning_rate=2.0).check_privacy(privacy("gp"))
    twice = PrivacyPlan.calibrate_sums(epsilon=1.0, delta=1e-5, rounds=[2, 30, 1], shares=[0.3, 0.6, 0.1])
    with pytest.raises(ConfigurationError, match="1 histogram"):
        SumRecipe.of("g").check_privacy(twice)
    with pytest.raises(ConfigurationError, match="pairs"):
        sum_model(replace(catalogue(), pairs=()), SumRecipe.of("gp"), privacy("gp"), NOMINAL)
    with pytest.raises(ConfigurationError, match="noise_sd"):
        SumModel(catalogue(), SumRecipe.of("a"), (Stage.MAINS,) * 2, 100, (1.0,))


def test_pairs_are_taken_where_they_are_declared_and_the_noise_is_low() -> None:
    five, small, shared = (4_800,) * 5, (1_200,) * 5, SharedNoise(members=5, droppers=1)
    assert SumRecipe.default(catalogue(), 0.5, 1e-5, five, None).method == "gp"
    assert SumRecipe.default(catalogue(), 1.0, 1e-5, small, None).method == "g"
    assert SumRecipe.default(catalogue(), 1.0, 1e-5, small, shared).method == "g"
    assert SumRecipe.default(catalogue(), 1.0, 1e-5, (1_800,) * 5, shared).method == "gp"
    assert SumRecipe.default(replace(catalogue(), pairs=()), 1.0, 1e-5, five, shared).method == "g"
