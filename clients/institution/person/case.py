"""A case: what a person asked for, what became of it, and what is owed by when. Pure.

case = Case.of(steps_of_one_case)
case.check(Event.CORRECTED)             # raises where that cannot follow
case.owed(profile)                      # [Owed("answer", day), Owed("furnisher", day)]

opened --(more-time)--> opened --result--> decided --told--> closed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from clients.institution.person.journal_store import Done
from federation.errors import ConfigurationError
from federation.jurisdiction import Furnisher, Profile, Request
from federation.oversight.cases import RESULTS, Event

_RESULTS_OF = {
    Request.DISPUTE: frozenset({Event.CORRECTED, Event.REJECTED, Event.ERASED, Event.WITHDRAWN}),
    Request.ACCESS: frozenset({Event.ANSWERED, Event.REJECTED, Event.WITHDRAWN}),
    Request.ERASURE: frozenset({Event.ERASED, Event.REJECTED, Event.WITHDRAWN}),
    Request.REVIEW: frozenset({Event.ANSWERED, Event.CORRECTED, Event.REJECTED, Event.WITHDRAWN}),
}
_NOTICED = frozenset({Event.CORRECTED, Event.ERASED})


@dataclass(frozen=True)
class Owed:
    """Something that must be done by `due` (the last day)."""

    what: str
    due: date

    def late(self, today: date) -> bool:
        return today > self.due


@dataclass(frozen=True)
class Case:
    """`due`: the last day for an answer; `result`, `decided`: what came of it and when; `told`: the person knows."""

    id: str
    request: Request
    received: date
    due: date
    subject: str | None = field(repr=False)
    steps: tuple[Done, ...] = field(repr=False)
    result: Event | None = None
    decided: date | None = None
    furnisher: date | None = None
    notified: date | None = None
    told: date | None = None
    longer: bool = False

    @classmethod
    def of(cls, steps: Sequence[Done]) -> Case:
        """The case of these steps. Raises ConfigurationError where they do not begin with its opening."""
        first = steps[0] if steps else None
        if first is None or first.step.event is not Event.OPENED:
            raise ConfigurationError("case", got="no opening", expected="a case of this institution")
        request = Request.DISPUTE if first.content is None else Request(str(first.content["request"]))
        facts: dict[str, Any] = {"due": date.fromisoformat(first.step.due)}
        for done in steps[1:]:
            event, day = done.step.event, done.step.on
            if event is Event.MORE_TIME:
                facts |= {"due": date.fromisoformat(done.step.due), "longer": True}
            elif event in RESULTS:
                facts |= {"result": event, "decided": day}
            elif event is Event.FURNISHER:
                facts["furnisher"] = day
            elif event is Event.NOTIFIED:
                facts["notified"] = day
            elif event is Event.TOLD:
                facts["told"] = day
        return cls(first.step.case, request, first.step.on, subject=first.subject, steps=tuple(steps), **facts)

    @property
    def state(self) -> str:
        return "closed" if self.told else "decided" if self.result else "open"

    @property
    def after_epoch(self) -> int:
        """The last epoch that may have the record as it was before the result; 0: none."""
        found = [
            done.content.get("after_epoch", 0) for done in self.steps if done.step.event in RESULTS and done.content
        ]
        return int(found[-1]) if found else 0

    @property
    def said(self) -> dict[str, Any]:
        """What the person asked, as it was written down; empty once it was erased."""
        return dict(self.steps[0].content or {})

    def check(self, event: Event) -> None:
        """Raises ConfigurationError unless `event` can be the next step."""
        possible: set[Event] = set()
        if self.result is None:
            possible |= _RESULTS_OF[self.request] | ({Event.MORE_TIME} if not self.longer else set())
        elif self.told is None:
            possible.add(Event.TOLD)
        if self.request is Request.DISPUTE and self.furnisher is None:
            possible.add(Event.FURNISHER)
        if self.result in _NOTICED:
            possible.add(Event.NOTIFIED)
        if event not in possible:
            expected = ", ".join(sorted(possible)) or "nothing more: it is closed"
            raise ConfigurationError(f"case {self.id[:8]}", got=str(event), expected=expected)

    def owed(self, profile: Profile) -> tuple[Owed, ...]:
        """What is to be done in it, soonest first."""
        owed = []
        if self.result is None:
            owed.append(Owed("answer", self.due))
        elif self.decided is not None:
            if self.told is None:
                owed.append(Owed("tell the person", profile.result.within.after(self.decided)))
            if self.result in _NOTICED and self.notified is None:
                owed.append(Owed("notices", profile.inquirers.within.after(self.decided)))
        if profile.furnisher is not None and self._furnisher_is_owed(profile.furnisher):
            owed.append(Owed("furnisher", profile.furnisher.within.after(self.received)))
        return tuple(sorted(owed, key=lambda each: each.due))

    def _furnisher_is_owed(self, duty: Furnisher) -> bool:
        """A quick answer does not end it, but for a deletion within the days that the profile has."""
        if not self.said or self.request is not Request.DISPUTE or self.furnisher is not None:
            return False  # of a case whose file is gone nothing is known, not even what was asked
        if self.result is Event.ERASED and self.decided is not None and duty.unless_gone_within is not None:
            return self.decided > duty.unless_gone_within.after(self.received)
        return self.result is not Event.WITHDRAWN

    def to_json(self, profile: Profile, today: date) -> dict[str, Any]:
        said = self.said
        return {
            "case": self.id,
            "request": str(self.request),
            "state": self.state,
            "received": self.received.isoformat(),
            "due": self.due.isoformat(),
            "about": said.get("about", []),
            "statement": said.get("statement"),
            "result": None if self.result is None else str(self.result),
            "why": self.why,
            "owed": [
                {"what": each.what, "due": each.due.isoformat(), "late": each.late(today)}
                for each in self.owed(profile)
            ],
            "steps": [{"day": done.step.day, "event": str(done.step.event)} for done in self.steps],
        }

    @property
    def why(self) -> str | None:
        """The reason that was given with the result."""
        found = [done.content.get("why") for done in self.steps if done.step.event in RESULTS and done.content]
        return None if not found or not found[-1] else str(found[-1])


def cases_of(steps: Iterable[Done]) -> tuple[Case, ...]:
    """All cases, in the order in which they were opened; steps of purges belong to none."""
    by_case: dict[str, list[Done]] = {}
    for done in steps:
        if done.step.event is not Event.PURGED:
            by_case.setdefault(done.step.case, []).append(done)
    return tuple(Case.of(found) for found in by_case.values())
