"""Step 10: what a person pays who has a record at several institutions.

Where noise is local, every institution's releases are protected by its own, so the releases of m institutions compose
over the person; where it is shared, under secure aggregation, the person moves one sum m times, which costs more
(`federation.ledger.persons`). Which institutions know a person nobody may ask; the figure is for those m that charged
most, m from the policy (all, where it says nothing). Beside a run with local noise stands what it would cost if the
institutions shared the noise of one: it is no figure of this federation.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from clients.regulator.accounts import Charges
from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.renyi_curve import Curve, best_epsilon, cost, epsilon_at
from clients.regulator.steps.base import Step
from federation.errors import PrivacyError
from federation.ledger.budget import Scope
from federation.ledger.charges import composition, unit
from federation.ledger.persons import for_person, known_to, shared_noise
from federation.ledger.renyi import filter_order
from federation.privacy.event import Event, GaussianEvent, SharedGaussianEvent

Steps: TypeAlias = Counter[Event]
MAX_MECHANISMS = 1000
MAX_EPSILON = 100.0  # beyond it nothing is promised, and PLD's grid would not fit into memory


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
        known = self.case.policy.caps.person_institutions or len(lifetimes)
        worst = {run: _most(listed, known) for run, listed in runs.items()}
        if worst:
            run = max(worst, key=lambda name: _cost(worst[name]))
            self._run(run, [composition(steps) for steps in worst[run]])
        self._lifetime(_most(list(lifetimes.values()), known))

    def _run(self, run: str, histories: Sequence[tuple[Event, ...]]) -> None:
        delta, members = self.case.policy.caps.delta, len(histories)
        together = [event for each in histories for event in for_person(each, members)]
        shares = any(isinstance(event, SharedGaussianEvent) for each in histories for event in each)
        figure = _figure(lambda: known_to(histories, delta), together, delta)
        trust = ", noise shared under secure aggregation" if shares else ""
        self.fact(f"one run ({run}{trust}), {members} institutions: epsilon {figure} (PLD), delta {delta:g}")
        if shares:
            return
        together = [_at_once(event, members) for event in histories[0]]
        shared = _figure(lambda: shared_noise(histories[0], members, delta), together, delta)
        self.note(f"Had the {members} institutions of {run} shared the noise of one: epsilon {shared} (PLD)")

    def _lifetime(self, accounts: Sequence[Steps]) -> None:
        caps, members = self.case.policy.caps, len(accounts)
        cap = caps.person or caps.lifetime * members
        curve = _curve(accounts)
        epsilon = epsilon_at(curve, caps.delta, filter_order(cap, caps.delta))
        histories = [composition(steps) for steps in accounts]
        local = _figure(lambda: known_to(histories, caps.delta), _together(accounts), caps.delta)
        figures = f"epsilon {epsilon:.4f} (Renyi filter), {local} (PLD), delta {caps.delta:g}"
        self.fact(f"all time, {members} institutions: {figures}")
        if caps.person is None:
            self.note("The policy has no cap per person (caps.person): the figures are for the report")
        elif epsilon > caps.person:
            self.fail("worst case per person", f"epsilon {epsilon:.4f}", f"at most {caps.person:g}")


def _at_once(event: Event, members: int) -> Event:
    """No less than shared noise costs: the person moves the sum by all its records whenever one of them is drawn."""
    rate = -math.expm1(members * math.log1p(-event.sampling_rate)) if event.sampling_rate < 1 else 1.0
    return GaussianEvent(rate, event.noise_multiplier / members, event.steps)


def _figure(ask: Callable[[], float], bound: Sequence[Event], delta: float) -> str:
    """An accountant's answer, where mechanisms are such that it has one, and few enough to ask."""
    if len(bound) > MAX_MECHANISMS:
        return f"unknown, of {len(bound)} mechanisms"
    if best_epsilon(np.sum([cost(event) for event in bound], axis=0), delta) > MAX_EPSILON:
        return f"above {MAX_EPSILON:g}"
    try:
        return f"{ask():.4f}"
    except (ArithmeticError, ValueError, MemoryError, PrivacyError):  # mechanisms that nobody would use
        return "unknown"


def _most(accounts: Sequence[Steps], count: int) -> list[Steps]:
    """The `count` accounts that cost most."""
    return sorted(accounts, key=lambda steps: -_cost([steps]))[:count]


def _cost(accounts: Sequence[Steps]) -> float:
    """A number to compare by: the divergence of the lowest order."""
    return float(_curve(accounts)[0])


def _curve(accounts: Sequence[Steps]) -> Curve:
    return np.sum([cost(event) for event in _together(accounts)], axis=0)  # type: ignore[no-any-return]


def _together(accounts: Sequence[Steps]) -> tuple[Event, ...]:
    whole: Steps = Counter()
    for steps in accounts:
        for event in for_person(composition(steps), len(accounts)):
            whole[unit(event)] += event.steps
    return composition(whole)
