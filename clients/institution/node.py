"""The institution's node: the only place where data, keys and budget meet, and the gate in front of them.

    node = Node("bank-a", key, coordinator_key, ledger=ledger, computation=computation, policy=policy, trail=trail, ...)
    reply = node.handle(envelope)          # bytes in, bytes out; never raises

Whoever can reach the node can ask. It computes only for a plan that every member has signed, itself included, within
that plan's rounds and its own caps, once per round; the answer is kept and repeated as it is, and leaves once the log
has promised to show what it cost. Everything else is answered with a typed refusal and recorded in the ledger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import numpy as np

from clients.institution.mask_desk import MaskDesk
from clients.institution.masking import Masking, MaskMemory
from clients.institution.oversight.trail import Trail, Unlogged
from clients.institution.plan_gate import PlanGate
from clients.institution.plan_store import Decision, PlanStore
from clients.institution.policy import Policy
from clients.institution.refusal_log import RefusalLog
from clients.institution.releases import release_of, reply_of
from clients.institution.replay.rounds import NoReplays, Replays, upcoming
from clients.institution.run_history import RunHistory
from clients.institution.training import Computation
from federation.errors import BudgetExceeded, ConfigurationError, FederationError, Refused
from federation.ledger import Ledger, Reservation
from federation.ledger.release import Slot
from federation.observability import metrics
from federation.oversight.replay import Place
from federation.rounds import (
    CheckedRequest,
    Code,
    SignedPlan,
    TrainingPlan,
    approve,
    check_request,
    update_hash,
)
from federation.rounds.refusals import refused, signature_code
from federation.rounds.request import open_signed_plan
from federation.rounds.vectors import Vector, to_bytes
from federation.runtime.logging import get_logger
from protocols.envelope import read_envelope, seal, verify_envelope
from protocols.errors import ProtocolError
from protocols.signing import SigningKey, VerifyingKey
from protocols.wire.training_pb2 import (
    Envelope,
    HelloReply,
    HelloRequest,
    Phase,
    PlanApproval,
    PlanProposal,
    RoundRequest,
)

_log = get_logger("node")
_CHALLENGE_BYTES = 32
BEACON_S = 10.0  # how long a request waits for its beacon: at most, and at most half the time it has left
FIRST_LOOK_S = 3.0  # how long a proposal waits for the first look at the log


class Node:
    """One request at a time. `clock` is Unix time (s).

    Raises ConfigurationError at construction for a noise source that another party could reproduce, or without a log
    to say the ledger in, unless `backtest=True` says that all records are one owner's own.
    """

    def __init__(
        self,
        institution: str,
        key: SigningKey,
        coordinator: VerifyingKey,
        *,
        ledger: Ledger,
        computation: Computation,
        policy: Policy,
        plans: PlanStore,
        trail: Trail | None = None,
        replays: Replays | None = None,
        masking: Masking | None = None,
        clock: Callable[[], float] = time.time,
        backtest: bool = False,
    ) -> None:
        if not computation.noise.secure and not backtest:
            raise ConfigurationError("noise", got="reproducible noise", expected="the operating system's generator")
        if trail is None and not backtest:
            raise ConfigurationError("trail", got="none", expected="a log where the ledger is said")
        self.institution, self._trail = institution, trail or Unlogged()
        self._key, self._coordinator = key, coordinator
        self._ledger, self._computation = ledger, computation
        self._policy, self._plans, self._clock = policy, plans, clock
        self._replays = replays or NoReplays()
        masking = masking or Masking(institution, key, MaskMemory(), os.urandom)
        self._gate = PlanGate(
            institution,
            key.public,
            coordinator,
            computation.catalogue,
            policy,
            plans,
            ledger.caps,
            lambda: self._replays.overseen(FIRST_LOOK_S),
            masking.partners,
            clock,
        )
        self._refusals, self._history = RefusalLog(institution, key, ledger, clock), RunHistory(ledger)
        self._run_id: str | None = None  # of the request in hand, once its plan can be read
        self._lock = Lock()
        self._opened = lru_cache(maxsize=4)(open_signed_plan)
        self._desk = MaskDesk(
            institution, masking, computation.masked_form, self._approved, coordinator, key.public, plans, clock
        )
        self._answers: dict[str, Callable[[Envelope], bytes]] = {
            "HelloRequest": self._hello,
            "PlanProposal": self._proposal,
            "RoundRequest": self._round,
            **self._desk.answers,
        }
        for stored in plans.plans() if replays is not None else ():
            if stored.decision is Decision.APPROVED and clock() < stored.plan.expires:
                self._prepare(stored.plan)

    def handle(self, envelope: bytes) -> bytes:
        """The signed answer to a signed request: HelloReply, PlanApproval, RoundReply or Refusal. Never raises."""
        with self._lock:
            self._run_id = None
            try:
                return self._answer(envelope)
            except Refused as refusal:
                return self._refusals.answer(refusal, envelope, self._run_id)
            except Exception as error:  # whatever goes wrong here stays here
                return self._refusals.answer(self._failed(error), envelope, self._run_id)

    def _answer(self, data: bytes) -> bytes:
        # 1. The bytes are an envelope of a kind that a node answers.
        # 2. It is signed by the coordinator whose key was pinned at enrolment (in `_open`).
        try:
            envelope = read_envelope(data)
            answer = self._answers.get(envelope.kind)
            if answer is None:
                raise Refused(Code.UNKNOWN_KIND, "envelope.kind", got=envelope.kind[:64], expected="a request")
            return answer(envelope)
        except ProtocolError as error:
            raise refused(signature_code(error), error) from error

    def _hello(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, HelloRequest, self._coordinator)
        if len(request.challenge) != _CHALLENGE_BYTES:
            got = f"{len(request.challenge)} bytes"
            raise Refused(Code.UNREADABLE, "hello.challenge", got=got, expected=f"{_CHALLENGE_BYTES} bytes")
        return seal(HelloReply(institution=self.institution, challenge=request.challenge), self._key)

    def _proposal(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, PlanProposal, self._coordinator)
        try:
            plan = TrainingPlan.read(request.plan)
        except ConfigurationError as error:
            raise refused(Code.UNREADABLE, error) from error
        self._run_id = plan.run_id
        self._gate.consider(plan)
        self._prepare(plan)
        approval = approve(plan, self._key)
        message = PlanApproval(institution=self.institution, plan_hash=bytes.fromhex(plan.hash), approval=approval)
        return seal(message, self._key)

    def _round(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, RoundRequest, self._coordinator)
        signed = self._approved(request.signed_plan, request.plan_hash)
        # 5. Not expired, phase and round in the plan, model of the right size and finite, deadline still to come.
        size = self._computation.size(signed.plan.recipe)
        checked = check_request(request, signed.plan, size=size, now=self._clock())
        # 6. The same round for the same model: the very same bytes, and nothing is spent.
        stored = self._ledger.stored_reply(*self._slot(checked), checked.model_hash.hex())
        if stored is not None:
            self._desk.sent(checked, stored)
            self._trail.settle()
            return stored
        # 7. The same round for another model would cancel the noise of the first: never.
        # 8. No more attempts than the plan paid for.
        self._check_attempts(checked)
        self._desk.check(checked.plan)
        # 9. The log answers: what was written before is promised. Else nothing is spent.
        self._trail.settle()
        # 10. Where rounds can be replayed: this attempt's seed was committed to, and its beacon is known.
        place = self._attempt(checked, request.deadline_ms / 1000)
        # 11. The budget is reserved, signed and on disk before a record is touched; meanwhile it is said in the log.
        reservation = self._reserve(checked, place)
        self._trail.begin()
        # 12. Compute, keep the answer with its spend; it leaves once the log has promised both entries.
        reply = self._release(checked, reservation)
        self._trail.settle()
        self._prepare(checked.plan)
        return reply

    def _approved(self, signed_plan: bytes, plan_hash: bytes) -> SignedPlan:
        # 3. The plan is whole: its hash is the one named, every member and the coordinator have signed it.
        signed = self._opened(bytes(signed_plan), bytes(plan_hash))
        self._run_id = signed.plan.run_id
        # 4. It is this coordinator's and names this institution, which approved it and has not thought otherwise since.
        self._gate.require(signed)
        return signed

    def _slot(self, checked: CheckedRequest) -> Slot:
        return checked.plan.run_id, checked.phase_name, checked.round

    def _check_attempts(self, checked: CheckedRequest) -> None:
        slot = self._slot(checked)
        if self._history.answered(slot):
            raise Refused(Code.ANOTHER_MODEL, "request.model", got="a second model", expected="one model a round")
        allowed = checked.plan.rounds + checked.plan.privacy.spare_rounds if checked.phase == Phase.TRAIN else 1
        used = self._history.attempts(*slot[:2])
        if used >= allowed:
            raise Refused(
                Code.ATTEMPTS_SPENT, "request.round", got=f"attempt {used + 1}", expected=f"at most {allowed}"
            )

    def _prepare(self, plan: TrainingPlan) -> None:
        """Commit to what `plan` needs next, so that its beacon is known when it is asked for."""
        place = upcoming(plan, self._history) if plan.replay else None
        if place is not None:
            self._replays.prepare(place)

    def _attempt(self, checked: CheckedRequest, deadline: float) -> Place:
        """This attempt, ready to be used. Raises Refused (no_beacon).

        One that cannot be used, because its seed or its records are not here any more, is given up, and paid for: a
        second commitment to it would be a choice among seeds.
        """
        slot = self._slot(checked)
        place = Place(*slot, self._history.next_attempt(slot))
        if checked.plan.replay:
            self._replays.ready(place, min(BEACON_S, (deadline - self._clock()) / 2))
            if not self._replays.fits(place):
                self._ledger.fail(self._reserve(checked, place), Code.NO_BEACON)
                raise Refused(Code.NO_BEACON, "commitment", got="one that cannot be used", expected="another attempt")
        return place

    def _reserve(self, checked: CheckedRequest, place: Place) -> Reservation:
        release = release_of(checked, place.attempt, self._policy.nominal_records, self._policy.vintage)
        try:
            return self._ledger.reserve(release)
        except BudgetExceeded as error:
            raise refused(Code.BUDGET_EXCEEDED, error) from error

    def _release(self, checked: CheckedRequest, reservation: Reservation) -> bytes:
        try:
            data = to_bytes(self._desk.mask(checked, self._compute(checked, reservation)))
        except Exception as error:
            self._ledger.fail(reservation, Code.INTERNAL)
            raise self._failed(error) from error
        sealed = seal(reply_of(self.institution, checked, reservation, data), self._key)
        spent = self._ledger.spend(reservation, update_hash(data).hex(), sealed)
        self._history.follow(reservation, spent)
        self._desk.sent(checked, sealed)
        if checked.plan.replay:
            self._replays.seal(_place(reservation), update_hash(data).hex())
        metrics.count("fedscore_releases_total", phase=checked.phase_name)
        facts = {"run_id": checked.plan.run_id, "phase": checked.phase_name, "round": checked.round}
        _log.info("release sent", institution=self.institution, entry_hash=spent.hash, **facts)
        return sealed

    def _compute(self, checked: CheckedRequest, reservation: Reservation) -> Vector:
        noise = None
        update: Vector
        if checked.plan.replay:
            noise = self._replays.noise(_place(reservation), checked, reservation.entry_hash)
        if checked.phase == Phase.TRAIN:
            nominal = self._policy.nominal_records
            update = self._computation.train(checked.plan, nominal, checked.round, checked.model, noise)
        else:
            update = self._computation.evaluate(checked.plan, checked.model, noise)
        if not np.isfinite(update).all():
            raise FederationError("update", got="NaN or infinity", expected="finite numbers")
        return update

    def _failed(self, error: Exception) -> Refused:
        """One constant answer, whatever went wrong: even an error's class could tell of a record."""
        _log.error("request failed", institution=self.institution, run_id=self._run_id, error=error)
        return Refused(Code.INTERNAL, "node", got="an error", expected="an answer")


def _place(reservation: Reservation) -> Place:
    release = reservation.release
    return Place(release.run_id, release.phase, release.round, release.attempt)
