"""The answers to one question: the first valid one of each institution, and who was refused for what."""

from __future__ import annotations

from federation.errors import Refused
from federation.rounds.refusals import Code
from federation.rounds.reply import Expected, Update, check_reply


class Collection:
    """Fill it with `offer`; read `accepted` and `refused`. One instance per attempt of a round."""

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.accepted: dict[str, Update] = {}
        self.refused: dict[str, str] = {}

    @property
    def waiting(self) -> set[str]:
        """Members that have neither answered nor been refused."""
        return self.expected.plan.by_name.keys() - self.accepted.keys() - self.refused.keys()

    @property
    def quorate(self) -> bool:
        return len(self.accepted) >= self.expected.plan.quorum

    def offer(self, institution: str, data: bytes, *, late: bool = False) -> Refused | None:
        """Take an answer. Returns the refusal, with the institution's name in `refused`, or None if it was accepted.

        A valid answer stands: what comes after it is refused as a duplicate and does not undo it.
        """
        try:
            self._admit(institution, data, late=late)
        except Refused as refusal:
            if institution not in self.accepted:
                self.refused[institution] = reason(refusal)
            return refusal
        self.refused.pop(institution, None)
        return None

    def again(self, refusal: Refused) -> bool:
        """Asking the same node once more in this attempt changes nothing: it answers with the bytes it stored."""
        return False

    def fail(self, institution: str, code: Code) -> None:
        """No answer will come from `institution` in this attempt."""
        if institution not in self.accepted:
            self.refused[institution] = str(code)

    def _admit(self, institution: str, data: bytes, *, late: bool) -> None:
        if late:
            raise Refused(Code.LATE, "reply", got="after the deadline", expected="before it")
        if institution in self.accepted:
            raise Refused(Code.DUPLICATE, "reply", got="a second answer", expected="one per round")
        self.accepted[institution] = check_reply(self.expected, institution, data)


def reason(refusal: Refused) -> str:
    """`code`, or `refused:code` when it was the node that refused."""
    if refusal.code == Code.REFUSED:
        return f"{Code.REFUSED}:{refusal.where.split(':')[0]}"
    return str(refusal.code)
