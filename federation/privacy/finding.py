"""What a contract check found: what was claimed, what was measured, and whether the two go together."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

ALPHA = 1e-9  # the probability with which a check that involves chance may fail an honest trainer


class Check(StrEnum):
    SENSITIVITY = "sensitivity"  # one record more or less moves a step's sum by at most the clip
    CLIP_PER_RECORD = "clip per record"  # a sum is the sum of its records' own parts, whoever else is in it
    NOISE_SOURCE = "noise source"  # what is released without records is made of the source's draws and nothing else
    NOISE_SCALE = "noise scale"  # its standard deviation is sigma times clip, with records present
    STEPS = "independent steps"  # every step has its own draw, unrelated to the others
    ROUNDS = "independent rounds"  # no two rounds release related noise
    RATE = "inclusion rate"  # a record takes part in a step with probability q
    INCLUSIONS = "independent inclusions"  # who takes part says nothing of who else does, or when: no shuffling
    RELEASES = "releases"  # a round releases as often as its event says
    COMPOSITION = "composition"  # stated epsilons are those of all rounds together
    GROWTH = "accountant never reset"  # the stated epsilon grows with every round


@dataclass(frozen=True)
class Finding:
    """What was `claimed` and `measured`. Judged by `tolerance`, by `p_value` under the claim, or by both."""

    check: Check
    claimed: float
    measured: float
    passed: bool
    tolerance: float | None = None
    p_value: float | None = None

    @classmethod
    def within(cls, check: Check, claimed: float, measured: float, tolerance: float) -> Finding:
        """Passed if the two differ by at most `tolerance`."""
        return cls(check, claimed, measured, bool(abs(measured - claimed) <= tolerance), tolerance)

    @classmethod
    def likely(cls, check: Check, claimed: float, measured: float, p_value: float) -> Finding:
        """Passed unless a measurement like this has probability below ALPHA under the claim."""
        return cls(check, claimed, measured, bool(p_value >= ALPHA), p_value=p_value)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; a figure that is not finite becomes None."""
        figures = asdict(self) | {"check": self.check.value}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
