"""A plan keeps its budget, says so truthfully, and cannot be bent into one that does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import PrivacyError, TooFewRecords
from federation.privacy import PrivacyPlan, SeededNoise, check_delta, check_enough_records, epsilons, noise_level
from federation.privacy.calibration import calibrate_multiplier, evaluation_multiplier
from protocols.canonical import canonical, parse_canonical

DELTA = 1e-5


@pytest.fixture(scope="module")
def plan() -> PrivacyPlan:
    return PrivacyPlan.calibrate(epsilon=1.0, delta=DELTA)


@pytest.mark.parametrize(("epsilon", "multiplier"), [(0.5, 14.22), (1, 7.63), (2, 4.18), (4, 2.38), (8, 1.445)])
def test_noise_multipliers_are_the_known_ones(epsilon: float, multiplier: float) -> None:
    assert calibrate_multiplier(epsilon, DELTA, 0.2, 100) == pytest.approx(multiplier, rel=0.01)


def test_a_calibrated_plan_spends_its_budget_and_not_more(plan: PrivacyPlan) -> None:
    claims = plan.claims()
    assert 0.999 * plan.epsilon < claims.pld <= plan.epsilon
    assert claims.prv <= 1.02 * plan.epsilon
    plan.check()


def test_a_little_less_noise_would_not_do(plan: PrivacyPlan) -> None:
    careless = plan.model_copy(update={"noise_multiplier": plan.noise_multiplier - 0.01})
    with pytest.raises(PrivacyError, match=r"privacy\.epsilon"):
        careless.check()


def test_spare_rounds_and_evaluation_are_paid_for_in_advance(plan: PrivacyPlan) -> None:
    full = PrivacyPlan.calibrate(epsilon=1.0, delta=DELTA, spare_rounds=2, evaluation_share=0.05)
    assert full.noise_multiplier > plan.noise_multiplier
    assert sum(event.steps for event in full.events()) == 22 * 5 + 1
    assert full.claims().pld <= 1.0
    spent = [full.round_event()] * 22 + [full.evaluation_event()]
    assert epsilons(spent, DELTA) == full.claims()


def test_evaluation_takes_its_share_of_mu_squared() -> None:
    assert evaluation_multiplier(1.0, DELTA, 0.05) == pytest.approx(1 / (0.26805 * math.sqrt(0.05)), rel=1e-3)
    assert evaluation_multiplier(1.0, DELTA, 0.0) is None
    with pytest.raises(PrivacyError, match="evaluation_share"):
        evaluation_multiplier(1.0, DELTA, 1.0)
    with pytest.raises(PrivacyError, match="evaluation_multiplier"):
        calibrate_multiplier(1.0, DELTA, 0.2, 100, evaluation=3.0)


def test_full_sampling_is_the_closed_form() -> None:
    full = PrivacyPlan.calibrate(epsilon=1.0, delta=DELTA, rounds=30, steps_per_round=1, sampling_rate=1.0)
    assert full.sampler == "full"
    assert full.noise_multiplier == pytest.approx(math.sqrt(30) / 0.26805, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"sampler": "full"},
        {"sampling_rate": 1.0},
        {"sampler": "shuffle"},
        {"adjacency": "replace_one"},
        {"noise": "none"},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": math.inf},
        {"delta": 0.0},
        {"rounds": 0},
        {"rounds": 2.5},
        {"epsilon": "1"},
        {"clip": math.nan},
        {"evaluation_multiplier": -1.0},
        {"surprise": 1},
    ],
    ids=str,
)
def test_plans_that_no_mechanism_keeps_are_refused(plan: PrivacyPlan, change: dict[str, object]) -> None:
    with pytest.raises(PrivacyError, match="privacy"):
        PrivacyPlan.from_json({**plan.to_json(), **change})


def test_a_plan_is_frozen(plan: PrivacyPlan) -> None:
    with pytest.raises(ValueError, match="frozen"):
        plan.clip = 9.0  # type: ignore[misc]


@settings(max_examples=40, deadline=None)
@given(
    multiplier=st.floats(0.1, 100),
    rounds=st.integers(1, 500),
    evaluation=st.none() | st.floats(0.5, 50),
    whole=st.booleans(),
)
def test_json_round_trip_through_canonical_bytes(
    multiplier: float, rounds: int, evaluation: float | None, whole: bool
) -> None:
    plan = PrivacyPlan(
        epsilon=1.0,
        delta=DELTA,
        sampler="full" if whole else "poisson",
        sampling_rate=1.0 if whole else 0.25,
        noise_multiplier=multiplier,
        clip=1.0,
        steps_per_round=1,
        rounds=rounds,
        evaluation_multiplier=evaluation,
    )
    assert PrivacyPlan.from_json(parse_canonical(canonical(plan.to_json()))) == plan


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 101.0, math.nan])
def test_budgets_out_of_range(epsilon: float) -> None:
    with pytest.raises(PrivacyError, match="epsilon"):
        PrivacyPlan.calibrate(epsilon=epsilon, delta=DELTA)
    with pytest.raises(PrivacyError, match="delta"):
        PrivacyPlan.calibrate(epsilon=1.0, delta=0.5)


def test_the_mechanism_and_its_event_come_from_one_object(plan: PrivacyPlan) -> None:
    mechanism = plan.mechanism(SeededNoise(1))
    assert mechanism.event == plan.round_event()
    assert mechanism.scale == plan.noise_multiplier * plan.clip


def test_evaluation_needs_a_plan_that_has_one(plan: PrivacyPlan) -> None:
    assert plan.evaluation_event() is None
    with pytest.raises(PrivacyError, match="evaluation"):
        plan.evaluation(SeededNoise(1))
    paid = plan.model_copy(update={"evaluation_multiplier": 16.0})
    assert paid.evaluation(SeededNoise(1)).scale == 16.0


def test_delta_is_at_most_a_tenth_of_one_over_the_records() -> None:
    check_delta(1e-5, [10_000, 300])
    with pytest.raises(PrivacyError, match="delta"):
        check_delta(1e-5, [300, 10_001])


def test_the_noise_level_of_a_known_federation() -> None:
    assert noise_level(1.0, DELTA, [4_800] * 5) == pytest.approx(9.52e-4, rel=1e-2)
    with pytest.raises(PrivacyError, match="nominal_records"):
        noise_level(1.0, DELTA, [])


def test_enough_records_pass_however_they_are_split() -> None:
    check_enough_records(1.0, DELTA, [2_000] * 5)
    check_enough_records(1.0, DELTA, [9_600, 6_000, 4_080, 2_640, 1_680])
    check_enough_records(4.0, DELTA, [600] * 5)


def test_too_few_records_are_refused_with_figures_that_help() -> None:
    with pytest.raises(TooFewRecords) as refused:
        check_enough_records(1.0, DELTA, [160] * 5)
    assert "800 records in 5 institutions at epsilon 1" in refused.value.got
    assert "at least 10000 records (2000 an institution)" in refused.value.expected
    assert "--force" in refused.value.expected
    larger = float(refused.value.expected.split("or epsilon ")[1].split()[0])
    check_enough_records(larger, DELTA, [160] * 5)
    with pytest.raises(TooFewRecords):
        check_enough_records(larger - 0.2, DELTA, [160] * 5)
    check_enough_records(1.0, DELTA, [160] * 5, force=True)


def test_where_no_epsilon_helps_it_says_so() -> None:
    with pytest.raises(TooFewRecords, match="above 100"):
        check_enough_records(1.0, DELTA, [3])
