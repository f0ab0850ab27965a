"""Collections: the first valid answer stands, everybody else is named with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rounds_world import key_of, make_plan

from federation.errors import Refused
from federation.rounds import Code, Collection, Expected, Update, check_reply, model_hash, model_to_bytes
from federation.rounds.approvals import Approvals, check_hello
from federation.rounds.reply import open_reply
from federation.rounds.signed_plan import approve
from federation.rounds.vectors import Form
from protocols.envelope import seal
from protocols.wire.training_pb2 import Envelope, HelloReply, Phase, PlanApproval, Refusal, RoundReply

PLAN = make_plan()
MODEL = model_hash(b"model")
REQUEST = b"r" * 32
EXPECTED = Expected(PLAN, Phase.TRAIN, 2, MODEL, REQUEST, Form("float32", 3, 10.0))


def reply(name: str = "bank-a", value: float = 1.0, signer: str | None = None, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "institution": name,
        "plan_hash": bytes.fromhex(PLAN.hash),
        "phase": Phase.TRAIN,
        "round": 2,
        "model_hash": MODEL,
        "update": model_to_bytes(np.full(3, value, np.float32)),
        "reservation_hash": b"h" * 32,
    }
    return seal(RoundReply(**{**fields, **changes}), key_of(signer or name))


def code_of(data: bytes, name: str = "bank-a", expected: Expected = EXPECTED) -> str:
    with pytest.raises(Refused) as caught:
        check_reply(expected, name, data)
    return caught.value.code


def test_a_good_reply_is_an_update() -> None:
    update = check_reply(EXPECTED, "bank-a", reply())
    assert update.vector.tolist() == [1.0, 1.0, 1.0]
    assert update.reservation_hash == (b"h" * 32).hex()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (reply(signer="bank-b"), Code.WRONGLY_SIGNED),
        (reply(institution="bank-b"), Code.WRONGLY_SIGNED),
        (reply(plan_hash=b""), Code.WRONG_PLAN),
        (reply(round=1), Code.WRONG_ROUND),
        (reply(phase=Phase.EVALUATE), Code.WRONG_ROUND),
        (reply(phase=77), Code.WRONG_ROUND),
        (reply(model_hash=b""), Code.WRONG_MODEL),
        (reply(update=b""), Code.WRONG_SHAPE),
        (reply(value=np.nan), Code.NOT_FINITE),
        (reply(value=10.0), Code.OVERSIZED),
        (b"", Code.UNREADABLE),
        (seal(Refusal(code="late", request_hash=REQUEST), key_of("bank-a")), Code.REFUSED),
        (seal(Refusal(code="late", request_hash=REQUEST), key_of("bank-b")), Code.WRONGLY_SIGNED),
        (seal(Refusal(code="late"), key_of("bank-a")), Code.WRONG_ROUND),
    ],
)
def test_each_fault_has_its_code(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_a_stranger_is_no_member() -> None:
    assert code_of(reply(), "stranger") == Code.NOT_A_MEMBER


def test_a_question_without_an_answer_cannot_be_asked() -> None:
    with pytest.raises(Refused):
        replace(EXPECTED.form, size=0)


def on_record(_expected: Expected, _update: Update) -> bool:
    return True


def test_an_answer_counts_once_what_paid_for_it_is_on_record() -> None:
    shown: dict[str, bool] = {}
    collection = Collection(EXPECTED, lambda _, update: shown.get(update.institution, False))
    for name in ("bank-a", "bank-b", "bank-c"):
        assert collection.offer(name, reply(name)) is None
    assert not collection.accepted
    assert collection.waiting == {"bank-a", "bank-b", "bank-c"}
    shown["bank-b"] = True
    collection.review()
    assert collection.accepted.keys() == {"bank-b"}
    second = collection.offer("bank-a", reply(value=2.0))
    assert second is not None
    assert second.code == Code.DUPLICATE
    collection.fail("bank-a", Code.TRANSPORT)
    shown["bank-a"] = True
    collection.close()
    assert collection.accepted.keys() == {"bank-a", "bank-b"}
    assert collection.accepted["bank-a"].vector[0] == 1.0
    assert collection.refused == {"bank-c": "unlogged"}
    assert not collection.waiting


def test_what_paid_for_something_else_is_refused() -> None:
    def elsewhere(_expected: Expected, _update: Update) -> bool:
        raise Refused(Code.WRONG_RESERVATION, "reservation", got="round 2", expected="round 1")

    collection = Collection(EXPECTED, elsewhere)
    refusal = collection.offer("bank-a", reply())
    assert refusal is not None
    assert collection.refused == {"bank-a": "wrong_reservation"}
    assert not collection.accepted


def test_a_node_that_waits_for_the_log_is_asked_again() -> None:
    collection = Collection(EXPECTED, on_record)
    waits = seal(Refusal(code="log_unavailable", request_hash=REQUEST), key_of("bank-a"))
    refusal = collection.offer("bank-a", waits)
    assert refusal is not None
    assert collection.again(refusal)
    assert "bank-a" in collection.waiting
    assert collection.refused == {"bank-a": "refused:log_unavailable"}
    assert collection.offer("bank-a", reply()) is None
    assert collection.accepted.keys() == {"bank-a"}
    assert not collection.refused


def test_the_first_valid_answer_stands() -> None:
    collection = Collection(EXPECTED, on_record)
    assert collection.waiting == {"bank-a", "bank-b", "bank-c"}
    assert collection.offer("bank-a", b"junk") is not None
    assert collection.refused == {"bank-a": "unreadable"}
    assert collection.offer("bank-a", reply()) is None
    duplicate = collection.offer("bank-a", reply(value=2.0))
    assert duplicate is not None
    assert duplicate.code == Code.DUPLICATE
    collection.fail("bank-a", Code.TRANSPORT)
    assert not collection.refused
    assert collection.accepted["bank-a"].vector[0] == 1.0


def test_late_failed_and_refusing_members_are_named() -> None:
    collection = Collection(EXPECTED, on_record)
    collection.offer("bank-a", reply(), late=True)
    collection.fail("bank-b", Code.TRANSPORT)
    collection.offer("bank-c", seal(Refusal(code="attempts_spent", request_hash=REQUEST), key_of("bank-c")))
    assert collection.refused == {"bank-a": "late", "bank-b": "transport", "bank-c": "refused:attempts_spent"}
    assert not collection.waiting
    assert not collection.quorate
    collection.offer("bank-a", reply())
    collection.offer("bank-b", reply("bank-b"))
    assert collection.quorate


def approval(name: str, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "institution": name,
        "plan_hash": bytes.fromhex(PLAN.hash),
        "approval": approve(PLAN, key_of(name)),
    }
    return seal(PlanApproval(**{**fields, **changes}), key_of(name))


def test_a_plan_needs_everybodys_approval() -> None:
    approvals = Approvals(PLAN, REQUEST)
    for name in ("bank-a", "bank-b", "bank-c"):
        assert not approvals.quorate
        assert approvals.offer(name, approval(name)) is None
    assert approvals.quorate
    approvals.fail("bank-a", Code.TRANSPORT)
    assert not approvals.refused


def test_who_waits_for_a_person_is_asked_again() -> None:
    approvals = Approvals(PLAN, REQUEST)
    pending = seal(Refusal(code="approval_pending", request_hash=REQUEST), key_of("bank-a"))
    refusal = approvals.offer("bank-a", pending)
    assert refusal is not None
    assert approvals.again(refusal)
    assert "bank-a" in approvals.waiting
    assert (approvals.undecided, approvals.final) == ({"bank-a"}, {})
    approvals.fail("bank-b", Code.TRANSPORT)
    assert approvals.refused == {"bank-b": "transport"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"junk", Code.UNREADABLE),
        (approval("bank-a", plan_hash=b""), Code.WRONG_PLAN),
        (approval("bank-a", institution="bank-b"), Code.WRONGLY_SIGNED),
        (approval("bank-a", approval=bytes(64)), Code.WRONGLY_SIGNED),
        (approval("bank-b"), Code.WRONGLY_SIGNED),
        (seal(HelloReply(), key_of("bank-a")), Code.UNREADABLE),
        (seal(Refusal(code="outside_policy", request_hash=REQUEST), key_of("bank-a")), Code.REFUSED),
    ],
)
def test_an_approval_that_is_none_is_refused(data: bytes, code: str) -> None:
    approvals = Approvals(PLAN, REQUEST)
    refusal = approvals.offer("bank-a", data)
    assert refusal is not None
    assert refusal.code == code
    assert "bank-a" in approvals.refused
    assert set(approvals.final) == {"bank-a"}
    assert approvals.waiting == set()
    assert approvals.unanswered == {"bank-b", "bank-c"}
    stranger = approvals.offer("stranger", data)
    assert stranger is not None
    assert stranger.code == Code.NOT_A_MEMBER
    assert set(approvals.final) == {"bank-a"}
    assert approvals.offer("bank-a", approval("bank-a")) is None  # from another of its nodes
    assert (approvals.final, approvals.refused.get("bank-a")) == ({}, None)


def test_a_hello_names_the_member_that_signed_it() -> None:
    hello = HelloReply(institution="bank-a", challenge=b"c")
    assert check_hello(PLAN, b"c", seal(hello, key_of("bank-a"))) == "bank-a"
    unreadable = Envelope(version=1, kind="HelloReply", body=b"\x0a\xff", signature=b"s").SerializeToString()
    cases = (
        (seal(hello, key_of("bank-b")), Code.WRONGLY_SIGNED),
        (seal(HelloReply(institution="bank-a", challenge=b"d"), key_of("bank-a")), Code.WRONGLY_SIGNED),
        (seal(HelloReply(institution="zoe"), key_of("zoe")), Code.NOT_A_MEMBER),
        (seal(RoundReply(), key_of("bank-a")), Code.UNREADABLE),
        (unreadable, Code.UNREADABLE),
        (b"\xff", Code.UNREADABLE),
    )
    for data, code in cases:
        with pytest.raises(Refused) as caught:
            check_hello(PLAN, b"c", data)
        assert caught.value.code == code


def test_an_unsigned_reply_says_so() -> None:
    envelope = Envelope.FromString(reply())
    envelope.ClearField("signature")
    with pytest.raises(Refused) as caught:
        open_reply(envelope.SerializeToString(deterministic=True), key_of("bank-a").public, REQUEST)
    assert caught.value.code == Code.UNSIGNED
