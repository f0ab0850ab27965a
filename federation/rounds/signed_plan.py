"""A plan with the approval of EVERY member and of the coordinator: the only thing a node computes for."""

from __future__ import annotations

import json

from federation.errors import Refused
from federation.rounds.plan import PLAN_LABEL, Document, TrainingPlan
from federation.rounds.refusals import Code
from protocols.errors import SignatureError
from protocols.signing import SigningKey, VerifyingKey


def approve(plan: TrainingPlan, key: SigningKey) -> bytes:
    """64 bytes: `key`'s Ed25519 over the plan's canonical bytes under "fedscore/v1/plan"."""
    return key.sign(PLAN_LABEL, plan.canonical())


def verify_approval(plan: TrainingPlan, key: VerifyingKey, approval: bytes) -> None:
    """Raises SignatureError unless `approval` is `key`'s over `plan`."""
    key.verify(PLAN_LABEL, plan.canonical(), approval)


class SignedPlan(Document):
    """`plan`, `approvals` {institution: hex of 64 bytes}, `coordinator`: hex of the coordinator's own signature."""

    plan: TrainingPlan
    approvals: dict[str, str]
    coordinator: str

    @classmethod
    def sign(cls, plan: TrainingPlan, approvals: dict[str, bytes], key: SigningKey) -> SignedPlan:
        """The coordinator's signature beside the members'. Raises Refused if one is missing or wrong."""
        collected = {name: approvals[name].hex() for name in sorted(approvals)}
        signed = cls(plan=plan, approvals=collected, coordinator=approve(plan, key).hex())
        signed.verify()
        return signed

    def verify(self) -> None:
        """Raises Refused(unsigned_plan) unless

        1. the approvals are those of the plan's members, no fewer and no others,
        2. each verifies under that member's key in the plan,
        3. the coordinator's verifies under the coordinator's key in the plan.
        """
        missing = sorted(self.plan.by_name.keys() - self.approvals.keys())
        if missing:
            raise _unsigned("plan.approvals", f"none by {', '.join(missing)[:150]}", "one by every member")
        if len(self.approvals) != len(self.plan.members):
            raise _unsigned("plan.approvals", "one by a stranger", "members' approvals only")
        for member in self.plan.members:
            self._verify_one(member.institution, member.verifying_key, self.approvals[member.institution])
        self._verify_one("coordinator", VerifyingKey.from_hex(self.plan.coordinator), self.coordinator)

    def _verify_one(self, name: str, key: VerifyingKey, approval: str) -> None:
        try:
            verify_approval(self.plan, key, bytes.fromhex(approval))
        except (SignatureError, ValueError) as error:
            raise _unsigned(f"plan.approvals.{name}", "one that does not verify", f"by key {key.key_id}") from error


def pretty(document: Document) -> str:
    """The document for people: the same JSON, indented."""
    return json.dumps(json.loads(document.canonical()), indent=2, sort_keys=True) + "\n"


def _unsigned(where: str, got: str, expected: str) -> Refused:
    return Refused(Code.UNSIGNED_PLAN, where, got=got, expected=expected)
