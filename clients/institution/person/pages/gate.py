"""Who may look: whoever has a code, at the one person it was made for, until the session ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from federation.runtime.pages.gate import Answer, Gate


def _nobody(_code: str) -> str | None:
    return None


@dataclass
class PersonGate(Gate):
    """`redeem` says whose a code is, once; a session without a question for `idle_s` is over. Sessions live in this
    process' memory alone. Not printed.
    """

    redeem: Callable[[str], str | None] = field(default=_nobody, repr=False)
    idle_s: float = 600.0
    _asked: dict[str, float] = field(default_factory=dict, repr=False)
    _entering: dict[str, str] = field(default_factory=dict, repr=False)
    _subjects: dict[str, str] = field(default_factory=dict, repr=False)

    def knows(self, offered: str) -> bool:
        subject = self.redeem(offered)
        if subject is not None:
            self._entering[offered] = subject
        return subject is not None

    def enter(self, code: str, caller: str) -> tuple[Answer, str]:
        """The session's cookie for a code that opens; failures count as for any gate."""
        answer = self.opens(code, caller)
        if answer is not Answer.OPEN:
            return answer, ""
        cookie = self.begin()
        with self._lock:
            self._asked[cookie] = self.clock()
            self._subjects = {kept: who for kept, who in self._subjects.items() if self.holds(kept)}
            self._asked = {kept: at for kept, at in self._asked.items() if kept == cookie or kept in self._subjects}
            self._subjects[cookie] = self._entering.pop(code)
        return answer, cookie

    def holds(self, cookie: str) -> bool:
        return super().holds(cookie) and self.clock() <= self._asked.get(cookie, -self.idle_s) + self.idle_s

    def subject(self, cookie: str) -> str | None:
        """Whose session it is; it was asked for now."""
        if not self.holds(cookie):
            return None
        with self._lock:
            self._asked[cookie] = self.clock()
            return self._subjects.get(cookie)

    def end(self, cookie: str) -> None:
        super().end(cookie)
        with self._lock:
            self._subjects.pop(cookie, None)
            self._asked.pop(cookie, None)
