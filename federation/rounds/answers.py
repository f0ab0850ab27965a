"""Answers of all members to one question outside of rounds: each checked as it comes, and named if it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Collection

from federation.errors import Refused
from federation.rounds.collection import reason
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import Code, refused, signature_code
from federation.rounds.reply import read_refusal
from protocols.envelope import read_envelope
from protocols.errors import ProtocolError


class Answers:
    """Fill it with `offer`; read `accepted` {institution: bytes} and `refused` {institution: code}.

    members       who is asked
    needed        how many answers are enough
    request_hash  by institution: what a refusal must name
    check(institution, data): raises a ProtocolError for an answer that does not hold
    """

    def __init__(
        self,
        plan: TrainingPlan,
        members: Collection[str],
        needed: int,
        request_hash: Callable[[str], bytes],
        check: Callable[[str, bytes], None],
    ) -> None:
        self.accepted: dict[str, bytes] = {}
        self.refused: dict[str, str] = {}
        self.told: dict[str, Refused] = {}
        self._plan, self._members, self._needed = plan, frozenset(members), needed
        self._request_hash, self._check = request_hash, check

    @property
    def waiting(self) -> set[str]:
        return set(self._members - self.accepted.keys() - self.refused.keys())

    @property
    def quorate(self) -> bool:
        return len(self.accepted) >= self._needed

    def offer(self, institution: str, data: bytes, *, late: bool = False) -> Refused | None:
        """Take an answer. Returns the refusal, or None if it stands; the first that stands is the answer."""
        if institution in self.accepted or late:
            return None
        try:
            self._take(institution, data)
        except Refused as refusal:
            self.refused[institution], self.told[institution] = reason(refusal), refusal
            return refusal
        self.accepted[institution] = data
        return None

    def review(self) -> None:
        """An answer stands as soon as it is there."""

    def again(self, refusal: Refused) -> bool:
        """No: a node that refuses repeats itself."""
        return False

    def fail(self, institution: str, code: Code) -> None:
        if institution not in self.accepted:
            self.refused[institution] = str(code)

    def _take(self, institution: str, data: bytes) -> None:
        member = self._plan.member(institution)
        if member is None or institution not in self._members:
            raise Refused(Code.NOT_A_MEMBER, "answer.institution", got=institution[:64], expected="one that was asked")
        try:
            envelope = read_envelope(data)
            if envelope.kind == "Refusal":
                raise read_refusal(envelope, member.verifying_key, self._request_hash(institution))
        except ProtocolError as error:
            raise refused(signature_code(error), error) from error
        try:
            self._check(institution, data)
        except ProtocolError as error:
            raise refused(Code.NO_MASKS, error) from error
