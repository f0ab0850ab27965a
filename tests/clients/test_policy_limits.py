"""Plans that an accountant calls cheap, or takes hours to judge."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from rounds_world import BUNDLE, START, make_plan, member

from clients.institution import policy as rules
from clients.institution.policy import Policy, check_caps, check_noise, check_policy
from federation.errors import PrivacyError, Refused
from federation.ledger import Caps
from federation.privacy import GaussianEvent, PrivacyPlan, epsilons
from federation.rounds import TrainingPlan
from federation.training import Recipe

MILLION = 1_000_000
CAPS = Caps(run=1.0, year=3.0, lifetime=10.0, delta=1e-5)
FITTING = Caps(run=1.0, year=3.0, lifetime=10.0, delta=1e-7)


def privacy(**changes: Any) -> PrivacyPlan:
    values = {
        "epsilon": 1.0,
        "delta": 1e-7,
        "sampling_rate": 0.2,
        "noise_multiplier": 20.0,
        "clip": 0.5,
        "steps_per_round": 1,
        "rounds": 1,
    }
    return PrivacyPlan.from_json({**values, **changes})


def decide(plan: PrivacyPlan, caps: Caps = FITTING, size: int = MILLION) -> TrainingPlan:
    """Raises Refused unless a node of `size` records would sign."""
    proposed = make_plan(members=(member("bank-a", size),), privacy=plan, quorum=1)
    check_policy(proposed, proposed.members[0], Policy(size, lambda: frozenset({BUNDLE})), caps, now=START)
    return proposed


def test_a_plan_that_delta_pays_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rare sampling without noise worth the name: epsilon 0, run after run, and records published as they are."""
    rare = {"sampling_rate": 1e-6, "noise_multiplier": 0.02, "delta": 2e-6}
    caps = Caps(run=1.0, year=3.0, lifetime=10.0, delta=2e-6)
    for change in ({}, {"noise_multiplier": 5.0}):
        with pytest.raises(Refused, match="privacy"):
            decide(privacy(**rare | change), caps, 10_000)
    monkeypatch.setattr(rules, "LEAST_MULTIPLIER", 0.0)
    monkeypatch.setattr(rules, "BEYOND_DELTA", 0)
    free = decide(privacy(**rare), caps, 10_000)  # without the two rules it is signed, and charged nothing
    assert free.privacy.claims().pld == 0.0


def test_caps_whose_delta_is_too_large_for_the_institution_sign_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    decide(privacy())
    with pytest.raises(Refused) as refused:
        decide(privacy(), CAPS)
    assert refused.value.where == "caps.delta"
    check_caps(CAPS, 10_000)
    with pytest.raises(PrivacyError, match=r"caps\.delta"):
        check_caps(CAPS, 10_001)
    # What such caps let happen: a hundred of these runs cost nothing and publish nine records of a million.
    assert epsilons([GaussianEvent(0.9e-7, 0.1, 1)] * 100, CAPS.delta).pld == 0.0
    monkeypatch.setattr(rules, "check_caps", lambda *_: None)
    decide(privacy(), CAPS)


@pytest.mark.parametrize("field", ["noise_multiplier", "evaluation_multiplier"])
def test_noise_has_a_floor(field: str) -> None:
    check_noise(privacy(**{field: 0.5}))
    with pytest.raises(PrivacyError, match=field):
        check_noise(privacy(**{field: 0.499}))


BEYOND: dict[str, dict[str, Any]] = {
    "steps without end": {"sampling_rate": 1e-4, "noise_multiplier": 1e3, "steps_per_round": 10**6, "rounds": 10**6},
    "rounds times steps": {"steps_per_round": 1_000, "rounds": 101},
    "spare rounds": {"rounds": 1, "steps_per_round": 2, "spare_rounds": 50_000},
    "noise without end": {"noise_multiplier": 1.1e4},
    "evaluation noise without end": {"evaluation_multiplier": 1e5},
    "a rate that is none": {"sampling_rate": 1e-300},
    "a clip that underflows": {"clip": 1e-6},
    "a clip that overflows": {"clip": 1e6},
    "a delta that is none": {"delta": 1e-300},
}


@pytest.mark.parametrize("kind", BEYOND)
def test_plans_beyond_the_bounds_are_not_even_read(kind: str) -> None:
    with pytest.raises(PrivacyError, match="privacy"):
        privacy(**BEYOND[kind])


@pytest.mark.parametrize(
    ("rate", "multiplier", "steps"),
    [
        (1e-4, 1e3, 100_000),
        (0.2, 1e4, 100_000),
        (0.5, 1e4, 100_000),
        (0.9, 0.5, 9),
        (1e-6, 0.5, 100_000),
        (1e-3, 0.5, 100_000),
        (0.2, 0.5, 100_000),
        (0.01, 1.0, 3_000),
    ],
)
def test_whatever_is_read_is_judged_in_a_moment(rate: float, multiplier: float, steps: int) -> None:
    plan = privacy(sampling_rate=rate, noise_multiplier=multiplier, rounds=steps, evaluation_multiplier=0.5)
    privacy(sampling_rate=0.3, noise_multiplier=3.0).claims()  # imports
    before = time.process_time()
    with suppress(Refused):
        decide(plan)
    assert time.process_time() - before < 10.0


def test_a_network_of_fifty_layers_is_not_even_read() -> None:
    document = make_plan(recipe=Recipe(family="mlp", hidden=(1024,) * 4, learning_rate=1.0)).model_dump(mode="json")
    document["recipe"]["hidden"] = [1024] * 50
    with pytest.raises(Exception, match=r"recipe\.hidden"):
        TrainingPlan.model_validate(document)
