"""Step 10: what a person pays who has a record at several institutions.

Noise is local: every institution's releases are protected by its own noise, so the releases of m institutions compose
over the person, mechanism by mechanism. Which institutions know a person nobody may ask; the figure is for those m that
charged most, m from the policy (all, where it says nothing).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from clients.regulator.accountants import Opinion
from clients.regulator.accounts import Charges
from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.renyi_curve import Curve, cost, epsilon_at
from clients.regulator.steps.base import Step
from federation.ledger.budget import Scope
from federation.ledger.charges import composition
from federation.ledger.renyi import filter_order
from federation.privacy.event import Event

Steps: TypeAlias = Counter[Event]


class PersonStep(Step):
    number = 10
    title = "Worst case per person across members"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._charges = Charges()

    def take(self, line: Line) -> None:
        if line.signed is not None:
            self._charges.take(line.signed.entry)

    def finish(self) -> None:
        caps = self.case.policy.caps
        runs: dict[str, list[Steps]] = defaultdict(list)
        lifetimes: dict[str, Steps] = {}
        for (institution, _, scope, key), steps in self._charges.steps.items():
            if scope is Scope.RUN:
                runs[key].append(steps)
            elif scope is Scope.LIFETIME:  # a carried ledger includes the one before: the last one is the whole
                lifetimes[institution] = steps
        if not lifetimes:
            self.note("Nothing was charged")
            return
        known = caps.person_institutions or len(lifetimes)
        run = max((_most(listed, known) for listed in runs.values()), key=_cost, default=[])
        if run:
            opinion = Opinion.of(_together(run), caps.delta)
            figures = f"epsilon {opinion.pld:.4f} (PLD), {opinion.rdp:.4f} (RDP), delta {caps.delta:g}"
            self.fact(f"one run, {len(run)} institutions: {figures}")
        everything = _most(list(lifetimes.values()), known)
        cap = caps.person or caps.lifetime * len(everything)
        epsilon = epsilon_at(_curve(everything), caps.delta, filter_order(cap, caps.delta))
        figure = f"epsilon {epsilon:.4f} (Renyi filter), delta {caps.delta:g}"
        self.fact(f"all time, {len(everything)} institutions: {figure}")
        if caps.person is None:
            self.note("The policy has no cap per person (caps.person): the figures are for the report")
        elif epsilon > caps.person:
            self.fail("worst case per person", f"epsilon {epsilon:.4f}", f"at most {caps.person:g}")


def _most(accounts: Sequence[Steps], count: int) -> list[Steps]:
    """The `count` accounts that cost most."""
    return sorted(accounts, key=lambda steps: -_cost([steps]))[:count]


def _cost(accounts: Sequence[Steps]) -> float:
    """A number to compare by: the divergence of the lowest order."""
    return float(_curve(accounts)[0])


def _curve(accounts: Sequence[Steps]) -> Curve:
    return np.sum([cost(event) for event in _together(accounts)], axis=0)  # type: ignore[no-any-return]


def _together(accounts: Sequence[Steps]) -> tuple[Event, ...]:
    return composition(sum(accounts, Counter()))
