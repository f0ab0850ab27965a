"""The answers to a plan proposal: every member's approval, or who refused and why."""

from __future__ import annotations

from federation.errors import Refused
from federation.rounds.collection import reason
from federation.rounds.plan import Member, TrainingPlan
from federation.rounds.refusals import Code, refused, signature_code
from federation.rounds.reply import read_refusal
from federation.rounds.signed_plan import verify_approval
from protocols.envelope import read_envelope, verify_envelope
from protocols.errors import ProtocolError
from protocols.wire.training_pb2 import Envelope, HelloReply, PlanApproval


class Approvals:
    """Fill it with `offer`; read `accepted` {institution: 64 bytes} and `refused` {institution: code}.

    `final`: {institution: refusal} of members that answered, and not with an approval; one is the end of the plan.
    `undecided`: members where a person has yet to decide.
    """

    def __init__(self, plan: TrainingPlan, request_hash: bytes) -> None:
        self.plan = plan
        self.accepted: dict[str, bytes] = {}
        self.refused: dict[str, str] = {}
        self.final: dict[str, Refused] = {}
        self.undecided: set[str] = set()
        self._request_hash = request_hash

    @property
    def waiting(self) -> set[str]:
        """Members whose answer still matters: nobody's, once one has refused for good."""
        return set() if self.final else self.unanswered

    @property
    def unanswered(self) -> set[str]:
        """Members that have neither approved nor been refused."""
        return self.plan.by_name.keys() - self.accepted.keys() - self.refused.keys()

    @property
    def quorate(self) -> bool:
        """A plan needs every member."""
        return len(self.accepted) == len(self.plan.members)

    def offer(self, institution: str, data: bytes, *, late: bool = False) -> Refused | None:
        """Take an answer. Returns the refusal or None; a pending approval leaves the institution in `waiting`."""
        try:
            self.accepted.setdefault(institution, self._check(institution, data))
        except Refused as refusal:
            if not late and institution not in self.accepted:
                self._note(institution, refusal)
            return refusal
        self.refused.pop(institution, None)
        self.final.pop(institution, None)
        self.undecided.discard(institution)
        return None

    def review(self) -> None:
        """An approval stands as soon as it is there."""

    def again(self, refusal: Refused) -> bool:
        """True if the same question may be answered otherwise later: a person has yet to decide."""
        return reason(refusal) == f"{Code.REFUSED}:{Code.APPROVAL_PENDING}"

    def fail(self, institution: str, code: Code) -> None:
        if institution not in self.accepted:
            self.refused[institution] = str(code)

    def _note(self, institution: str, refusal: Refused) -> None:
        if self.again(refusal):
            self.undecided.add(institution)
            return
        self.refused[institution] = reason(refusal)
        if refusal.code != Code.NOT_A_MEMBER:
            self.final[institution] = refusal

    def _check(self, institution: str, data: bytes) -> bytes:
        member = self.plan.member(institution)
        if member is None:
            raise Refused(Code.NOT_A_MEMBER, "approval.institution", got=institution[:64], expected="a member")
        try:
            return self._read(member, read_envelope(data))
        except ProtocolError as error:
            raise refused(signature_code(error), error) from error

    def _read(self, member: Member, envelope: Envelope) -> bytes:
        if envelope.kind == "Refusal":
            raise read_refusal(envelope, member.verifying_key, self._request_hash)
        message = verify_envelope(envelope, PlanApproval, member.verifying_key)
        if message.plan_hash.hex() != self.plan.hash:
            raise Refused(
                Code.WRONG_PLAN, "approval.plan_hash", got=message.plan_hash.hex()[:64], expected=self.plan.hash
            )
        if message.institution != member.institution:
            raise Refused(
                Code.WRONGLY_SIGNED, "approval.institution", got=message.institution[:64], expected=member.institution
            )
        verify_approval(self.plan, member.verifying_key, message.approval)
        return bytes(message.approval)


def check_hello(plan: TrainingPlan, challenge: bytes, data: bytes) -> str:
    """The member that answered `challenge`. Raises Refused: unreadable, not_a_member, unsigned, wrongly_signed."""
    try:
        envelope = read_envelope(data)
        claimed = _claimed_institution(envelope)
        member = plan.member(claimed)
        if member is None:
            raise Refused(Code.NOT_A_MEMBER, "hello.institution", got=claimed[:64], expected="a member of the plan")
        reply = verify_envelope(envelope, HelloReply, member.verifying_key)
    except ProtocolError as error:
        raise refused(signature_code(error), error) from error
    if reply.challenge != challenge:
        raise Refused(Code.WRONGLY_SIGNED, "hello.challenge", got="another one", expected="the one sent")
    return claimed


def _claimed_institution(envelope: Envelope) -> str:
    """Not yet verified: it only says under which member's key to look."""
    if envelope.kind != "HelloReply":
        raise Refused(Code.UNREADABLE, "hello.kind", got=envelope.kind[:64], expected="HelloReply")
    try:
        return HelloReply.FromString(envelope.body).institution
    except Exception as error:  # protobuf's own error classes differ between its implementations
        raise Refused(Code.UNREADABLE, "hello.body", got="unreadable bytes", expected="a HelloReply") from error
