"""Who may look: one secret opens the pages, a signed cookie keeps them open for some hours.

The cookie is {expiry}.{nonce}.{MAC}; the MAC's key is drawn when the process starts, so a restart ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

MAX_FAILURES = 5
FAILURE_WINDOW_S = 60.0
MAX_CALLERS = 10_000  # of whom failures are remembered


class Answer(Enum):
    OPEN = auto()
    WRONG = auto()
    LOCKED = auto()  # too many wrong secrets of this caller's lately: this one was not even looked at


@dataclass
class Gate:
    """`token`: what opens. `clock`: seconds. Not printed."""

    token: str = field(repr=False)
    lifetime_s: float
    clock: Callable[[], float]
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _failures: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)  # by caller
    _ended: dict[str, float] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def opens(self, offered: str, caller: str) -> Answer:
        """Whether `offered` is the secret; compared in constant time, by hashes of one length. Counts a failure.

        `caller`: whose network address. One is looked at after the other, so that asking all at once gives no more
        guesses; failures of one caller lock out nobody else. The secret has 256 bits: guessing is noise, not a danger.
        """
        with self._lock:
            failures, now = self._failures.pop(caller, deque()), self.clock()
            while failures and failures[0] <= now - FAILURE_WINDOW_S:
                failures.popleft()
            locked = len(failures) >= MAX_FAILURES
            right = not locked and self.knows(offered)
            if not locked and not right:
                failures.append(now)
            if failures:
                self._failures[caller] = failures
                while len(self._failures) > MAX_CALLERS:
                    self._failures.popitem(last=False)
        return Answer.LOCKED if locked else Answer.OPEN if right else Answer.WRONG

    def knows(self, offered: str) -> bool:
        """Whether `offered` is what opens."""
        mine, other = (hashlib.sha256(text.encode(errors="replace")).digest() for text in (self.token, offered))
        return hmac.compare_digest(mine, other)

    def begin(self) -> str:
        """A new session's cookie."""
        content = f"{int(self.clock() + self.lifetime_s)}.{secrets.token_hex(16)}"
        return f"{content}.{self._mac(content)}"

    def holds(self, cookie: str) -> bool:
        """Whether `cookie` is of a session that has not ended."""
        content, _, mac = cookie.rpartition(".")
        if not hmac.compare_digest(mac.encode(errors="replace"), self._mac(content).encode()):
            return False
        expiry, _, nonce = content.partition(".")
        return self.clock() < int(expiry) and nonce not in self._ended

    def end(self, cookie: str) -> None:
        """The session of `cookie` is over, wherever copies of it are."""
        if not self.holds(cookie):
            return
        expiry, nonce, _ = cookie.split(".")
        with self._lock:
            now = self.clock()
            self._ended = {each: until for each, until in self._ended.items() if until > now}
            self._ended[nonce] = float(expiry)

    def _mac(self, content: str) -> str:
        return hmac.digest(self._key, b"fedscore/v1/pages/session" + content.encode(errors="replace"), "sha256").hex()
