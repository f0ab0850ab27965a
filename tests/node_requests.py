"""What a coordinator asks of a node, and what it answers: proposals, rounds, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
from rounds_world import (
    COORDINATOR,
    START,
    Bank,
    key_of,
    make_plan,
    model_size,
    sign,
)

from federation.rounds import SignedPlan, TrainingPlan, request_hash
from federation.rounds.averaging import model_to_bytes
from protocols.envelope import open_envelope, seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import (
    Phase,
    PlanApproval,
    PlanProposal,
    Refusal,
    RoundRequest,
)


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


def broken(*_: Any) -> Any:
    raise ValueError("the record of Jane Doe, born 1970")
