"""The institution's node against a coordinator that asks for more than it may: rounds."""

from __future__ import annotations

from typing import Any

import pytest
from node_requests import approved, assert_nothing_computed, broken, model, proposal, refusal, round_request
from rounds_world import (
    COORDINATOR,
    START,
    Bank,
    Clock,
    key_of,
    make_plan,
    model_size,
    privacy,
    sign,
)

from federation.rounds import Code, SignedPlan, model_hash
from protocols.canonical import canonical
from protocols.envelope import open_envelope, seal
from protocols.wire.training_pb2 import (
    HelloReply,
    HelloRequest,
    Phase,
    RoundReply,
)


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
    bank.computation.train = broken  # type: ignore[method-assign]
    for _ in range(4):
        answer = refusal(bank, round_request(signed))
        assert (answer.code, answer.field, answer.got) == (Code.INTERNAL, "node", "an error")
    assert refusal(bank, round_request(signed)).code == Code.ATTEMPTS_SPENT
    assert bank.kinds().count("reserve") == 4


class Killed(BaseException):
    """Like SIGKILL: nothing catches it."""


def _killed(*_: Any) -> Any:
    raise Killed
