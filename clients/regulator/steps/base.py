"""What a step is: it is told each entry once, in log order, then asked to finish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from clients.regulator.case import Case, Error
from clients.regulator.findings import Finding, Outcome, StepResult
from clients.regulator.line import Line, Where
from federation.runtime.progress import Report, unheard
from protocols.errors import ProtocolError

MAX_FINDINGS = 20  # of each institution, and of the log: nobody's failures keep another's from being listed


class Step:
    """Findings come in the order in which they are met: the first is the first entry that fails.

    `hear` is told every one of them, also those that are not listed, and who is answerable ("": no institution alone).
    `report` hears how much of a long end is done.
    """

    number: ClassVar[int]
    title: ClassVar[str]
    reads_entries: ClassVar[bool] = True

    def __init__(self, case: Case) -> None:
        self.case = case
        self.failures = 0
        self.blamed: Counter[str] = Counter()  # failures by the institution that is answerable, "" for none
        self.hear: Callable[[Finding, str], None] = lambda finding, answerable: None
        self.report: Report = unheard
        self._findings: list[Finding] = []
        self._facts: list[str] = []
        self._notes: list[str] = []

    def take(self, line: Line) -> None:
        """One entry."""

    def finish(self) -> None:
        """What only the whole trail shows."""

    def see(self, line: Line) -> None:
        """`take`. What it cannot judge is a finding at this entry: a verifier that ends judges nothing any more."""
        try:
            self.take(line)
        except Exception as error:  # whoever wrote the entry chose what is in it
            self.fail("entry", type(error).__name__, "one that can be judged", line)

    def conclude(self) -> None:
        """`finish`, likewise."""
        try:
            self.finish()
        except Exception as error:
            self.fail("entries", type(error).__name__, "a trail that can be judged")

    def fail(self, where: str, got: object, expected: object, line: Line | Where | None = None) -> None:
        self.failures += 1
        answerable = self.case.answerable(line)
        self.blamed[answerable] += 1
        place = {} if line is None else line.place
        if answerable:
            place["institution"] = answerable
        finding = Finding(where, str(got), str(expected), **place)
        if self.blamed[answerable] <= MAX_FINDINGS:
            self._findings.append(finding)
        self.hear(finding, answerable)

    def fail_with(self, error: Error, line: Line | None = None, *, where: str = "") -> None:
        """The failure that an error tells of."""
        named = error.field if isinstance(error, ProtocolError) else error.where
        self.fail(f"{where}: {named}" if where else named, error.got, error.expected, line)

    def fact(self, text: str) -> None:
        """Something that was judged and holds."""
        self._facts.append(text)

    def note(self, text: str) -> None:
        """Something that this step does not judge, or that a reader should know."""
        if len(self._notes) < MAX_FINDINGS:
            self._notes.append(text)

    @property
    def result(self) -> StepResult:
        broken = self.case.broken
        notes = list(self._notes)
        outcome = Outcome.FAILS if self.failures else Outcome.HOLDS
        if broken is not None and self.reads_entries:
            notes.append(f"The entries could not be read to their end: {broken}")
            outcome = Outcome.FAILS if self.failures else Outcome.NOT_JUDGED
        listed = (tuple(self._findings), self.failures, tuple(self._facts), tuple(notes))
        return StepResult(self.number, self.title, outcome, *listed, dict(self.blamed))
