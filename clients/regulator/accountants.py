"""Three opinions on a composition, and whether they agree: PLD (dp-accounting), PRV (Opacus), closed form at q = 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from clients.regulator.renyi_curve import best_epsilon, sum_of
from federation.privacy.accounting import gaussian_epsilon, merge, pld_epsilon, pld_interval, prv_epsilon
from federation.privacy.event import Event

NO_GUARANTEE = 1e4  # the ledgers' accountants call what is beyond it infinite


@dataclass(frozen=True)
class Opinion:
    """Epsilons at `delta`. `prv` is None where PRV cannot answer, `exact` where some step is subsampled.

    `slack` is how far above the truth PRV may read: its own error bound, which grows with epsilon.
    """

    delta: float
    pld: float
    prv: float | None
    exact: float | None
    rdp: float
    slack: float

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, events: tuple[Event, ...], delta: float) -> Opinion:
        """At least one event, `delta` in (0, 1). A second or less; equal compositions are remembered."""
        try:
            return cls._of(events, delta)
        except (ArithmeticError, ValueError, MemoryError):  # mechanisms that nobody would use: no accountant answers
            return cls(delta, math.inf, None, None, math.inf, 0.01)

    @classmethod
    def _of(cls, events: tuple[Event, ...], delta: float) -> Opinion:
        events = merge(events)  # of either distribution: they cost the same
        rdp = best_epsilon(sum_of(events), delta)
        slack = max(0.01, 0.0025 * rdp)
        full = all(event.sampling_rate == 1 for event in events)
        mu = math.sqrt(sum(event.steps / event.noise_multiplier**2 for event in events))
        pld = pld_epsilon(events, delta, interval=pld_interval(rdp)) if rdp <= NO_GUARANTEE else math.inf
        prv = prv_epsilon(events, delta, error=slack) if math.isfinite(pld) else None
        return cls(delta, pld, prv, gaussian_epsilon(mu, delta) if full else None, rdp, slack)

    def tolerance(self, agreement: float) -> float:
        """What PRV may differ by: its bound is a grid's, and a little of the grid lies outside of it."""
        return max(agreement, 1.1 * self.slack)

    def disagreements(self, agreement: float) -> list[str]:
        """Which differ by more than they should, and why, as far as the others tell."""
        found = []
        if self.prv is not None and abs(self.prv - self.pld) > self.tolerance(agreement):
            found.append(f"{self._pair}: {self._why()}")
        if self.exact is not None and not close(self.exact, self.pld, agreement):
            found.append(f"PLD {self.pld:.4f} and the closed form {self.exact:.4f}: PLD's discretisation")
        return found

    def remarks(self, agreement: float) -> list[str]:
        """Which differ by more than `agreement` for a reason that is known: PRV's error bound grows with epsilon."""
        if self.prv is None or not agreement < abs(self.prv - self.pld) <= self.tolerance(agreement):
            return []
        return [f"{self._pair}: within the error bound of PRV's grid, {self.slack:.3f} at this epsilon"]

    @property
    def _pair(self) -> str:
        return f"PLD {self.pld:.4f} and PRV {'none' if self.prv is None else format(self.prv, '.4f')}"

    def _why(self) -> str:
        if self.prv is not None and self.prv > self.rdp + self.slack:
            return f"PRV is above the Renyi bound {self.rdp:.4f}, so PRV's grid is too coarse"
        if self.pld > self.rdp:
            return f"PLD is above the Renyi bound {self.rdp:.4f}, so PLD's grid is too coarse"
        if self.prv is not None and self.prv < self.pld:
            return "PRV is below PLD, which is pessimistic; the larger counts"
        return "both are upper bounds below Renyi's; the smaller would do, the larger counts"


def close(first: float, second: float, agreement: float) -> bool:
    """Two infinities agree."""
    return first == second or abs(first - second) <= agreement
