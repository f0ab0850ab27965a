"""What a node asks of replays, before and after it works; and which attempt of a run comes next."""

from __future__ import annotations

from typing import Protocol

from clients.institution.run_history import RunHistory
from federation.errors import Refused
from federation.ledger.release import Slot
from federation.oversight.replay import Place
from federation.privacy import NoiseSource
from federation.rounds import CheckedRequest, Code, TrainingPlan


class Replays(Protocol):
    """Where the randomness of plans with `replay` comes from. `LiveReplays` is the real one."""

    def overseen(self, seconds: float) -> bool:
        """Whether the log names a regulator; waits at most so long for the first look at the log."""

    def prepare(self, place: Place) -> None:
        """Have the attempt committed to; nobody waits."""

    def ready(self, place: Place, seconds: float) -> None:
        """Returns once its beacon is known. Raises Refused (no_beacon)."""

    def fits(self, place: Place) -> bool:
        """Whether it can be used; otherwise it must be given up."""

    def noise(self, place: Place, checked: CheckedRequest, reservation_hash: str) -> NoiseSource:
        """Once: what it is used for is on disk before anything is drawn. Raises StageError where it was used."""

    def seal(self, place: Place, update_hash: str) -> None:
        """The update is computed and stored."""


class NoReplays:
    """No log, so nobody who could draw: whatever is asked of plans with `replay` is refused (no_beacon)."""

    def overseen(self, seconds: float) -> bool:
        return False

    def prepare(self, place: Place) -> None:
        """There is nowhere to say it."""

    def ready(self, place: Place, seconds: float) -> None:
        raise _no_log()

    def fits(self, place: Place) -> bool:
        return False

    def noise(self, place: Place, checked: CheckedRequest, reservation_hash: str) -> NoiseSource:
        raise _no_log()

    def seal(self, place: Place, update_hash: str) -> None:
        raise _no_log()


def _no_log() -> Refused:
    return Refused(Code.NO_BEACON, "beacon", got="no log", expected="a log that names a regulator")


def upcoming(plan: TrainingPlan, history: RunHistory) -> Place | None:
    """The attempt that `plan` needs next: of the round after the last one answered; None where all is answered."""
    run, number = plan.run_id, history.last_answered(plan.run_id, "train") + 1
    slot: Slot = (run, "train", number)
    if number > plan.rounds:
        slot = (run, "evaluate", 0)
        if plan.privacy.evaluation_multiplier is None or history.answered(slot):
            return None
    return Place(*slot, history.next_attempt(slot))
