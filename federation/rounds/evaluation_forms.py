"""What answers to the evaluation look like: as of a round, but for a vector that one record moves by 1 in L2 norm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from federation.errors import ConfigurationError
from federation.privacy.lattice import POINTS
from federation.rounds.plan import Member, TrainingPlan
from federation.rounds.vectors import AnyForm, Form, MaskedForm

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
            _ = self.masked_form

    @property
    def form(self) -> AnyForm:
        """Of a member's answer."""
        if self.plan.privacy.sharing is not None:
            return self.masked_form
        return Form("float32", self.size, max(map(self._norm, self.plan.members)))

    @property
    def masked_form(self) -> MaskedForm:
        """Of a member's answer under masks, in lattice points."""
        norms = {member.institution: POINTS * self._norm(member) for member in self.plan.members}
        return MaskedForm.of_norms(self.size, norms)

    def _norm(self, member: Member) -> float:
        """L2: no honest answer is longer; noise exceeds its part with a chance below e^-50."""
        noise = (self.plan.privacy.evaluation_multiplier or 0.0) * (math.sqrt(self.size) + 10.0)
        return _SLACK * member.nominal_records + noise
