"""What an answer to a round must satisfy before it is averaged. Pure; the driver names whom it refuses and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.errors import Refused
from federation.rounds.averaging import update_hash
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import Code, refused, signature_code
from federation.rounds.vectors import AnyForm, Vector, to_bytes
from protocols.envelope import read_envelope, verify_envelope
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.wire.training_pb2 import Envelope, Phase, Refusal, RoundReply


@dataclass(frozen=True)
class Expected:
    """One question put to every member: which plan, phase, round and model, and the form of an answer."""

    plan: TrainingPlan
    phase: Phase
    round: int
    model_hash: bytes
    request_hash: bytes
    form: AnyForm


@dataclass(frozen=True)
class Update:
    """A reply that passed: its vector and the hashes under which it is published."""

    institution: str
    vector: Vector = field(repr=False)
    update_hash: str
    reservation_hash: str

    @classmethod
    def of(cls, institution: str, vector: Vector) -> Update:
        """An update known from elsewhere than a reply: to recompute an average."""
        return cls(institution, vector, update_hash(to_bytes(vector)).hex(), "")


def check_reply(expected: Expected, institution: str, data: bytes) -> Update:
    """The update in the envelope `data`, answered by the node of `institution`.

    Raises Refused:
    1. the institution is a member of the plan                                        not_a_member
    2. the bytes are an envelope of this version                                      unreadable
    3. it is signed, by the key the plan names for this institution                   unsigned, wrongly_signed
    4. it is an answer, not a refusal                                                 refused
    5. it speaks for the same institution, this plan, this round, this model          wrongly_signed, wrong_plan,
                                                                                      wrong_round, wrong_model
    6. its vector has the length asked, is finite, and is no longer than the bound    wrong_shape, not_finite, oversized
    """
    member = expected.plan.member(institution)
    if member is None:
        raise Refused(Code.NOT_A_MEMBER, "reply.institution", got=institution[:64], expected="a member of the plan")
    reply = open_reply(data, member.verifying_key, expected.request_hash)
    _check_binding(expected, institution, reply)
    vector = expected.form.read(reply.update)
    return Update(institution, vector, update_hash(reply.update).hex(), reply.reservation_hash.hex()[:64])


def open_reply(data: bytes, key: VerifyingKey, request_hash: bytes) -> RoundReply:
    """Steps 2 to 4 of `check_reply`."""
    try:
        envelope = read_envelope(data)
        if envelope.kind == "Refusal":
            raise read_refusal(envelope, key, request_hash)
        return verify_envelope(envelope, RoundReply, key)
    except ProtocolError as error:
        raise refused(signature_code(error), error) from error


def read_refusal(envelope: Envelope, key: VerifyingKey, request_hash: bytes) -> Refused:
    """A node's own refusal of this request. Raises ProtocolError; Refused(wrong_round) if about another one."""
    message = verify_envelope(envelope, Refusal, key)
    if message.request_hash != request_hash:
        raise Refused(Code.WRONG_ROUND, "refusal.request_hash", got="another request", expected="this request")
    where = f"{message.code[:40]}: {message.field[:80]}"
    return Refused(Code.REFUSED, where, got=message.got[:200], expected=message.expected[:200])


def _check_binding(expected: Expected, institution: str, reply: RoundReply) -> None:
    checks = (
        (Code.WRONGLY_SIGNED, "institution", reply.institution, institution),
        (Code.WRONG_PLAN, "plan_hash", reply.plan_hash.hex(), expected.plan.hash),
        (
            Code.WRONG_ROUND,
            "phase",
            Phase.Name(reply.phase) if reply.phase in Phase.values() else "?",
            Phase.Name(expected.phase),
        ),
        (Code.WRONG_ROUND, "round", reply.round, expected.round),
        (Code.WRONG_MODEL, "model_hash", reply.model_hash.hex(), expected.model_hash.hex()),
    )
    for code, name, got, wanted in checks:
        if got != wanted:
            raise Refused(code, f"reply.{name}", got=str(got)[:80], expected=wanted)
