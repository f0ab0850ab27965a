"""What a node answers about masks, and how a round's vector goes under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from clients.institution.masking import Masking
from clients.institution.plan_store import PlanStore
from clients.institution.replay.randomness import WINDOW_S
from federation.errors import Refused
from federation.rounds import CheckedRequest, Code, SignedPlan, TrainingPlan
from federation.rounds.masking import mask_number
from federation.rounds.refusals import refused
from federation.rounds.vectors import MaskedForm, Vector
from protocols.envelope import open_envelope, verify_envelope
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.wire.training_pb2 import (
    Envelope,
    MaskingAdvertRequest,
    MaskingSetupRequest,
    RoundReply,
    UnmaskingRequest,
)

T = TypeVar("T")


class MaskDesk:
    """`approved(signed_plan, plan_hash)`: the plan, approved here. `own`: the key that kept replies are signed with.

    `form(plan, phase, round)`: of this institution's answer; `institution` is its name.

    Masks of runs that are over, and can no longer be drawn for a replay, are destroyed when a node starts, and when it
    is asked for a round of whatever run.
    """

    def __init__(
        self,
        institution: str,
        masking: Masking,
        form: Callable[[TrainingPlan, str, int], MaskedForm],
        approved: Callable[[bytes, bytes], SignedPlan],
        coordinator: VerifyingKey,
        own: VerifyingKey,
        plans: PlanStore,
        clock: Callable[[], float],
    ) -> None:
        self._institution, self._form, self._plans, self._clock = institution, form, plans, clock
        self._masking, self._approved, self._coordinator, self._own = masking, approved, coordinator, own
        self.answers: dict[str, Callable[[Envelope], bytes]] = {
            "MaskingAdvertRequest": self._advert,
            "MaskingSetupRequest": self._share,
            "UnmaskingRequest": self._reveal,
        }
        self._masking.forget(self._needed())

    def check(self, plan: TrainingPlan) -> None:
        """Raises Refused (no_masks) for a round under shared noise before its masks are there: nothing is spent."""
        self._masking.forget(self._needed())
        if plan.privacy.sharing is not None:
            _told(lambda: self._masking.ready(plan))

    def mask(self, checked: CheckedRequest, vector: Vector) -> Vector:
        """`vector` as it may leave: under masks where the noise is shared. Raises Refused (oversized), StageError."""
        if checked.plan.privacy.sharing is None:
            return vector
        words = self._form_of(checked).words(self._institution, vector.astype(np.int64, copy=False))
        return self._masking.mask(checked.plan, _number(checked), words, checked.model_hash)

    def sent(self, checked: CheckedRequest, reply: bytes) -> None:
        """`reply`, kept in the ledger, leaves: for the first time or again."""
        if checked.plan.privacy.sharing is None:
            return
        kept = open_envelope(reply, RoundReply, self._own)
        self._masking.sent(checked.plan, _number(checked), self._form_of(checked).read(kept.update))

    def _form_of(self, checked: CheckedRequest) -> MaskedForm:
        return self._form(checked.plan, checked.phase_name, checked.round)

    def _advert(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, MaskingAdvertRequest, self._coordinator)
        plan = self._plan(request.signed_plan, request.plan_hash)
        needed = self._needed()
        self._masking.forget(needed)
        if plan.run_id not in needed:  # its masks are gone, and are not made anew: a run is set up once
            raise Refused(Code.PLAN_EXPIRED, "plan.expires", got=plan.expires, expected="a run that can go on")
        return _told(lambda: self._masking.advert(plan))

    def _needed(self) -> set[str]:
        """Runs whose plan may go on, or whose rounds may still be drawn."""
        kept = ((each.plan, each.plan.expires + (WINDOW_S if each.plan.replay else 0)) for each in self._plans.plans())
        return {plan.run_id for plan, until in kept if self._clock() < until}

    def _share(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, MaskingSetupRequest, self._coordinator)
        plan = self._plan(request.signed_plan, request.plan_hash)
        return _told(lambda: self._masking.share(plan, dict(request.adverts)))

    def _reveal(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, UnmaskingRequest, self._coordinator)
        plan = self._plan(request.signed_plan, request.plan_hash)
        return _told(lambda: self._masking.reveal(plan, request.unmasking))

    def _plan(self, signed_plan: bytes, plan_hash: bytes) -> TrainingPlan:
        plan = self._approved(signed_plan, plan_hash).plan
        if plan.privacy.sharing is None:
            raise Refused(Code.WRONG_PLAN, "plan.privacy.noise", got=plan.privacy.noise, expected="secagg")
        return plan


def _number(checked: CheckedRequest) -> int:
    return mask_number(checked.plan, checked.phase_name, checked.round)


def _told(step: Callable[[], T]) -> T:
    """What the protocol refuses, as a refusal: it names members and messages, and nothing of a record."""
    try:
        return step()
    except ProtocolError as error:
        raise refused(Code.NO_MASKS, error) from error
