"""The institution's node: the only place where data, keys and budget meet, and the gate in front of them.

    node = Node("bank-a", key, coordinator_key, ledger=ledger, computation=computation, policy=policy, trail=trail, ...)
    reply = node.handle(envelope)          # bytes in, bytes out; never raises

Whoever can reach the node can ask. It computes only for a plan that every member has signed, itself included, within
that plan's rounds and its own caps, once per round; the answer is kept and repeated as it is, and leaves once the log
has promised to show what it cost. Everything else is
answered with a typed refusal and recorded in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

import numpy as np

from clients.institution.oversight.trail import Trail, Unlogged
from clients.institution.plan_store import Decision, PlanStore
from clients.institution.policy import Policy, check_policy
from clients.institution.refusal_log import RefusalLog
from clients.institution.run_history import RunHistory
from clients.institution.training import Computation
from federation.errors import BudgetExceeded, ConfigurationError, FederationError, Refused
from federation.ledger import Ledger, Release, Reservation
from federation.ledger.release import Slot
from federation.observability import metrics
from federation.rounds import (
    CheckedRequest,
    Code,
    SignedPlan,
    TrainingPlan,
    approve,
    check_request,
    request_hash,
    update_hash,
)
from federation.rounds.averaging import F32, model_to_bytes
from federation.rounds.refusals import refused, signature_code
from federation.rounds.request import check_plan_for, open_signed_plan
from federation.runtime.logging import get_logger
from protocols.envelope import read_envelope, seal, verify_envelope
from protocols.errors import ProtocolError
from protocols.printable import printable
from protocols.signing import SigningKey, VerifyingKey
from protocols.wire.training_pb2 import (
    Envelope,
    HelloReply,
    HelloRequest,
    Phase,
    PlanApproval,
    PlanProposal,
    Refusal,
    RoundReply,
    RoundRequest,
)

_log = get_logger("node")
_CHALLENGE_BYTES = 32


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
        self._refusals, self._history = RefusalLog(institution, ledger, clock), RunHistory(ledger)
        self._run_id: str | None = None  # of the request in hand, once its plan can be read
        self._lock = Lock()
        self._opened = lru_cache(maxsize=4)(open_signed_plan)
        self._answers: dict[str, Callable[[Envelope], bytes]] = {
            "HelloRequest": self._hello,
            "PlanProposal": self._proposal,
            "RoundRequest": self._round,
        }

    def handle(self, envelope: bytes) -> bytes:
        """The signed answer to a signed request: HelloReply, PlanApproval, RoundReply or Refusal. Never raises."""
        with self._lock:
            self._run_id = None
            try:
                return self._answer(envelope)
            except Refused as refusal:
                return self._refuse(refusal, envelope)
            except Exception as error:  # whatever goes wrong here stays here
                return self._refuse(self._failed(error), envelope)

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
        self._consider(plan)
        approval = approve(plan, self._key)
        message = PlanApproval(institution=self.institution, plan_hash=bytes.fromhex(plan.hash), approval=approval)
        return seal(message, self._key)

    def _consider(self, plan: TrainingPlan) -> None:
        """Returns if the institution approves of `plan`; raises Refused."""
        # 1. It is this coordinator's, on this institution's catalogue, and names this institution and its key.
        self._check_plan(plan)
        # 2. It keeps the institution's policy and caps.
        member = plan.by_name[self.institution]
        check_policy(plan, member, self._policy, self._ledger.caps, now=self._clock())
        # 3. Its run has no other plan.
        other = self._plans.approved_of_run(plan.run_id)
        if other not in (None, plan.hash):
            raise Refused(Code.OUTSIDE_POLICY, "plan.run_id", got="a second plan for a run", expected="one plan a run")
        # 4. A person has decided, where the institution wants that.
        self._require(self._decide(plan))

    def _decide(self, plan: TrainingPlan) -> Decision:
        known = self._plans.decision(plan.hash)
        if known is None:
            known = Decision.PENDING if self._policy.approval == "manual" else Decision.APPROVED
            self._plans.propose(plan, known)
        return known

    def _round(self, envelope: Envelope) -> bytes:
        request = verify_envelope(envelope, RoundRequest, self._coordinator)
        # 3. The plan is whole: its hash is the one named, every member and the coordinator have signed it.
        signed = self._opened(bytes(request.signed_plan), bytes(request.plan_hash))
        self._run_id = signed.plan.run_id
        self._check_plan(signed.plan)
        # 4. This institution approved it earlier, and has not thought otherwise since.
        self._require_approved(signed)
        # 5. Not expired, phase and round in the plan, model of the right size and finite, deadline still to come.
        size = self._computation.size(signed.plan.recipe)
        checked = check_request(request, signed.plan, size=size, now=self._clock())
        # 6. The same round for the same model: the very same bytes, and nothing is spent.
        stored = self._ledger.stored_reply(*self._slot(checked), checked.model_hash.hex())
        if stored is not None:
            self._trail.settle()
            return stored
        # 7. The same round for another model would cancel the noise of the first: never.
        # 8. No more attempts than the plan paid for.
        self._check_attempts(checked)
        # 9. The log answers: what was written before is promised. Else nothing is spent.
        self._trail.settle()
        # 10. The budget is reserved, signed and on disk before a record is touched; meanwhile it is said in the log.
        reservation = self._reserve(checked)
        self._trail.begin()
        # 11. Compute, keep the answer with its spend; it leaves once the log has promised both entries.
        reply = self._release(checked, reservation)
        self._trail.settle()
        return reply

    def _check_plan(self, plan: TrainingPlan) -> None:
        check_plan_for(plan, self.institution, self._key.public, self._coordinator)
        catalogue = self._computation.catalogue
        if plan.catalogue.hash != catalogue.hash:
            raise Refused(Code.WRONG_CATALOGUE, "plan.catalogue.hash", got=plan.catalogue.hash, expected=catalogue.hash)

    def _require_approved(self, signed: SignedPlan) -> None:
        decision = self._plans.decision(signed.plan.hash)
        if decision is None:
            raise Refused(Code.NOT_APPROVED, "plan", got="never proposed here", expected="a plan approved here")
        self._require(decision)
        if signed.plan.bundle_hash not in self._policy.bundles():
            raise Refused(
                Code.WRONG_BUNDLE, "plan.bundle_hash", got=signed.plan.bundle_hash, expected="one allowed here"
            )

    def _require(self, decision: Decision) -> None:
        if decision is Decision.PENDING:
            raise Refused(Code.APPROVAL_PENDING, "plan", got="no decision yet", expected="a person's approval")
        if decision is Decision.REJECTED:
            raise Refused(Code.NOT_APPROVED, "plan", got="rejected", expected="a plan approved here")

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

    def _reserve(self, checked: CheckedRequest) -> Reservation:
        plan = checked.plan
        event = plan.privacy.round_event() if checked.phase == Phase.TRAIN else plan.privacy.evaluation_event()
        if event is None:  # pragma: no cover - check_request has refused it
            raise Refused(Code.WRONG_ROUND, "request.phase", got="EVALUATE", expected="a plan with an evaluation")
        release = Release(
            run_id=plan.run_id,
            phase=checked.phase_name,
            round=checked.round,
            event=event,
            delta=plan.privacy.delta,
            plan_hash=plan.hash,
            catalogue_hash=plan.catalogue.hash,
            model_hash=checked.model_hash.hex(),
            nominal_records=self._policy.nominal_records,
            vintage=self._policy.vintage,
            family=plan.recipe.family,
        )
        try:
            return self._ledger.reserve(release)
        except BudgetExceeded as error:
            raise refused(Code.BUDGET_EXCEEDED, error) from error

    def _release(self, checked: CheckedRequest, reservation: Reservation) -> bytes:
        try:
            update = self._compute(checked)
        except Exception as error:
            self._ledger.fail(reservation, Code.INTERNAL)
            raise self._failed(error) from error
        data = model_to_bytes(update)
        reply = RoundReply(
            institution=self.institution,
            plan_hash=bytes.fromhex(checked.plan.hash),
            phase=checked.phase,
            round=checked.round,
            model_hash=checked.model_hash,
            update=data,
            reservation_hash=bytes.fromhex(reservation.entry_hash),
        )
        sealed = seal(reply, self._key)
        spent = self._ledger.spend(reservation, update_hash(data).hex(), sealed)
        self._history.follow(reservation, spent)
        facts = {"institution": self.institution, "run_id": checked.plan.run_id, "round": checked.round}
        metrics.count("fedscore_releases_total", phase=checked.phase_name)
        _log.info("release sent", phase=checked.phase_name, entry_hash=spent.hash, **facts)
        return sealed

    def _compute(self, checked: CheckedRequest) -> F32:
        if checked.phase == Phase.TRAIN:
            nominal = self._policy.nominal_records
            update = self._computation.train(checked.plan, nominal, checked.model)
        else:
            update = self._computation.evaluate(checked.plan, checked.model)
        if not np.isfinite(update).all():
            raise FederationError("update", got="NaN or infinity", expected="finite numbers")
        return update

    def _failed(self, error: Exception) -> Refused:
        """One constant answer, whatever went wrong: even an error's class could tell of a record."""
        _log.error("request failed", institution=self.institution, run_id=self._run_id, error=error)
        return Refused(Code.INTERNAL, "node", got="an error", expected="an answer")

    def _refuse(self, refusal: Refused, envelope: bytes) -> bytes:
        name = request_hash(envelope)
        metrics.count("fedscore_refusals_total", code=refusal.code)
        self._refusals.record(refusal, name.hex(), self._run_id)
        message = Refusal(
            institution=self.institution,
            code=str(refusal.code),
            field=printable(refusal.where),
            got=printable(refusal.got),
            expected=printable(refusal.expected),
            request_hash=name,
        )
        return seal(message, self._key)
