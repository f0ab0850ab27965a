"""How many calls of one kind may be served at once, in all and for each caller: whoever asks too much gets `busy`.

>>> slots = Slots(total=2, each=1)
>>> with slots.take("a"), slots.take("b"):
...     slots.busy
2
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from federation.errors import Refused

BUSY = "busy"


@dataclass
class Slots:
    """`total` calls at once, `each` of one caller. Nobody queues: a queue is memory that others can fill."""

    total: int
    each: int
    _taken: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def busy(self) -> int:
        with self._lock:
            return self._taken.total()

    @contextmanager
    def take(self, caller: str) -> Iterator[None]:
        """Raises Refused (`busy`) where there is no slot."""
        with self._lock:
            if self._taken.total() >= self.total or self._taken[caller] >= self.each:
                got = f"{self._taken[caller]} of the caller's, {self._taken.total()} in all"
                raise Refused(BUSY, "calls at once", got=got, expected=f"{self.each} and {self.total}: ask again")
            self._taken[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[caller] -= 1
                self._taken += Counter()  # drops callers that hold nothing
