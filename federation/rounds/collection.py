"""The answers to one question: the first valid one of each institution, and who was refused for what."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from federation.errors import Refused
from federation.rounds.refusals import Code
from federation.rounds.reply import Expected, Update, check_reply

OnRecord = Callable[[Expected, Update], bool]
# The node keeps its answer until it may leave, or waits for the regulator's beacon.
_PASSING = frozenset(f"{Code.REFUSED}:{code}" for code in (Code.LOG_UNAVAILABLE, Code.NO_BEACON))


class Collection:
    """Fill it with `offer`, look again with `review`, end it with `close`; read `accepted` and `refused`.

    `on_record` says whether the log shows what paid for a valid answer: until then it is held, and counts as no answer.
    It raises Refused where the log shows that something else was paid for. One instance per attempt of a round.
    """

    def __init__(self, expected: Expected, on_record: OnRecord) -> None:
        self.expected = expected
        self.accepted: dict[str, Update] = {}
        self.refused: dict[str, str] = {}
        self._held: dict[str, Update] = {}
        self._on_record = on_record

    @property
    def waiting(self) -> set[str]:
        """Members whose answer may still come, or is held."""
        final = {name for name, code in self.refused.items() if code not in _PASSING}
        return self.expected.plan.by_name.keys() - self.accepted.keys() - final

    @property
    def quorate(self) -> bool:
        return len(self.accepted) >= self.expected.plan.quorum

    def offer(self, institution: str, data: bytes, *, late: bool = False) -> Refused | None:
        """Take an answer. Returns the refusal, with the institution's name in `refused`, or None if it stands.

        A valid answer stands: what comes after it is refused as a duplicate and does not undo it.
        """
        try:
            self._take(institution, data, late=late)
        except Refused as refusal:
            if institution not in self.accepted and institution not in self._held:
                self.refused[institution] = reason(refusal)
            return refusal
        self.refused.pop(institution, None)
        return self._settle(institution)

    def review(self) -> None:
        """Look again for what paid for the answers that are held."""
        for institution in sorted(self._held):
            self._settle(institution)

    def keep(self, institutions: AbstractSet[str]) -> None:
        """Only these count: it was settled before who is in the sum of this round."""
        self.accepted = {name: update for name, update in self.accepted.items() if name in institutions}

    def close(self) -> None:
        """No answer is waited for any more: what is still held is refused."""
        self.review()
        self.refused |= dict.fromkeys(self._held, str(Code.UNLOGGED))
        self._held = {}

    def summary(self) -> dict[str, Any]:
        """Who was accepted, refused for what, and silent."""
        silent = self.waiting - self.refused.keys()
        refused = dict(sorted(self.refused.items()))
        return {"accepted": sorted(self.accepted), "refused": refused, "silent": sorted(silent)}

    def again(self, refusal: Refused) -> bool:
        """True if the same node may answer otherwise later: it waits for log or beacon. Else it repeats itself."""
        return reason(refusal) in _PASSING

    def fail(self, institution: str, code: Code) -> None:
        """No answer will come from `institution` in this attempt."""
        if institution not in self.accepted and institution not in self._held:
            self.refused[institution] = str(code)

    def _take(self, institution: str, data: bytes, *, late: bool) -> None:
        if late:
            raise Refused(Code.LATE, "reply", got="after the deadline", expected="before it")
        if institution in self.accepted or institution in self._held:
            raise Refused(Code.DUPLICATE, "reply", got="a second answer", expected="one per round")
        self._held[institution] = check_reply(self.expected, institution, data)

    def _settle(self, institution: str) -> Refused | None:
        """Accept what is held, if what paid for it is on record."""
        update = self._held[institution]
        try:
            if not self._on_record(self.expected, update):
                return None
        except Refused as refusal:
            del self._held[institution]
            self.refused[institution] = reason(refusal)
            return refusal
        self.accepted[institution] = self._held.pop(institution)
        return None


def reason(refusal: Refused) -> str:
    """`code`, or `refused:code` when it was the node that refused."""
    if refusal.code == Code.REFUSED:
        return f"{Code.REFUSED}:{refusal.where.split(':')[0]}"
    return str(refusal.code)
