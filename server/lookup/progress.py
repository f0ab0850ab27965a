"""How far the long work of an epoch is, and what keeps it from going on: small files, written by whoever works, read by
everybody who shows them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from federation.errors import FederationError
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from server.lookup.record_store import EpochRecord

_EVERY_S = 0.5


@dataclass(frozen=True)
class Progress:
    """`done` of `total` since `started` (Unix, s) in `phase`."""

    phase: str
    done: int
    total: int
    started: float

    def left(self, now: float) -> float | None:
        """Seconds until it is done at the pace so far; None before there is a pace."""
        if not 0 < self.done <= self.total or now <= self.started:
            return None
        return (now - self.started) * (self.total - self.done) / self.done


@dataclass
class ProgressFile:
    """`say` may be called as often as one likes: the file is written twice a second."""

    path: Path
    now: Callable[[], float]
    _said: float = field(default=float("-inf"), init=False)
    _started: dict[str, float] = field(default_factory=dict, init=False)

    def say(self, phase: str, done: int, total: int) -> None:
        now = self.now()
        started = self._started.setdefault(phase, now)
        if now - self._said < _EVERY_S and 0 < done < total:
            return
        self._said = now
        document = {"phase": phase, "done": done, "total": total, "started": started}
        write_public(self.path, json.dumps(document).encode(), mode=0o600)


def progress_of(path: Path, record: EpochRecord) -> Progress | None:
    """What the file says of the phase the epoch is in; otherwise how many of those who owe a step have said it."""
    try:
        said = Progress(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        said = None
    state = record.state
    if said is not None and said.phase == state.phase and said.done < said.total:
        return said
    if not state.waiting:
        return None
    kind = state.waiting[0].kind
    done = sum(step.kind == kind for step in record.steps)
    return Progress(state.phase, done, done + len(state.waiting), 0.0) if done else None


@dataclass
class Trouble:
    """Why relay or pool cannot take its next step, for the operator of the same machine; gone when it can."""

    path: Path
    _there: bool = True

    def say(self, error: Exception) -> None:
        """Errors of this house say what was got and expected, and never a secret; of others only the kind is kept."""
        known = isinstance(error, FederationError | ProtocolError)
        write_public(self.path, (str(error) if known else type(error).__name__).encode(), mode=0o600)
        self._there = True

    def over(self) -> None:
        if self._there:
            self.path.unlink(missing_ok=True)
            self._there = False

    def read(self) -> str | None:
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return None
