"""Step 10: what a person pays who has a record at several institutions.

Noise is local: every institution's releases are protected by its own noise, so the releases of m institutions compose
over the person, mechanism by mechanism. Which institutions know a person nobody may ask; the figure is for those m that
charged most, m from the policy (all, where it says nothing).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from clients.regulator.accountants import Opinion
from clients.regulator.accounts import Charged, Charges
from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.renyi_curve import Curve, epsilon_at
from clients.regulator.steps.base import Step
from federation.ledger.budget import Scope
from federation.ledger.charges import composition
from federation.ledger.renyi import filter_order
from federation.privacy.event import Event


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
        runs: dict[str, list[Charged]] = defaultdict(list)
        lifetimes: dict[str, Charged] = {}
        for (institution, _, scope, key), charged in self._charges.accounts.items():
            if scope is Scope.RUN:
                runs[key].append(charged)
            elif scope is Scope.LIFETIME:  # a carried ledger includes the one before: the last one is the whole
                lifetimes[institution] = charged
        if not lifetimes:
            self.note("Nothing was charged")
            return
        known = caps.person_institutions or len(lifetimes)
        worst = max(runs.values(), key=lambda charged: sum(float(each.curve[0]) for each in _most(charged, known)))
        run = Opinion.of(_together(_most(worst, known)), caps.delta)
        count = min(known, len(worst))
        self.fact(
            f"one run, {count} institutions: epsilon {run.pld:.4f} (PLD), {run.rdp:.4f} (RDP), delta {caps.delta:g}"
        )
        everything = _most(list(lifetimes.values()), known)
        cap = caps.person or caps.lifetime * len(everything)
        curve: Curve = sum((each.curve for each in everything[1:]), everything[0].curve)
        epsilon = epsilon_at(curve, caps.delta, filter_order(cap, caps.delta))
        self.fact(
            f"all time, {len(everything)} institutions: epsilon {epsilon:.4f} (Renyi filter), delta {caps.delta:g}"
        )
        if caps.person is None:
            self.note("The policy has no cap per person (caps.person): the figures are for the report")
        elif epsilon > caps.person:
            self.fail("worst case per person", f"epsilon {epsilon:.4f}", f"at most {caps.person:g}")


def _most(accounts: Sequence[Charged], count: int) -> list[Charged]:
    """The `count` accounts that cost most, by the divergence of the lowest order."""
    return sorted(accounts, key=lambda account: -float(account.curve[0]))[:count]


def _together(accounts: Sequence[Charged]) -> tuple[Event, ...]:
    steps: dict[Event, int] = defaultdict(int)
    for account in accounts:
        for mechanism, count in account.steps.items():
            steps[mechanism] += count
    return composition(steps)
