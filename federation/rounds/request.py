"""What a round request must satisfy before a node looks at its budget. Pure; the order of steps is the protocol's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from federation.errors import ConfigurationError, Refused
from federation.rounds.averaging import F32, model_from_bytes, model_hash
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import Code, refused
from federation.rounds.signed_plan import SignedPlan
from federation.training.recipe import PARAMETER_LIMIT
from federation.training.sums.recipe import SumRecipe
from federation.training.sums.state import LIMIT
from protocols.canonical import digest
from protocols.signing import VerifyingKey
from protocols.wire.training_pb2 import Phase, RoundRequest

REQUEST_LABEL = "fedscore/v1/request"


def request_hash(envelope: bytes) -> bytes:
    """32 bytes: what a refusal names the request by."""
    return digest(REQUEST_LABEL, envelope)


@dataclass(frozen=True)
class CheckedRequest:
    """A request that its plan allows: phase, round, model float32 [d] and the model's hash."""

    plan: TrainingPlan
    phase: Phase
    round: int
    model: F32 = field(repr=False)
    model_hash: bytes

    @property
    def phase_name(self) -> Literal["train", "evaluate"]:
        """ "train" or "evaluate", as in the ledger."""
        return "train" if self.phase == Phase.TRAIN else "evaluate"


def open_signed_plan(data: bytes, plan_hash: bytes) -> SignedPlan:
    """The verified signed plan. Raises Refused: unreadable, wrong_plan, unsigned_plan."""
    try:
        signed = SignedPlan.read(data)
    except ConfigurationError as error:
        raise refused(Code.UNREADABLE, error) from error
    if signed.plan.hash != plan_hash.hex():
        raise Refused(Code.WRONG_PLAN, "request.plan_hash", got=plan_hash.hex()[:64], expected=signed.plan.hash)
    signed.verify()
    return signed


def check_plan_for(plan: TrainingPlan, institution: str, key: VerifyingKey, coordinator: VerifyingKey) -> None:
    """Raises Refused(wrong_plan, not_a_member) unless the plan is `coordinator`'s and names `institution` and `key`."""
    if plan.coordinator != coordinator.hex:
        raise Refused(Code.WRONG_PLAN, "plan.coordinator", got="another key", expected=f"key {coordinator.key_id}")
    member = plan.member(institution)
    if member is None or member.key != key.hex:
        got = "no such member" if member is None else "another key"
        raise Refused(Code.NOT_A_MEMBER, f"plan.members.{institution}", got=got, expected=f"key {key.key_id}")


def check_request(request: RoundRequest, plan: TrainingPlan, *, size: int, now: float) -> CheckedRequest:
    """The request as its plan allows it; `now` is Unix time (s), `size` the number of parameters. Raises Refused:

    1. the plan has not expired                                       plan_expired
    2. the phase is one the plan has, the round is one of its rounds  wrong_round
    3. the model has the size of the recipe, is finite and within     wrong_shape, not_finite, oversized
       the recipe's bound on parameters: nothing is spent on others
    4. the deadline is still to come                                  late
    """
    if now >= plan.expires:
        raise Refused(Code.PLAN_EXPIRED, "plan.expires", got=plan.expires, expected=f"after {int(now)}")
    _check_round(request, plan)
    model = model_from_bytes(request.model, size)
    limit = LIMIT if isinstance(plan.recipe, SumRecipe) else PARAMETER_LIMIT
    if np.abs(model).max(initial=0.0) > limit:
        raise Refused(Code.OVERSIZED, "vector", got="a larger parameter", expected=f"within {limit:g}")
    if request.deadline_ms <= now * 1000:
        late = f"{now * 1000 - request.deadline_ms:.0f} ms late"
        raise Refused(Code.LATE, "request.deadline_ms", got=late, expected="before the deadline")
    return CheckedRequest(plan, request.phase, request.round, model, model_hash(request.model))


def _check_round(request: RoundRequest, plan: TrainingPlan) -> None:
    if request.phase == Phase.TRAIN:
        if not 1 <= request.round <= plan.rounds:
            raise Refused(Code.WRONG_ROUND, "request.round", got=request.round, expected=f"1 to {plan.rounds}")
    elif request.phase == Phase.EVALUATE:
        if plan.privacy.evaluation_multiplier is None:
            raise Refused(Code.WRONG_ROUND, "request.phase", got="EVALUATE", expected="a plan with an evaluation")
        if request.round != 0:
            raise Refused(Code.WRONG_ROUND, "request.round", got=request.round, expected="0 for EVALUATE")
    else:
        raise Refused(Code.WRONG_ROUND, "request.phase", got=int(request.phase), expected="TRAIN or EVALUATE")
