"""Plans are built from public figures, or refused with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rounds_world import BUNDLE, COORDINATOR, START, catalogue, member, records

from federation.catalogue import load_catalogue
from federation.delta import default_delta
from federation.errors import ConfigurationError, PrivacyError, TooFewRecords
from federation.privacy import OsNoise
from federation.rounds import TrainingPlan
from federation.training import Recipe, Trainer, initial_parameters
from federation.training.sums import SumRecipe
from server.plans import PlanOptions, build_plan, default_quorum, explain, method_of, trust, update_norm_bound


def options(**changes: Any) -> PlanOptions:
    return PlanOptions("spring", COORDINATOR.public.hex, BUNDLE, START, **{"rounds": 4, "noise": "local", **changes})


ROSTER = [member("bank-c", 6000), member("bank-a", 9000), member("bank-b", 6000)]


def test_a_plan_is_complete_and_keeps_its_budget() -> None:
    plan = build_plan(ROSTER, catalogue(), options())
    assert TrainingPlan.read(plan.canonical()) == plan
    assert [m.institution for m in plan.members] == ["bank-a", "bank-b", "bank-c"]
    assert (plan.quorum, plan.privacy.spare_rounds, plan.rounds) == (2, 2, 4)
    assert plan.privacy.claims().pld <= 1.0
    assert plan.privacy.evaluation_multiplier is not None
    assert plan.expires == int(START) + 7 * 86_400


def test_too_few_records_are_refused_with_the_figures_unless_forced() -> None:
    roster = [member("bank-a", 200), member("bank-b", 200)]
    with pytest.raises(TooFewRecords, match="400 records"):
        build_plan(roster, catalogue(), options())
    assert build_plan(roster, catalogue(), options(force=True, rounds=1)).quorum == 2


def test_delta_must_fit_every_member() -> None:
    assert default_delta([500]) == 1e-5
    assert default_delta([20_000, 500]) == 5e-6
    with pytest.raises(PrivacyError, match="delta"):
        build_plan([*ROSTER, member("bank-d", 50_000)], catalogue(), options(delta=1e-5))


@pytest.mark.parametrize(("members", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (10, 9)])
def test_the_quorum_is_all_but_one_and_at_least_two(members: int, quorum: int) -> None:
    assert default_quorum(members) == quorum


def test_a_quorum_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="quorum"):
        build_plan(ROSTER, catalogue(), options(quorum=4))


def test_honest_updates_stay_well_within_the_public_bound() -> None:
    plan = build_plan(ROSTER, catalogue(), options())
    start = initial_parameters(catalogue(), plan.recipe)
    trainer = Trainer(catalogue(), plan.recipe, plan.privacy, 6000, OsNoise())
    norms = [float(np.linalg.norm(trainer.round(start, records(seed, 6000)))) for seed in range(5)]
    assert 2 * max(norms) < plan.max_update_norm < 200 * max(norms)
    assert update_norm_bound(plan.recipe, plan.privacy, 60_000, 100) < plan.max_update_norm


def left_open(**changes: Any) -> PlanOptions:
    """Nothing said of the noise, nor of federated averaging."""
    return options(**{"noise": None, "rounds": None, **changes})


def test_three_members_share_their_noise_unless_something_contradicts_it() -> None:
    plan = build_plan(ROSTER, load_catalogue("synthetic"), left_open())
    assert (plan.privacy.noise, plan.quorum, method_of(plan.recipe)) == ("secagg", 3, "gp")
    assert plan.privacy.sharing is not None
    assert (plan.privacy.sharing.members, plan.privacy.sharing.colluders, plan.privacy.sharing.droppers) == (3, 1, 0)
    assert plan.privacy.claims().pld <= 1.0
    line = explain(plan, left_open().choice(3).because)
    assert line.startswith("noise: shared under secure aggregation, because 3 institutions joined; ")
    assert trust(plan) in line


def test_two_members_do_not() -> None:
    plan = build_plan(ROSTER[:2], catalogue(), left_open())
    assert (plan.privacy.noise, plan.quorum, method_of(plan.recipe)) == ("local", 2, "fedavg")
    assert "2 institutions joined" in explain(plan, left_open().choice(2).because)


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        ({"noise": "local"}, "asked for"),
        ({"method": "fedavg"}, "federated averaging"),
        ({"recipe": Recipe(learning_rate=4.0)}, "federated averaging"),
        ({"rounds": 4}, "(rounds)"),
        ({"clip": 0.5, "sampling_rate": 0.2}, "(sampling_rate, clip)"),
        ({"quorum": 2}, "a quorum of 2"),
    ],
)
def test_what_only_local_noise_has_makes_it_local_and_is_named(asked: dict[str, Any], because: str) -> None:
    chosen = left_open(**asked)
    plan = build_plan(ROSTER, catalogue(), chosen)
    assert plan.privacy.noise == "local"
    assert plan.privacy.sharing is None
    assert because in explain(plan, chosen.choice(3).because)


@pytest.mark.parametrize("asked", [{"method": "a"}, {"recipe": SumRecipe.of("g")}, {"quorum": 3}, {"noise": "secagg"}])
def test_what_goes_with_shared_noise_leaves_it_shared(asked: dict[str, Any]) -> None:
    plan = build_plan(ROSTER, catalogue(), left_open(**asked))
    assert plan.privacy.noise == "secagg"
    if "recipe" in asked:
        assert plan.recipe == asked["recipe"]


def test_the_default_recipe_is_without_pairs_where_none_are_declared_or_noise_is_high() -> None:
    assert not catalogue().pairs
    assert method_of(build_plan(ROSTER, catalogue(), left_open()).recipe) == "g"
    quiet, loud = (left_open(epsilon=epsilon, force=True) for epsilon in (1.0, 0.2))
    few = [member(f"bank-{letter}", 3000) for letter in "abc"]
    assert [method_of(build_plan(few, load_catalogue("synthetic"), each).recipe) for each in (quiet, loud)] == [
        "gp",
        "g",
    ]


def test_shared_noise_that_is_asked_for_is_refused_with_what_contradicts_it() -> None:
    with pytest.raises(ConfigurationError, match="recipe"):
        build_plan(ROSTER, catalogue(), left_open(noise="secagg", method="fedavg"))
    with pytest.raises(ConfigurationError, match="quorum"):
        build_plan(ROSTER, catalogue(), left_open(noise="secagg", quorum=2))
    with pytest.raises(PrivacyError, match="secagg among 2 institutions"):
        build_plan(ROSTER[:2], catalogue(), left_open(noise="secagg"))


def test_who_may_drop_is_paid_for_and_is_the_quorum() -> None:
    roster = [*ROSTER, member("bank-d", 6000)]
    plan = build_plan(roster, catalogue(), left_open(droppers=1))
    assert (plan.quorum, plan.privacy.noise) == (3, "secagg")
    assert "1 may drop out" in trust(plan)
    assert plan.privacy.noise_share(2) > build_plan(roster, catalogue(), left_open()).privacy.noise_share(2)
    with pytest.raises(PrivacyError, match="sharing"):
        build_plan(ROSTER, catalogue(), left_open(droppers=1))
