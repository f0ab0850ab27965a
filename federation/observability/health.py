"""Whether a process is alive and ready, part by part.

>>> report = check([Part("ledger", lambda: None), Part("log", lambda: "the log does not answer")])
>>> report.ready, report.alive, report.to_json()["parts"]["log"]
(False, True, 'the log does not answer')

A part says None where it is well, else why it is not, in constant words of the program: texts that could hold a value
are not repeated, and of a part that cannot say, only the kind of error is told.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = re.compile(r"[a-z]+(?:[ ,'-]{1,2}[a-z]+){0,15}")
_UNSAID = "not ready"
_beats: dict[str, float] = {}


@dataclass(frozen=True)
class Part:
    """`why`: None, or why it is not ready; cheap, for it is asked at every scrape. `vital`: without it the process is
    of no use and is best started anew.
    """

    name: str
    why: Callable[[], str | None]
    vital: bool = False


@dataclass(frozen=True)
class Health:
    """Why each part is not ready, None for one that is."""

    parts: Mapping[str, str | None]
    alive: bool

    @property
    def ready(self) -> bool:
        return self.alive and not any(self.parts.values())

    def to_json(self) -> dict[str, Any]:
        parts = {name: why or "ok" for name, why in self.parts.items()}
        return {"version": 1, "alive": self.alive, "ready": self.ready, "parts": parts}


def check(parts: Iterable[Part]) -> Health:
    """Ask every part. Never raises."""
    asked = list(parts)
    found = {part.name: _why(part) for part in asked}
    return Health(found, alive=not any(part.vital and found[part.name] for part in asked))


def _why(part: Part) -> str | None:
    try:
        why = part.why()
    except Exception as error:
        return f"cannot be asked, {type(error).__name__}"
    if why is None:
        return None
    return why if _WORDS.fullmatch(why) else _UNSAID


def beat(name: str) -> None:
    """Something that must happen again and again has just happened."""
    _beats[name] = time.monotonic()


def silence(name: str, seconds: float, why: str, *, never: str = "") -> Callable[[], str | None]:
    """For a part: `why`, once the last `beat(name)` is more than `seconds` ago; before the first `never`, or `why`."""

    def silent() -> str | None:
        last = _beats.get(name)
        if last is None:
            return never or why
        return None if time.monotonic() - last <= seconds else why

    return silent
