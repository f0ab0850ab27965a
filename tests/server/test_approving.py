"""The first question of a run: approvals that are missing, wrong, or refused for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from lying_nodes import BAD
from rounds_world import (
    Handler,
    World,
    key_of,
)

from federation.rounds import RunFailed
from federation.rounds.request import request_hash
from protocols.envelope import read_envelope, seal
from protocols.wire.training_pb2 import PlanApproval, Refusal
from server.assembly import Pace


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_approval_that_is_missing_is_named(world: World) -> None:
    del world.handlers[12]
    with pytest.raises(RunFailed, match="bank-c: no answer"):
        world.driver(approval_s=30.0).run()
    assert world.store().signed_plan() is None


def test_an_approval_that_does_not_verify_is_named(world: World) -> None:
    plan_hash = bytes.fromhex(world.plan.hash)
    bad = PlanApproval(institution=BAD, plan_hash=plan_hash, approval=bytes(64))

    def liar(honest: Handler) -> Handler:
        return lambda e: seal(bad, key_of(BAD)) if read_envelope(e).kind == "PlanProposal" else honest(e)

    world.lie(BAD, liar)
    with pytest.raises(RunFailed, match="bank-b: wrongly_signed"):
        world.driver().run()


def test_a_plan_refused_for_good_fails_at_once(world: World) -> None:
    """Although bank-c never answers: whatever it would say, the plan cannot start."""
    del world.handlers[12]

    def strict(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if read_envelope(envelope).kind != "PlanProposal":
                return honest(envelope)
            told = {"code": "outside_policy", "field": "plan.privacy.epsilon", "got": "20.0", "expected": "at most 3.0"}
            return seal(Refusal(institution=BAD, request_hash=request_hash(envelope), **told), key_of(BAD))

        return handle

    world.lie(BAD, strict)
    start = world.clock()
    with pytest.raises(RunFailed) as caught:
        world.driver(approval_s=600.0).run()
    assert str(caught.value) == (
        "plan refused by bank-b: outside_policy: plan.privacy.epsilon: got 20.0, expected at most 3.0"
    )
    assert world.clock() - start < 30.0
    assert world.of("failed")[0]["got"] == "20.0"


def test_who_is_waited_for_is_told_now_and_then(world: World) -> None:
    del world.handlers[12]
    with pytest.raises(RunFailed):
        world.driver(approval_s=35.0, pace=Pace()).run()
    told = world.of("waiting")
    assert [event["silent"] for event in told] == [["bank-c"]] * 3
    assert [event["undecided"] for event in told] == [[]] * 3
    assert [10 <= event["seconds"] - 10 * i <= 11 for i, event in enumerate(told)] == [True] * 3
