"""The plans of the log, by their hash: what reservations and rounds are held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from clients.regulator.line import Line
from federation.errors import FederationError
from federation.oversight import PLAN
from federation.privacy.event import Event
from federation.rounds.plan import TrainingPlan
from federation.rounds.signed_plan import SignedPlan


@dataclass
class Plans:
    """Folded in log order: an entry sees the plans that are logged before it."""

    by_hash: dict[str, TrainingPlan] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)  # by run: the canonical document
    repeated: list[tuple[Line, str]] = field(default_factory=list)  # a second plan of one run

    def take(self, line: Line) -> None:
        """A plan that cannot be read is named by step 2."""
        if line.kind != PLAN or line.entry is None:
            return
        try:
            plan = SignedPlan.read(line.entry.body).plan
        except FederationError:
            return
        known = self.bodies.setdefault(plan.run_id, line.entry.body)
        if known != line.entry.body:
            self.repeated.append((line, plan.run_id))
        self.by_hash[plan.hash] = plan


def event_of(plan: TrainingPlan, phase: str, round: int) -> Event | None:
    """What one release of a phase costs under `plan`; None where the plan has no such release."""
    if phase == "train":
        return plan.privacy.round_event(round)
    return plan.privacy.evaluation_event() if phase == "evaluate" else None


def allowed(plan: TrainingPlan, phase: str) -> int:
    """How many reservations of a phase a plan pays for."""
    if phase == "train":
        return plan.rounds + plan.privacy.spare_rounds
    return 1 if plan.privacy.evaluation_event() is not None else 0


def without_trainer(plan: TrainingPlan | None, institution: str) -> str | None:
    """Why `institution` has no trainer under `plan` that could be audited; None where it has one."""
    if plan is None:
        return "no such plan is in the log"
    return f"the plan of {plan.run_id} does not name {institution}" if plan.member(institution) is None else None
