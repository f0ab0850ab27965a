"""The institution's node against plans that it must not approve, or not any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from node_requests import approved, assert_nothing_computed, proposal, refusal, round_request
from rounds_world import (
    BUNDLE,
    Bank,
    Clock,
    catalogue,
    key_of,
    make_plan,
    member,
    privacy,
    sign,
)

from clients.institution.plan_store import Decision
from clients.institution.policy import Policy
from federation.ledger import Caps
from federation.rounds import Code, approve
from federation.training import Recipe
from protocols.envelope import open_envelope
from protocols.wire.training_pb2 import (
    PlanApproval,
    RoundReply,
)

OTHER_CATALOGUE = make_plan().catalogue.model_copy(update={"hash": "00" * 32})


FEW_FEATURES = member("bank-a").model_copy(update={"features": ("one",)})


POLICY: dict[str, tuple[dict[str, Any], str]] = {
    "another catalogue": ({"catalogue": OTHER_CATALOGUE}, Code.WRONG_CATALOGUE),
    "another bundle": ({"bundle_hash": "cd" * 32}, Code.WRONG_BUNDLE),
    "not a member": ({"members": (member("bank-b"), member("bank-c"))}, Code.NOT_A_MEMBER),
    "another size": ({"members": (member("bank-a", 5000), member("bank-b"))}, Code.OUTSIDE_POLICY),
    "more epsilon than the cap": ({"privacy": privacy().model_copy(update={"epsilon": 1.5})}, Code.OUTSIDE_POLICY),
    "more delta than the cap": ({"privacy": privacy().model_copy(update={"delta": 1e-4})}, Code.OUTSIDE_POLICY),
    "an epsilon that is a lie": (
        {"privacy": privacy().model_copy(update={"noise_multiplier": 1.0})},
        Code.OUTSIDE_POLICY,
    ),
}


def test_a_network_is_trained_only_where_the_institution_says_so(bank: Bank, clock: Clock) -> None:
    plan = make_plan(recipe=Recipe(family="mlp", hidden=(2,), learning_rate=0.5, average_last=2))
    answer = refusal(bank, proposal(plan))
    assert (answer.code, answer.field) == (Code.OUTSIDE_POLICY, "plan.recipe.family")
    willing = Bank("bank-a", clock, policy=replace(bank.policy, families=("additive", "mlp")))
    open_envelope(willing.node.handle(proposal(plan)), PlanApproval, key_of("bank-a").public)


@pytest.mark.parametrize("kind", POLICY)
def test_a_plan_outside_policy_is_not_approved(bank: Bank, kind: str) -> None:
    changes, code = POLICY[kind]
    assert refusal(bank, proposal(make_plan(quorum=1, **changes))).code == code
    assert_nothing_computed(bank, code)


def test_delta_must_fit_the_institutions_size(clock: Clock) -> None:
    policy = Policy(50_000, lambda: frozenset({BUNDLE}))
    bank = Bank("bank-a", clock, policy=policy)
    plan = make_plan(members=(member("bank-a", 50_000), member("bank-b")), quorum=1)
    answer = refusal(bank, proposal(plan))
    assert (answer.code, answer.field) == (Code.OUTSIDE_POLICY, "plan.delta")


def test_features_that_are_not_held_are_not_promised(clock: Clock) -> None:
    held = tuple(feature.name for feature in catalogue().features)
    bank = Bank("bank-a", clock, policy=Policy(500, lambda: frozenset({BUNDLE}), features=held))
    assert refusal(bank, proposal(make_plan(members=(FEW_FEATURES, member("bank-b"))))).code == Code.OUTSIDE_POLICY
    approved(bank)


def test_a_run_has_one_plan(bank: Bank) -> None:
    approved(bank)
    assert refusal(bank, proposal(make_plan(quorum=1))).code == Code.OUTSIDE_POLICY


def test_a_bundle_that_is_no_longer_allowed_stops_the_run(clock: Clock) -> None:
    allowed = {BUNDLE}
    bank = Bank("bank-a", clock, policy=Policy(500, lambda: frozenset(allowed)))
    signed = approved(bank)
    allowed.clear()
    assert refusal(bank, round_request(signed)).code == Code.WRONG_BUNDLE
    assert_nothing_computed(bank, Code.WRONG_BUNDLE)


def test_a_person_decides_where_the_institution_wants_it(clock: Clock) -> None:
    bank = Bank("bank-a", clock, policy=Policy(500, lambda: frozenset({BUNDLE}), approval="manual"))
    plan = make_plan()
    for _ in range(2):
        assert refusal(bank, proposal(plan)).code == Code.APPROVAL_PENDING
    assert refusal(bank, round_request(sign(plan))).code == Code.APPROVAL_PENDING
    assert [waiting.hash for waiting in bank.plans.waiting()] == [plan.hash]
    bank.plans.decide(plan.hash, Decision.APPROVED)
    open_envelope(bank.node.handle(proposal(plan)), PlanApproval, key_of("bank-a").public)
    open_envelope(bank.node.handle(round_request(sign(plan))), RoundReply, key_of("bank-a").public)
    bank.plans.decide(plan.hash, Decision.REJECTED)
    assert refusal(bank, round_request(sign(plan), round=2)).code == Code.NOT_APPROVED
    assert bank.computation.computed == 1


def test_a_cap_of_the_ledger_stops_the_run_and_is_recorded_once(clock: Clock) -> None:
    bank = Bank("bank-a", clock, caps=Caps(run=1.0, year=0.0015, lifetime=4.0, delta=1e-5))
    signed = approved(bank)
    bank.node.handle(round_request(signed))
    assert refusal(bank, round_request(signed, round=2)).code == Code.BUDGET_EXCEEDED
    assert bank.kinds() == ["reserve", "spend", "refuse"]
    assert bank.computation.computed == 1


def test_a_signature_by_an_approving_key_is_over_the_plan_alone() -> None:
    plan = make_plan()
    assert approve(plan, key_of("bank-a")) != approve(plan.model_copy(update={"quorum": 1}), key_of("bank-a"))
