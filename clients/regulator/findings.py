"""What verification says: one result per step, each failure with its place, what was got and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from protocols.printable import printable

_LIMIT = 300


def day(unix: int) -> str:
    """A time (Unix s), for people; as it is where no calendar has it."""
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M} UTC" if unix < 2**36 else str(unix)


class Outcome(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    NOT_JUDGED = "not judged"  # something before it failed so that nothing can be said


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `index` is a place in the log, `sequence` one in an institution's ledger."""

    where: str
    got: str
    expected: str
    index: int | None = None
    institution: str | None = None
    sequence: int | None = None

    def __post_init__(self) -> None:
        for name in ("where", "got", "expected"):
            object.__setattr__(self, name, printable(str(getattr(self, name)), _LIMIT))

    @property
    def place(self) -> str:
        """The entry at fault, for people; empty where it is not one entry."""
        parts = [] if self.index is None else [f"log entry {self.index}"]
        if self.institution is not None:
            parts.append(self.institution)
        if self.sequence is not None:
            parts.append(f"ledger entry {self.sequence}")
        return ", ".join(parts)

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        return f"{place}{self.where}: got {self.got}, expected {self.expected}"


@dataclass(frozen=True)
class StepResult:
    """`findings` are the first ones, in log order; `failures` counts all. `facts`: what was judged; `notes`: limits.

    `blamed` counts failures by the institution that signed what fails; those of the log or of several parties under "".
    """

    number: int
    title: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    failures: int
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    blamed: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome.value, "first": _first(self.findings)}


@dataclass(frozen=True)
class Verdict:
    """All steps. `checkpoint` {origin, size, root, witnessed, quorum}: size and root are for the next time."""

    steps: tuple[StepResult, ...]
    checkpoint: dict[str, Any] | None

    @property
    def holds(self) -> bool:
        return all(step.outcome is Outcome.HOLDS for step in self.steps)

    @property
    def at_fault(self) -> dict[str, tuple[int, ...]]:
        """Institution -> the steps that fail by what it signed itself. No other party could have written that."""
        names = sorted({name for step in self.steps for name in step.blamed if name})
        return {name: tuple(step.number for step in self.steps if name in step.blamed) for name in names}

    @property
    def sound(self) -> bool:
        """Whether nothing fails but by what the institutions at fault signed: log, proofs and all others hold."""
        judged = all(step.outcome is not Outcome.NOT_JUDGED for step in self.steps)
        return judged and all(set(step.blamed) and "" not in step.blamed for step in self.steps if step.failures)

    @property
    def first(self) -> tuple[StepResult, Finding] | None:
        """The first step that fails, and its first finding."""
        failed = next((step for step in self.steps if step.findings), None)
        return None if failed is None else (failed, failed.findings[0])

    def step(self, number: int) -> StepResult:
        return next(step for step in self.steps if step.number == number)

    def to_json(self) -> dict[str, Any]:
        steps = [step.to_json() for step in self.steps]
        return {
            "format": "fedscore/v1/verdict",
            "holds": self.holds,
            "sound": self.sound,
            "at_fault": self.at_fault,
            "checkpoint": self.checkpoint,
            "steps": steps,
        }


def _first(findings: tuple[Finding, ...]) -> str | None:
    return str(findings[0]) if findings else None
