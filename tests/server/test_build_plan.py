"""Plans are built from public figures, or refused with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rounds_world import BUNDLE, COORDINATOR, START, catalogue, member, records

from federation.delta import default_delta
from federation.errors import ConfigurationError, PrivacyError, TooFewRecords
from federation.privacy import OsNoise
from federation.rounds import TrainingPlan
from federation.training import Trainer, initial_parameters
from server.plans import PlanOptions, build_plan, default_quorum, update_norm_bound


def options(**changes: Any) -> PlanOptions:
    return PlanOptions("spring", COORDINATOR.public.hex, BUNDLE, START, **{"rounds": 4, **changes})


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
