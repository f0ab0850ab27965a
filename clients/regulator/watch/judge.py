"""Verification as it goes: the steps that can be judged entry by entry, by the same code as a complete verification.

judge = Judge(policy)
for data in store.entries():
    findings = judge.take(data)          # new ones: signatures, chains, caps and plans, rounds
judge.case.account, judge.case.roster
"""

from __future__ import annotations

from typing import cast

from clients.regulator.archive import Archive
from clients.regulator.case import Case, Note
from clients.regulator.findings import Finding, StepResult
from clients.regulator.line import Line, read_line
from clients.regulator.policy import Policy
from clients.regulator.steps.base import Step
from clients.regulator.steps.caps import CapsStep
from clients.regulator.steps.chains import ChainStep
from clients.regulator.steps.rounds import RoundStep
from clients.regulator.steps.signatures import SignatureStep
from federation.oversight import Roster

INCREMENTAL: tuple[type[Step], ...] = (SignatureStep, ChainStep, CapsStep, RoundStep)


class Judge:
    """Told every entry once, in log order. What only the whole trail shows is left to `clients.regulator.verify`."""

    def __init__(self, policy: Policy) -> None:
        # These steps look at no file of an export before they finish, and here they never do.
        nothing = cast(Archive, None)
        self.case = Case(nothing, policy, Note("", b"", None, None), (), (), (), Roster(policy.coordinator))
        self._steps = [step(self.case) for step in INCREMENTAL]
        self._told = [0] * len(self._steps)

    @property
    def size(self) -> int:
        """Entries so far."""
        return self.case.tree.size

    def take(self, data: bytes) -> tuple[Line, tuple[tuple[int, Finding], ...]]:
        """The entry read, and (step, finding) of what is wrong with it."""
        line = read_line(self.size, data)
        self.case.grow(line)
        self.case.account.take(line)
        for step in self._steps:
            step.see(line)
        self.case.follow(line)
        return line, tuple(self._news())

    @property
    def results(self) -> tuple[StepResult, ...]:
        """Of the steps judged here, so far."""
        return tuple(step.result for step in self._steps)

    def _news(self) -> list[tuple[int, Finding]]:
        found = []
        for place, step in enumerate(self._steps):
            if step.failures > self._told[place]:
                # Only the first findings of a step are kept one by one.
                found += [(step.number, finding) for finding in step.result.findings[self._told[place] :]]
                self._told[place] = step.failures
        return found
