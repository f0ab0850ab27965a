"""The round driver against nodes that lie: in their answers to a round, and about who they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lying_nodes import BAD, answering, changed, replaying, unsigned, vector
from rounds_world import (
    COORDINATOR,
    Handler,
    World,
    accepted,
    key_of,
)

from federation.errors import FederationError
from federation.rounds import RunFailed, vectors
from protocols.envelope import read_envelope, seal
from protocols.wire.training_pb2 import HelloRequest, Phase, PlanApproval, Refusal, RoundReply


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


HOSTILE: dict[str, tuple[Callable[[], Callable[[Handler], Handler]], str]] = {
    "NaN": (lambda: changed(BAD, update=vector(np.nan)), "not_finite"),
    "infinite": (lambda: changed(BAD, update=vector(np.inf)), "not_finite"),
    "oversized": (lambda: changed(BAD, update=vector(1e6)), "oversized"),
    "float32 at its limit": (lambda: changed(BAD, update=vector(3e38)), "oversized"),
    "too short": (lambda: changed(BAD, update=vector(0.0)[:-4]), "wrong_shape"),
    "too long": (lambda: changed(BAD, update=vector(0.0) + b"\0"), "wrong_shape"),
    "empty": (lambda: changed(BAD, update=b""), "wrong_shape"),
    "unsigned": (lambda: answering(unsigned), "unsigned"),
    "signed by a stranger": (lambda: changed(BAD, key_of("stranger")), "wrongly_signed"),
    "signed by another member": (lambda: changed(BAD, key_of("bank-a")), "wrongly_signed"),
    "in another's name": (lambda: changed(BAD, institution="bank-a"), "wrongly_signed"),
    "wrong round": (lambda: changed(BAD, round=3), "wrong_round"),
    "wrong phase": (lambda: changed(BAD, phase=Phase.PHASE_UNSPECIFIED), "wrong_round"),
    "wrong plan": (lambda: changed(BAD, plan_hash=bytes(32)), "wrong_plan"),
    "wrong model": (lambda: changed(BAD, model_hash=bytes(32)), "wrong_model"),
    "garbage": (lambda: answering(lambda *_: b"\xff" * 40), "unreadable"),
    "another kind": (lambda: answering(lambda r, _: seal(PlanApproval(institution=BAD), key_of(BAD))), "unreadable"),
    "future version": (lambda: answering(lambda r, a: a.replace(b"\x08\x01", b"\x08\x02", 1)), "unreadable"),
    "refusal of another request": (
        lambda: answering(lambda r, _: seal(Refusal(institution=BAD, code="late", request_hash=b"x"), key_of(BAD))),
        "wrong_round",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_reply_is_refused_by_name_and_the_round_goes_on(world: World, kind: str) -> None:
    make, code = HOSTILE[kind]
    world.lie(BAD, make())
    model = world.driver().run()
    rounds = world.of("round")
    assert all(BAD not in event["accepted"] for event in rounds if event["round"] in (1, 2))
    assert {"bank-a", "bank-c"} == set(accepted(world)[1])
    assert rounds[0]["refused"] == {BAD: code}
    assert (BAD, code) in {(event["institution"], event["code"]) for event in world.of("refused")}
    assert np.isfinite(model.vector).all()


def test_unchecked_one_update_that_is_no_number_takes_the_whole_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack, with the check of what an update is made of off: everybody's round is lost to one member."""
    monkeypatch.setattr(vectors, "model_from_bytes", lambda data, size: np.frombuffer(data, dtype="<f4"))
    world.lie(BAD, changed(BAD, update=vector(np.nan)))
    with pytest.raises(FederationError):
        world.driver().run()
    assert not [event for event in world.of("refused") if event["institution"] == BAD]
    assert world.store().model() is None


def test_a_replayed_reply_counts_once(world: World) -> None:
    world.lie(BAD, replaying())
    world.driver().run()
    assert accepted(world) == {1: ["bank-a", "bank-b", "bank-c"], 2: ["bank-a", "bank-c"], 3: ["bank-a", "bank-c"]}
    assert world.of("round")[1]["refused"] == {BAD: "wrong_round"}


def test_everybody_hostile_ends_in_a_typed_failure_after_bounded_attempts(world: World) -> None:
    for name in world.banks:
        world.lie(name, changed(name, update=vector(np.nan)))
    with pytest.raises(RunFailed) as caught:
        world.driver(attempts=2).run()
    assert "bank-a: not_finite" in caught.value.got
    assert [event["attempt"] for event in world.of("round")] == [1, 2]
    assert world.of("failed")
    assert world.store().model() is None


def test_two_nodes_of_one_institution_count_once(world: World) -> None:
    world.handlers[99] = world.handlers[10]
    world.driver().run()
    assert accepted(world)[1] == ["bank-a", "bank-b", "bank-c"]
    assert world.of("refused")[0]["code"] == "duplicate"


def test_strangers_are_named_and_never_asked(world: World) -> None:
    asked: list[str] = []

    def stranger(envelope: bytes) -> bytes:
        asked.append(read_envelope(envelope).kind)
        return seal(Refusal(institution="stranger"), key_of("stranger"))

    world.handlers[99] = stranger
    world.driver().run()
    assert set(asked) == {"HelloRequest"}
    assert world.of("refused")[0]["institution"] == "node 99"


@pytest.mark.parametrize("answer", [b"", b"junk", seal(RoundReply(), key_of("bank-a"))])
def test_a_bad_hello_makes_nobody_a_member(world: World, answer: bytes) -> None:
    world.handlers[99] = lambda _envelope: answer
    world.driver().run()
    assert accepted(world)[1] == ["bank-a", "bank-b", "bank-c"]


def test_a_hello_cannot_be_relayed_from_an_earlier_challenge(world: World) -> None:
    first: list[bytes] = []

    def replay(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            first.append(honest(envelope))
            return first[0]

        return handle

    spy = replay(world.handlers[10])
    world.handlers[10] = spy
    spy(seal(HelloRequest(challenge=b"x" * 32), COORDINATOR))
    with pytest.raises(RunFailed):
        world.driver(attempts=1, approval_s=5.0).run()
    assert any(event["code"] == "wrongly_signed" for event in world.of("refused"))
