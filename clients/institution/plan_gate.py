"""Which plans a node puts its name under, and which it goes on computing for.

gate = PlanGate("bank-a", key, coordinator_key, catalogue, policy, plans, caps, overseen, partners, clock)
gate.consider(plan)                 # a proposal: returns if the institution approves of it
gate.require(signed)                # before each round
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clients.institution.partners import strangers
from clients.institution.plan_store import Decision, PlanStore
from clients.institution.policy import Policy, check_policy
from federation.catalogue import Catalogue
from federation.errors import Refused
from federation.ledger import Caps
from federation.rounds import Code, SignedPlan, TrainingPlan
from federation.rounds.plan import replayable
from federation.rounds.request import check_plan_for
from protocols.signing import VerifyingKey


@dataclass(frozen=True)
class PlanGate:
    """One institution's; methods raise Refused.

    `overseen`: whether the log names a regulator. `partners`: fingerprints of those that it shares noise with.
    """

    institution: str
    key: VerifyingKey
    coordinator: VerifyingKey
    catalogue: Catalogue
    policy: Policy
    plans: PlanStore
    caps: Caps
    overseen: Callable[[], bool]
    partners: Callable[[], frozenset[str]]
    clock: Callable[[], float]

    def consider(self, plan: TrainingPlan) -> None:
        """Returns if the institution approves of `plan`."""
        # 1. It is this coordinator's, on this institution's catalogue, and names this institution and its key.
        self._check(plan)
        # 2. It keeps the institution's policy and caps.
        check_policy(plan, plan.by_name[self.institution], self.policy, self.caps, now=self.clock())
        # 3. Where there is a regulator, whatever can be replayed is.
        if replayable(plan.recipe) and not plan.replay and self.overseen():
            raise Refused(Code.OUTSIDE_POLICY, "plan.replay", got="false", expected="true: the log names a regulator")
        # 4. Its run has no other plan.
        other = self.plans.approved_of_run(plan.run_id)
        if other not in (None, plan.hash):
            raise Refused(Code.OUTSIDE_POLICY, "plan.run_id", got="a second plan for a run", expected="one plan a run")
        # 5. A person has decided, where the institution wants that, and said who the others are, where noise is shared.
        unknown = strangers(plan, self.institution, self.partners())
        decision = self._decide(plan, waits=self.policy.approval == "manual" or bool(unknown))
        _require_known(unknown)
        _require_approval(decision)

    def require(self, signed: SignedPlan) -> None:
        """Returns if the institution approved of the plan earlier, and has not thought otherwise since."""
        self._check(signed.plan)
        decision = self.plans.decision(signed.plan.hash)
        if decision is None:
            raise Refused(Code.NOT_APPROVED, "plan", got="never proposed here", expected="a plan approved here")
        _require_approval(decision)
        _require_known(strangers(signed.plan, self.institution, self.partners()))
        if signed.plan.bundle_hash not in self.policy.bundles():
            raise Refused(
                Code.WRONG_BUNDLE, "plan.bundle_hash", got=signed.plan.bundle_hash, expected="one allowed here"
            )

    def _check(self, plan: TrainingPlan) -> None:
        check_plan_for(plan, self.institution, self.key, self.coordinator)
        wanted = self.catalogue.hash
        if plan.catalogue.hash != wanted:
            raise Refused(Code.WRONG_CATALOGUE, "plan.catalogue.hash", got=plan.catalogue.hash, expected=wanted)

    def _decide(self, plan: TrainingPlan, *, waits: bool) -> Decision:
        known = self.plans.decision(plan.hash)
        if known is None:
            known = Decision.PENDING if waits else Decision.APPROVED
            self.plans.propose(plan, known)
        elif known is Decision.PENDING and not waits:  # it waited for its members to be accepted
            self.plans.decide(plan.hash, Decision.APPROVED)
            known = Decision.APPROVED
        return known


def _require_known(unknown: Mapping[str, str]) -> None:
    if unknown:
        first = ", ".join(f"{name} {fingerprint}" for name, fingerprint in list(unknown.items())[:3])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise Refused(
            Code.APPROVAL_PENDING,
            "plan.members",
            got=first + more,
            expected="members whose keys a person here accepted",
        )


def _require_approval(decision: Decision) -> None:
    if decision is Decision.PENDING:
        raise Refused(Code.APPROVAL_PENDING, "plan", got="no decision yet", expected="a person's approval")
    if decision is Decision.REJECTED:
        raise Refused(Code.NOT_APPROVED, "plan", got="rejected", expected="a plan approved here")
