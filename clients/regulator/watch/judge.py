"""Verification as it goes: the steps that can be judged entry by entry, by the same code as a complete verification.

judge = Judge(policy)
for data in store.entries():
    findings = judge.take(data)          # new ones: signatures, chains, caps and plans, rounds
judge.case.account, judge.case.roster

Every finding is handed out. Of one institution a step tells the first 20, and then how many there are each time that
their number has doubled: it cannot fill the regulator's list, and hides neither its own failures nor another's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import cast

from clients.regulator.archive import Archive
from clients.regulator.case import Case, Note
from clients.regulator.findings import Finding, StepResult
from clients.regulator.line import Line, read_line
from clients.regulator.policy import Policy
from clients.regulator.steps.base import MAX_FINDINGS, Step
from clients.regulator.steps.caps import CapsStep
from clients.regulator.steps.chains import ChainStep
from clients.regulator.steps.rounds import RoundStep
from clients.regulator.steps.signatures import SignatureStep
from federation.oversight import Roster

AFTER_SIGNATURES: tuple[type[Step], ...] = (ChainStep, CapsStep, RoundStep)


class Judge:
    """Told every entry once, in log order. What only the whole trail shows is left to `clients.regulator.verify`."""

    def __init__(self, policy: Policy) -> None:
        # These steps look at no file of an export before they finish, and here they never do.
        nothing = cast(Archive, None)
        self.case = Case(nothing, policy, Note("", b"", None, None), (), (), (), Roster(policy.coordinator))
        signatures = SignatureStep(self.case)
        self.draws, self.epochs, self.taken = signatures.draws, signatures.lookups.contexts, signatures.taken
        self._steps: list[Step] = [signatures, *(step(self.case) for step in AFTER_SIGNATURES)]
        self._counted: Counter[tuple[int, str]] = Counter()  # findings by step and institution
        self._news: list[tuple[int, Finding]] = []
        for step in self._steps:
            step.hear = self._hearing(step)

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
        news, self._news = self._news, []
        return line, tuple(news)

    @property
    def results(self) -> tuple[StepResult, ...]:
        """Of the steps judged here, so far."""
        return tuple(step.result for step in self._steps)

    def _hearing(self, step: Step) -> Callable[[Finding, str], None]:
        def hear(finding: Finding, answerable: str) -> None:
            self._counted[step.number, answerable] += 1
            count = self._counted[step.number, answerable]
            if not answerable or count <= MAX_FINDINGS:
                self._news.append((step.number, finding))
            elif count % MAX_FINDINGS == 0 and (count // MAX_FINDINGS).bit_count() == 1:
                more = Finding("findings", f"{count} in this step", "none", institution=answerable)
                self._news.append((step.number, more))

        return hear
