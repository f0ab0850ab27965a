"""A coordinator that sends states which no recipe of sums takes, to have attempts paid for that give nothing."""

from __future__ import annotations

import numpy as np
import pytest
from masked_world import Watched
from rounds_world import COORDINATOR, START, Handler, catalogue, sign

from federation.rounds import RunFailed, model_to_bytes, request
from federation.rounds.rule import rule_of
from federation.training.recipe import PARAMETER_LIMIT
from federation.training.sums.state import LIMIT
from protocols.envelope import read_envelope, seal
from protocols.wire.training_pb2 import Phase, RoundRequest


def silent(handler: Handler) -> Handler:
    def handle(envelope: bytes) -> bytes:
        if read_envelope(envelope).kind == "RoundRequest":
            raise ConnectionError
        return handler(envelope)

    return handle


def asked_for_round_two(value: float) -> tuple[str, list[str]]:
    """The kind of the answer, and the kinds of entries that the ledger has of it, when a state holds `value`."""
    watched = Watched()
    watched.world.lie("bank-b", silent)
    with pytest.raises(RunFailed):
        watched.world.driver(attempts=1).run()  # masks are set up, and bank-a has answered round 1
    bank, plan = watched.world.banks["bank-a"], watched.world.plan
    before = len(bank.kinds())
    state = rule_of(catalogue(), plan).initial()
    state[0] = value
    asked = RoundRequest(
        signed_plan=sign(plan).canonical(),
        plan_hash=bytes.fromhex(plan.hash),
        phase=Phase.TRAIN,
        round=2,
        model=model_to_bytes(state),
        deadline_ms=int(START + 10_000) * 1000,
    )
    answer = bank.node.handle(seal(asked, COORDINATOR))
    return read_envelope(answer).kind, bank.kinds()[before:]


@pytest.mark.parametrize("value", [float(np.nextafter(np.float32(LIMIT), np.float32(np.inf))), -5000.0, 1e6])
def test_a_state_beyond_the_recipes_bound_is_refused_before_anything_is_reserved(value: float) -> None:
    assert asked_for_round_two(value) == ("Refusal", ["refuse"])


def test_a_state_at_the_bound_is_answered() -> None:
    kind, entries = asked_for_round_two(LIMIT)
    assert kind == "RoundReply"
    assert "refuse" not in entries


def test_with_the_bound_of_averaging_an_attempt_is_paid_for_and_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "LIMIT", PARAMETER_LIMIT)
    kind, entries = asked_for_round_two(5000.0)
    assert kind == "Refusal"
    assert entries[0] == "reserve"
