"""A clock that a test moves: its own, and that of all processes it starts.

with moved_clock(folder) as clock:
    with LookupDeployment.create(..., clock=clock) as world:
        clock.move_to(closes_at)            # an epoch ends because its time is over, and nobody has waited for it
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[1] / "moved_clock"


@dataclass(frozen=True)
class MovedClock:
    """Unix time (s), ahead of this machine's by what `file` says."""

    file: Path

    def __call__(self) -> float:
        return time.time() + float(self.file.read_text())

    def move_to(self, moment: float) -> None:
        """It is `moment` now, everywhere; never back."""
        ahead = max(float(self.file.read_text()), moment - time.time())
        whole = self.file.with_suffix(".new")
        whole.write_text(repr(ahead))
        whole.replace(self.file)


@contextmanager
def moved_clock(folder: Path) -> Iterator[MovedClock]:
    """For the processes that are started in the block."""
    clock = MovedClock(folder / "seconds-ahead")
    clock.file.write_text("0.0")
    path = os.pathsep.join(filter(None, (str(_FOLDER), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("MOVED_CLOCK", str(clock.file))
        yield clock
