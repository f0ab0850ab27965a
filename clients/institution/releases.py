"""What a checked request asks to release, as the ledger charges it."""

from __future__ import annotations

from federation.errors import Refused
from federation.ledger import Release, Reservation
from federation.rounds import CheckedRequest, Code
from protocols.wire.training_pb2 import Phase, RoundReply


def reply_of(institution: str, checked: CheckedRequest, reservation: Reservation, update: bytes) -> RoundReply:
    """The answer to `checked`: `update`, and what paid for it."""
    return RoundReply(
        institution=institution,
        plan_hash=bytes.fromhex(checked.plan.hash),
        phase=checked.phase,
        round=checked.round,
        model_hash=checked.model_hash,
        update=update,
        reservation_hash=bytes.fromhex(reservation.entry_hash),
    )


def release_of(checked: CheckedRequest, attempt: int, nominal_records: int, vintage: str) -> Release:
    """The release of `checked`, `attempt` from 1. Raises Refused (wrong_round) where its plan has no such release."""
    plan = checked.plan
    event = plan.privacy.round_event(checked.round) if checked.phase == Phase.TRAIN else plan.privacy.evaluation_event()
    if event is None:  # pragma: no cover - check_request has refused it
        raise Refused(Code.WRONG_ROUND, "request.phase", got="EVALUATE", expected="a plan with an evaluation")
    return Release(
        run_id=plan.run_id,
        phase=checked.phase_name,
        round=checked.round,
        event=event,
        delta=plan.privacy.delta,
        plan_hash=plan.hash,
        catalogue_hash=plan.catalogue.hash,
        model_hash=checked.model_hash.hex(),
        nominal_records=nominal_records,
        vintage=vintage,
        family=plan.recipe.family,
        attempt=attempt,
    )
