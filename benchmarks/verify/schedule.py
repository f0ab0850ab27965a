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
_KNOTS = (1, 5, 10, 20, 35, 50, 75, 100)


class Schedule:
    """Run after run, ten a year, the mechanisms in turn."""

    def __init__(self, mechanisms: int) -> None:
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
        knots = self._knots(start, run)
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
    def _knots(self, start: int, run: int) -> tuple[list[float], list[float], list[float]]:
        """(RDP, PLD, PRV) at some rounds of a run, after all runs since `start`."""
        rounds = _KNOTS if start == run else (1, ROUNDS)
        found = [_figures(self._composition(start, run, round)) for round in rounds]
        return [each[0] for each in found], [each[1] for each in found], [each[2] for each in found]

    def _composition(self, start: int, run: int, round: int) -> Events:
        whole = [self._times(each, ROUNDS) for each in range(start, run)]
        return merged([*whole, self._times(run, round)])

    def _times(self, run: int, rounds: int) -> GaussianEvent:
        event = self.event(run)
        return GaussianEvent(event.sampling_rate, event.noise_multiplier, event.steps * rounds)


@cache
def _figures(events: Events) -> tuple[float, float, float]:
    rdp = rdp_epsilon(events, DELTA)
    return rdp, spent(events, DELTA), prv_epsilon(events, DELTA, error=max(0.01, 0.0025 * rdp)) or 0.0
