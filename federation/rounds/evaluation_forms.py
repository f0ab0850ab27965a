"""What answers to the evaluation look like: as of a round, but for a vector that one record moves by 1 in L2 norm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from federation.errors import ConfigurationError
from federation.privacy.lattice import POINTS
from federation.rounds.plan import TrainingPlan
from federation.rounds.vectors import Form

_SLACK = 4.0  # a member may hold out this many times its nominal records


@dataclass(frozen=True)
class EvaluationForms:
    """Of a plan with an evaluation of `size` numbers (`federation.evaluation.EvaluationSpec.size`).

    Raises ConfigurationError for a size below 1, or a federation whose masked sum could wrap around unseen.
    """

    plan: TrainingPlan
    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigurationError("evaluation_size", got=self.size, expected="the evaluation's length")
        if self.plan.privacy.sharing is not None:
            _ = self.total_form

    @property
    def form(self) -> Form:
        """Of a member's answer."""
        if self.plan.privacy.sharing is not None:
            return Form("masked", self.size)
        return Form("float32", self.size, self._largest_norm)

    @property
    def total_form(self) -> Form:
        """Of the sum of all members in lattice points, once its masks are off."""
        return Form.of_total(self.size, self._largest_norm * POINTS * len(self.plan.members))

    @property
    def _largest_norm(self) -> float:
        """L2: no honest answer is longer; noise exceeds its part with a chance below e^-50."""
        largest = max(member.nominal_records for member in self.plan.members)
        return _SLACK * largest + (self.plan.privacy.evaluation_multiplier or 0.0) * (math.sqrt(self.size) + 10.0)
