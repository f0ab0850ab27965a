"""The institution's node against a coordinator that asks for more than it may."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rounds_world import (
    BUNDLE,
    COORDINATOR,
    START,
    Bank,
    Clock,
    catalogue,
    key_of,
    make_plan,
    member,
    model_size,
    privacy,
    sign,
)

from clients.institution.node import Node
from clients.institution.oversight.trail import Unlogged
from clients.institution.plan_store import Decision
from clients.institution.policy import Policy
from federation.errors import ConfigurationError
from federation.ledger import Caps
from federation.privacy import OsNoise
from federation.rounds import Code, SignedPlan, TrainingPlan, approve, model_hash, request_hash
from federation.rounds.averaging import model_to_bytes
from federation.training import Recipe
from protocols.canonical import canonical
from protocols.envelope import MAX_BYTES, open_envelope, read_envelope, seal, verify_envelope
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import (
    HelloReply,
    HelloRequest,
    Phase,
    PlanApproval,
    PlanProposal,
    Refusal,
    RoundReply,
    RoundRequest,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bank(clock: Clock) -> Bank:
    return Bank("bank-a", clock)


def model(value: float = 0.0) -> bytes:
    return model_to_bytes(np.full(model_size(), value, dtype=np.float32))


def proposal(plan: TrainingPlan, key: SigningKey = COORDINATOR) -> bytes:
    return seal(PlanProposal(plan=plan.canonical()), key)


def round_request(signed: SignedPlan, key: SigningKey = COORDINATOR, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "signed_plan": signed.canonical(),
        "plan_hash": bytes.fromhex(signed.plan.hash),
        "phase": Phase.TRAIN,
        "round": 1,
        "model": model(),
        "deadline_ms": int((START + 60) * 1000),
    }
    return seal(RoundRequest(**{**values, **changes}), key)


def refusal(bank: Bank, request: bytes) -> Refusal:
    """The refusal that `request` meets; signed by the bank, bound to the request."""
    message = open_envelope(bank.node.handle(request), Refusal, key_of(bank.name).public)
    assert message.request_hash == request_hash(request)
    return message


def approved(bank: Bank, **changes: Any) -> SignedPlan:
    plan = make_plan(**changes)
    open_envelope(bank.node.handle(proposal(plan)), PlanApproval, key_of(bank.name).public)
    return sign(plan)


def assert_nothing_computed(bank: Bank, code: str) -> None:
    assert bank.computation.computed == 0
    assert "reserve" not in bank.kinds()
    assert bank.refusals()[-1] == code


def test_hello_answers_the_challenge_in_the_institutions_name(bank: Bank) -> None:
    answer = bank.node.handle(seal(HelloRequest(challenge=b"c" * 32), COORDINATOR))
    message = open_envelope(answer, HelloReply, key_of("bank-a").public)
    assert (message.institution, message.challenge) == ("bank-a", b"c" * 32)


def test_hello_with_a_short_challenge_is_refused(bank: Bank) -> None:
    assert refusal(bank, seal(HelloRequest(challenge=b"c"), COORDINATOR)).code == Code.UNREADABLE


def test_a_plan_is_approved_and_its_round_answered_once(bank: Bank) -> None:
    signed = approved(bank)
    answer = bank.node.handle(round_request(signed))
    reply = open_envelope(answer, RoundReply, key_of("bank-a").public)
    assert len(reply.update) == len(model())
    assert reply.model_hash == model_hash(model())
    assert bank.kinds() == ["reserve", "spend"]
    assert reply.reservation_hash.hex() == bank.ledger.entries()[0].hash


def test_a_repeated_request_gets_the_very_same_bytes_and_spends_nothing(bank: Bank) -> None:
    signed = approved(bank)
    first = bank.node.handle(round_request(signed))
    bank.restart()
    again = bank.node.handle(round_request(signed, deadline_ms=int((START + 90) * 1000)))
    assert again == first
    assert bank.computation.computed == 1
    assert bank.kinds() == ["reserve", "spend"]


def test_a_round_for_another_model_would_cancel_the_noise_and_is_refused(bank: Bank) -> None:
    signed = approved(bank)
    bank.node.handle(round_request(signed))
    for _ in range(2):
        assert refusal(bank, round_request(signed, model=model(1.0))).code == Code.ANOTHER_MODEL
        bank.restart()
    assert bank.computation.computed == 1


def test_the_evaluation_is_answered_once(bank: Bank) -> None:
    signed = approved(bank)
    request = round_request(signed, phase=Phase.EVALUATE, round=0)
    first = bank.node.handle(request)
    assert open_envelope(first, RoundReply, key_of("bank-a").public).phase == Phase.EVALUATE
    assert bank.node.handle(request) == first
    other = round_request(signed, phase=Phase.EVALUATE, round=0, model=model(1.0))
    assert refusal(bank, other).code == Code.ANOTHER_MODEL
    assert bank.computation.computed == 1


ROUNDS: dict[str, tuple[dict[str, Any], str]] = {
    "a round beyond the plan": ({"round": 4}, Code.WRONG_ROUND),
    "round 0 of training": ({"round": 0}, Code.WRONG_ROUND),
    "a second evaluation round": ({"phase": Phase.EVALUATE, "round": 1}, Code.WRONG_ROUND),
    "no phase": ({"phase": Phase.PHASE_UNSPECIFIED}, Code.WRONG_ROUND),
    "an unknown phase": ({"phase": 7}, Code.WRONG_ROUND),
    "a short model": ({"model": b"1234"}, Code.WRONG_SHAPE),
    "no model": ({"model": b""}, Code.WRONG_SHAPE),
    "a NaN in the model": ({"model": b"\x00\x00\xc0\x7f" * model_size()}, Code.NOT_FINITE),
    "an infinite model": ({"model": b"\x00\x00\x80\x7f" * model_size()}, Code.NOT_FINITE),
    "a parameter beyond the bound": ({"model": model(-1.1e6)}, Code.OVERSIZED),
    "a deadline that has passed": ({"deadline_ms": int(START * 1000) - 1}, Code.LATE),
    "a deadline right now": ({"deadline_ms": int(START * 1000)}, Code.LATE),
    "no deadline": ({"deadline_ms": 0}, Code.LATE),
    "another plan's hash": ({"plan_hash": bytes(32)}, Code.WRONG_PLAN),
    "no plan": ({"signed_plan": b""}, Code.UNREADABLE),
    "a plan that is no JSON": ({"signed_plan": b"\xff{"}, Code.UNREADABLE),
    "a plan that is not canonical": ({"signed_plan": b'{ "plan": 1 }'}, Code.UNREADABLE),
    "an oversized plan": ({"signed_plan": b"9" * (5 * 2**20)}, Code.UNREADABLE),
}


@pytest.mark.parametrize("kind", ROUNDS)
def test_a_round_outside_the_plan_is_refused_before_budget(bank: Bank, kind: str) -> None:
    changes, code = ROUNDS[kind]
    signed = approved(bank)
    assert refusal(bank, round_request(signed, **changes)).code == code
    assert_nothing_computed(bank, code)
    assert bank.node.handle(round_request(signed)) == bank.node.handle(round_request(signed)), "the next one works"


def forged(signed: SignedPlan, **changes: Any) -> dict[str, bytes]:
    """The request fields of a plan that was changed after everybody signed it."""
    plan = signed.plan.model_copy(update=changes)
    document = canonical({**signed.model_dump(mode="json"), "plan": plan.model_dump(mode="json")})
    return {"signed_plan": document, "plan_hash": bytes.fromhex(plan.hash)}


@pytest.mark.parametrize(
    "changes",
    [
        {"privacy": privacy().model_copy(update={"rounds": 30})},
        {"privacy": privacy().model_copy(update={"steps_per_round": 5})},
        {"privacy": privacy().model_copy(update={"clip": 50.0})},
        {"privacy": privacy().model_copy(update={"noise_multiplier": 0.01})},
        {"privacy": privacy().model_copy(update={"spare_rounds": 100})},
        {"expires": int(START) + 10**6},
        {"run_id": "another"},
    ],
    ids=["rounds", "steps", "clip", "noise", "spares", "expiry", "run"],
)
def test_asking_for_more_than_was_signed_is_refused(bank: Bank, changes: dict[str, Any]) -> None:
    signed = approved(bank)
    assert refusal(bank, round_request(signed, **forged(signed, **changes))).code == Code.UNSIGNED_PLAN
    assert_nothing_computed(bank, Code.UNSIGNED_PLAN)


def without(signed: SignedPlan, name: str) -> SignedPlan:
    return signed.model_copy(update={"approvals": {k: v for k, v in signed.approvals.items() if k != name}})


def test_a_plan_approved_by_a_subset_is_refused(bank: Bank) -> None:
    for name in ("bank-a", "bank-b", "bank-c"):
        assert refusal(bank, round_request(without(approved(bank), name))).code == Code.UNSIGNED_PLAN
    stranger = {**sign(make_plan()).approvals, "stranger": "00" * 64}
    request = round_request(sign(make_plan()).model_copy(update={"approvals": stranger}))
    assert refusal(bank, request).code == Code.UNSIGNED_PLAN
    bad_hex = {**sign(make_plan()).approvals, "bank-b": "zz"}
    request = round_request(sign(make_plan()).model_copy(update={"approvals": bad_hex}))
    assert refusal(bank, request).code == Code.UNSIGNED_PLAN
    assert_nothing_computed(bank, Code.UNSIGNED_PLAN)


def test_a_plan_signed_by_all_but_never_proposed_here_is_refused(bank: Bank) -> None:
    """Even this institution's own signature counts only together with its own memory of the decision."""
    assert refusal(bank, round_request(sign(make_plan()))).code == Code.NOT_APPROVED
    assert_nothing_computed(bank, Code.NOT_APPROVED)


def test_a_foreign_coordinator_is_refused(bank: Bank) -> None:
    other = key_of("impostor")
    signed = approved(bank)
    for request in (round_request(signed, other), proposal(make_plan(), other), seal(HelloRequest(), other)):
        assert refusal(bank, request).code == Code.WRONGLY_SIGNED
    plan = make_plan(coordinator=other.public.hex, run_id="theirs")
    assert refusal(bank, proposal(plan)).code == Code.WRONG_PLAN
    assert bank.computation.computed == 0


def test_an_expired_plan_is_refused(bank: Bank, clock: Clock) -> None:
    signed = approved(bank)
    clock.now = signed.plan.expires
    late = int((clock.now + 60) * 1000)
    assert refusal(bank, round_request(signed, deadline_ms=late)).code == Code.PLAN_EXPIRED
    assert refusal(bank, proposal(make_plan())).code == Code.PLAN_EXPIRED
    assert_nothing_computed(bank, Code.PLAN_EXPIRED)


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


def test_a_node_killed_in_a_round_computes_it_again_within_the_spare_rounds(bank: Bank) -> None:
    """Three rounds and one spare: the fifth reservation is refused, whatever became of the first four."""
    signed = approved(bank)
    compute, bank.computation.train = bank.computation.train, _killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        bank.node.handle(round_request(signed))
    bank.computation.train = compute  # type: ignore[method-assign]
    bank.restart()
    for number in (1, 2, 3):
        open_envelope(bank.node.handle(round_request(signed, round=number)), RoundReply, key_of("bank-a").public)
    assert bank.kinds() == ["reserve", "unknown", *["reserve", "spend"] * 3]
    assert bank.computation.computed == 3


def test_no_more_attempts_than_the_plan_paid_for(bank: Bank) -> None:
    signed = approved(bank)
    bank.computation.train = _broken  # type: ignore[method-assign]
    for _ in range(4):
        answer = refusal(bank, round_request(signed))
        assert (answer.code, answer.field, answer.got) == (Code.INTERNAL, "node", "an error")
    assert refusal(bank, round_request(signed)).code == Code.ATTEMPTS_SPENT
    assert bank.kinds().count("reserve") == 4


class Killed(BaseException):
    """Like SIGKILL: nothing catches it."""


def _killed(*_: Any) -> Any:
    raise Killed


def _broken(*_: Any) -> Any:
    raise ValueError("the record of Jane Doe, born 1970")


def test_what_goes_wrong_inside_stays_inside(bank: Bank) -> None:
    signed = approved(bank)
    bank.computation.train = _broken  # type: ignore[method-assign]
    answer = bank.node.handle(round_request(signed))
    assert b"Jane" not in answer
    assert all("Jane" not in signed.text for signed in bank.ledger.entries())


def test_an_update_that_is_not_finite_does_not_leave(bank: Bank) -> None:
    signed = approved(bank)
    bank.computation.train = lambda *_: np.array([np.nan], np.float32)  # type: ignore[method-assign]
    assert refusal(bank, round_request(signed)).code == Code.INTERNAL
    assert bank.kinds()[:2] == ["reserve", "spend"]


def test_reproducible_noise_is_for_backtests_only(bank: Bank) -> None:
    parts: dict[str, Any] = {"ledger": bank.ledger, "policy": bank.policy, "plans": bank.plans}
    with pytest.raises(ConfigurationError, match="noise"):
        Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)
    bank.computation.noise = OsNoise()
    with pytest.raises(ConfigurationError, match="trail"):
        Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)
    parts["trail"] = Unlogged()
    Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)


def test_kinds_that_are_no_requests_are_refused(bank: Bank) -> None:
    for message in (HelloReply(), RoundReply(), Refusal(), PlanApproval()):
        assert refusal(bank, seal(message, COORDINATOR)).code == Code.UNKNOWN_KIND


def test_a_plan_that_cannot_be_read_is_refused(bank: Bank) -> None:
    for data in (b"", b"{}", b"[]", b"null", make_plan().canonical() + b" ", b'{"run_id":"' + b"x" * 2**22 + b'"}'):
        assert refusal(bank, seal(PlanProposal(plan=data), COORDINATOR)).code == Code.UNREADABLE


def test_too_many_bytes_are_refused_unread(bank: Bank) -> None:
    assert refusal(bank, bytes(MAX_BYTES + 1)).code == Code.UNREADABLE


def test_two_thousand_mutated_envelopes_crash_nothing_and_compute_nothing(bank: Bank) -> None:
    signed = approved(bank)
    rng = random.Random(2)
    good = [round_request(signed), proposal(signed.plan), seal(HelloRequest(challenge=b"c" * 32), COORDINATOR)]
    codes = set()
    for number in range(2000):
        mutated = mutate(rng, good[number % 3])
        if mutated in good:
            continue
        answer = read_envelope(bank.node.handle(mutated))
        assert answer.kind == "Refusal"
        codes.add(verify_envelope(answer, Refusal, key_of("bank-a").public).code)
    assert codes <= {Code.UNREADABLE, Code.UNSIGNED, Code.WRONGLY_SIGNED, Code.UNKNOWN_KIND}
    assert bank.computation.computed == 0
    assert len(bank.ledger.entries()) <= 100, "strangers cannot fill the ledger"
    open_envelope(bank.node.handle(good[0]), RoundReply, key_of("bank-a").public)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """A byte changed, a piece cut out, doubled, or appended; or the end missing."""
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 40))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:start] + bytes([data[start] ^ (1 << rng.randrange(8))]) + data[start + 1 :]
    if kind == 1:
        return data[:start] + data[stop:]
    if kind == 2:
        return data[:stop] + data[start:]
    if kind == 3:
        return data[:start]
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def test_strangers_are_recorded_up_to_a_limit_that_renews(bank: Bank, clock: Clock) -> None:
    for number in range(150):
        bank.node.handle(b"\xff%d" % number)
    assert len(bank.refusals()) == 100
    clock.now += 3601
    bank.node.handle(b"\xff again")
    assert len(bank.refusals()) == 101


def test_a_ledger_that_cannot_be_written_answers_nothing_but_refusals(bank: Bank, monkeypatch: Any) -> None:
    from federation.errors import LedgerError

    signed = approved(bank)

    def broken(*_: Any, **__: Any) -> Any:
        raise LedgerError("database", got="full disk", expected="room")

    monkeypatch.setattr(bank.ledger, "reserve", broken)
    monkeypatch.setattr(bank.ledger, "refuse", broken)
    assert refusal(bank, round_request(signed)).code == Code.INTERNAL
    assert bank.computation.computed == 0


def test_another_process_on_the_same_ledger_is_noticed(bank: Bank) -> None:
    signed = approved(bank)
    second = replace(bank)
    second.ledger, second.computation, second.plans = bank.ledger, bank.computation, bank.plans
    second.restart()
    bank.node.handle(round_request(signed, round=1))
    second.node.handle(round_request(signed, round=2))
    assert refusal(bank, round_request(signed, round=2, model=model(1.0))).code == Code.ANOTHER_MODEL
    assert refusal(second, round_request(signed, round=1, model=model(1.0))).code == Code.ANOTHER_MODEL


def test_a_signature_by_an_approving_key_is_over_the_plan_alone() -> None:
    plan = make_plan()
    assert approve(plan, key_of("bank-a")) != approve(plan.model_copy(update={"quorum": 1}), key_of("bank-a"))
