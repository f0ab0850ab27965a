"""Which mechanism each run has, and what every round of it has spent: honest figures without an accountant a round."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np

from clients.regulator.renyi_curve import Curve, best_epsilon, divergence, epsilon_at
from federation.ledger.budget import Amount, Caps, Scope
from federation.ledger.charges import merged
from federation.privacy.accounting import prv_epsilon, rdp_epsilon, spent
from federation.privacy.event import GaussianEvent

ROUNDS = 100
RUNS_A_YEAR = 10
DELTA = 1e-6
CAPS = Caps(run=1.0, year=4.0, lifetime=12.0, delta=DELTA)
Events: TypeAlias = tuple[GaussianEvent, ...]
Knots: TypeAlias = tuple[list[float], list[float], list[float]]  # RDP, PLD, PRV
_KNOTS = (1, 5, 10, 20, 35, 50, 75, 100)


class Schedule:
    """So many runs, ten a year, the mechanisms in turn."""

    def __init__(self, runs: int, mechanisms: int) -> None:
        self.runs = runs
        self._sigmas = [30.0 + 2.5 * number for number in range(mechanisms)]

    def event(self, run: int) -> GaussianEvent:
        """Of one round."""
        return GaussianEvent(0.2, self._sigmas[run % len(self._sigmas)], 5)

    def year(self, run: int) -> int:
        return run // RUNS_A_YEAR

    def amounts(self, run: int, round: int, year: int, run_id: str) -> tuple[Amount, ...]:
        """After a round."""
        first = self.year(run) * RUNS_A_YEAR
        starts = {Scope.RUN: (run, run_id), Scope.YEAR: (first, f"{year:04d}"), Scope.LIFETIME: (0, "")}
        return tuple(self._amount(scope, start, run, round, key) for scope, (start, key) in starts.items())

    def _amount(self, scope: Scope, start: int, run: int, round: int, key: str) -> Amount:
        blank = CAPS.blank(scope, key, DELTA)
        curve = self._before(start, run) + self._curve(run) * round
        best = best_epsilon(curve, DELTA)
        knots = self._within(run) if start == run else self._since(start)
        pld, prv = (float(np.interp(best, knots[0], figures)) for figures in knots[1:])
        rdp = best if blank.order is None else epsilon_at(curve, DELTA, blank.order)
        return Amount(scope, key, DELTA, blank.cap, pld, prv, rdp, blank.order)

    def _curve(self, run: int) -> Curve:
        event = self.event(run)
        return divergence(event.sampling_rate, event.noise_multiplier) * event.steps

    @cache  # noqa: B019 (one schedule a process)
    def _before(self, start: int, run: int) -> Curve:
        zero: Curve = np.zeros_like(self._curve(run))
        return sum((self._curve(each) * ROUNDS for each in range(start, run)), zero)

    @cache  # noqa: B019
    def _within(self, run: int) -> Knots:
        """At some rounds of a run, which is the first of its account."""
        return _figures([self._composition(run, run, round) for round in _KNOTS])

    @cache  # noqa: B019
    def _since(self, start: int) -> Knots:
        """At the ends of the run `start`, of every year since, and of all: exact where a verifier looks."""
        years = range(start - start % RUNS_A_YEAR + RUNS_A_YEAR - 1, self.runs, RUNS_A_YEAR)
        ends = sorted({start, *years, self.runs - 1})
        return _figures([self._composition(start, end, ROUNDS) for end in ends])

    def _composition(self, start: int, run: int, round: int) -> Events:
        whole = [self._times(each, ROUNDS) for each in range(start, run)]
        return merged([*whole, self._times(run, round)])

    def _times(self, run: int, rounds: int) -> GaussianEvent:
        event = self.event(run)
        return GaussianEvent(event.sampling_rate, event.noise_multiplier, event.steps * rounds)


def _figures(compositions: list[Events]) -> Knots:
    """RDP, PLD and PRV of each."""
    rdp = [rdp_epsilon(events, DELTA) for events in compositions]
    pld = [spent(events, DELTA) for events in compositions]
    prv = [prv_epsilon(events, DELTA, error=max(0.01, 0.0025 * r)) for events, r in zip(compositions, rdp, strict=True)]
    return rdp, pld, [upper or 0.0 for upper in prv]
