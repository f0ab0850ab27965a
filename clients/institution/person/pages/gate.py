"""Who may look: whoever has a code, at the one person it was made for, until the session ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from federation.runtime.pages.gate import Answer, Gate


def _nobody(_code: str) -> str | None:
    return None


@dataclass
class PersonGate(Gate):
    """`redeem` says whose a code is, once. Sessions live in this process' memory alone. Not printed."""

    redeem: Callable[[str], str | None] = field(default=_nobody, repr=False)
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
            self._subjects = {kept: who for kept, who in self._subjects.items() if self.holds(kept)}
            self._subjects[cookie] = self._entering.pop(code)
        return answer, cookie

    def subject(self, cookie: str) -> str | None:
        """Whose session it is."""
        return self._subjects.get(cookie) if self.holds(cookie) else None

    def end(self, cookie: str) -> None:
        super().end(cookie)
        self._subjects.pop(cookie, None)
