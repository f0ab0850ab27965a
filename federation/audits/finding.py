"""What an audit found: what was claimed, what was measured, and whether the two go together."""

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
    COORDINATES = "independent coordinates"  # of a sum: no two of its numbers have related noise
    RATE = "inclusion rate"  # a record takes part in a step with probability q
    INCLUSIONS = "independent inclusions"  # who takes part says nothing of who else does, or when: no shuffling
    RELEASES = "releases"  # a round releases as often as its event says
    COMPOSITION = "composition"  # stated epsilons are those of all rounds together
    GROWTH = "accountant never reset"  # the stated epsilon grows with every round
    CANARY_GOOD = "canary of a good outcome"  # the epsilon of the run that a crowd of canaries shows is not above it
    CANARY_BAD = "canary of a bad outcome"  # the same for the other outcome
    LEDGER = "sum of the ledger"  # what rounds show together is not above what the ledger states after them
    COUNTED = "counted guesses"  # right and wrong guesses about a round, no form of noise assumed
    ONE_RUN = "many canaries in one run"  # guesses about who was in one whole run


@dataclass(frozen=True)
class Finding:
    """What was `claimed` and `measured`. Judged by `tolerance`, by `p_value` under the claim, or by both.

    Where `measured` is a lower bound, `confidence` is the probability that it is one, and `estimate` the likeliest
    value: such a finding fails where the bound is above the claim. `stage` is that of a recipe of sums, None elsewhere.
    """

    check: Check
    claimed: float
    measured: float
    passed: bool
    tolerance: float | None = None
    p_value: float | None = None
    confidence: float | None = None
    estimate: float | None = None
    stage: str | None = None

    @property
    def name(self) -> str:
        """The check, and the stage that it was made on."""
        return self.check.value if self.stage is None else f"{self.check.value}, {self.stage}"

    @classmethod
    def within(cls, check: Check, claimed: float, measured: float, tolerance: float) -> Finding:
        """Passed if the two differ by at most `tolerance`."""
        return cls(check, claimed, measured, bool(abs(measured - claimed) <= tolerance), tolerance)

    @classmethod
    def likely(cls, check: Check, claimed: float, measured: float, p_value: float) -> Finding:
        """Passed unless a measurement like this has probability below ALPHA under the claim."""
        return cls(check, claimed, measured, bool(p_value >= ALPHA), p_value=p_value)

    @classmethod
    def bounded(
        cls, check: Check, claimed: float, least: float, alpha: float, estimate: float | None = None
    ) -> Finding:
        """Passed unless an epsilon that is at least `least`, with confidence 1 - `alpha`, is above the claim."""
        return cls(check, claimed, least, bool(least <= claimed), confidence=1 - alpha, estimate=estimate)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; a figure that is not finite becomes None, and what has no stage says nothing of one."""
        figures = asdict(self) | {"check": self.check.value}
        if self.stage is None:
            del figures["stage"]
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
