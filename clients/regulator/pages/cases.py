"""People's cases by age: how many an institution has, which are late, and whether its chain of steps is whole.

Nothing in the log says whom a case is about. What is not logged is not seen: that every case gets its steps is shown by
an examiner who opens a case at the institution, and finds it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from clients.regulator.pages.material import StepSeen
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from federation.oversight.cases import RESULTS, CaseStep, Event, first_previous

ARRIVES_WITHIN = timedelta(days=2)  # a step goes to the log when its day is over everywhere
AGES = ((15, "to_15"), (30, "to_30"), (45, "to_45"), (10**6, "older"))


@dataclass
class _Case:
    opened: date
    due: date
    last: date
    longer: bool = False
    result: Event | None = None
    told: bool = False

    def take(self, step: CaseStep) -> None:
        """More time counts once, and only while there was time: a late case stays late."""
        if step.event is Event.MORE_TIME and step.due and not self.longer and step.on <= self.due:
            self.due, self.longer = date.fromisoformat(step.due), True
        self.result = step.event if step.event in RESULTS else self.result
        self.told |= step.event is Event.TOLD
        self.last = max(self.last, step.on)


@dataclass
class _Seen:
    cases: dict[str, _Case] = field(default_factory=dict)
    broken: str = ""


def cases(view: View, now: float) -> Table:
    """One row for each institution and key; red where a case is late or a step does not follow."""
    today = datetime.fromtimestamp(now, UTC).date()
    by_key: dict[tuple[str, str], list[StepSeen]] = {}
    for seen in view.material.case_steps:
        by_key.setdefault((seen.step.institution, seen.signer), []).append(seen)
    rows = [_row(institution, _fold(institution, steps), today) for (institution, _), steps in sorted(by_key.items())]
    columns = (
        Column("institution", "Institution", choice=True),
        Column("to_15", "Open, to 15 days", number=True),
        Column("to_30", "to 30 days", number=True),
        Column("to_45", "to 45 days", number=True),
        Column("older", "older", number=True),
        Column("late", "Late", number=True),
        Column("decided", "Decided", number=True),
        Column("closed", "Closed", number=True),
    )
    return Table("cases", "People's disputes and requests, by age", columns, tuple(rows), "No case so far.")


def _fold(institution: str, steps: Iterable[StepSeen]) -> _Seen:
    found, previous, expected = _Seen(), first_previous(institution), 1
    for seen in sorted(steps, key=lambda each: each.step.sequence):
        step = seen.step
        if (step.sequence, step.previous) != (expected, previous) and not found.broken:
            found.broken = f"log entry {seen.position}: step {step.sequence} does not follow the one before"
        previous, expected = seen.hash, step.sequence + 1
        case = found.cases.get(step.case)
        if step.event is Event.OPENED:
            found.cases[step.case] = _Case(step.on, date.fromisoformat(step.due or step.day), step.on)
        elif case is not None:
            if step.on < case.last and not found.broken:
                found.broken = f"log entry {seen.position}: step {step.sequence} is dated before the one before"
            case.take(step)
    return found


def _row(institution: str, seen: _Seen, today: date) -> Row:
    counts = dict.fromkeys((*(key for _, key in AGES), "late", "decided", "closed"), 0)
    for case in seen.cases.values():
        if case.result is None:
            counts[next(key for most, key in AGES if (today - case.opened).days <= most)] += 1
            counts["late"] += today > case.due + ARRIVES_WITHIN
        else:
            counts["closed" if case.told else "decided"] += 1
    red = [seen.broken] if seen.broken else []
    if counts["late"]:
        red.append(f"{counts['late']} not answered in time")
    values: dict[str, Value] = {"institution": institution, **counts}
    return Row(values, "; ".join(red))
