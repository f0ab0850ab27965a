"""The masks of a run: one secure aggregation for all rounds of a plan, its evaluation last (docs/secagg.md)."""

from __future__ import annotations

from federation.errors import ConfigurationError
from federation.rounds.plan import TrainingPlan
from protocols.secagg import SecaggPlan


def masks_of(plan: TrainingPlan) -> SecaggPlan:
    """What the members of `plan` mask under. Raises ConfigurationError for a plan whose noise is not shared."""
    sharing = plan.privacy.sharing
    if sharing is None:
        raise ConfigurationError("plan.privacy.noise", got=plan.privacy.noise, expected="secagg")
    return SecaggPlan.tolerating(
        sharing.droppers,
        context=bytes.fromhex(plan.hash),
        members={member.institution: member.verifying_key for member in plan.members},
        rounds=plan.rounds + 1,
        colluders=sharing.colluders,
    )


def mask_number(plan: TrainingPlan, phase: str, round: int) -> int:
    """The number of the sum that a release goes into, from 1. Every number has masks of its own."""
    return round if phase == "train" else plan.rounds + 1
