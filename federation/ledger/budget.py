"""The budget filter: would this release pass a cap? Pure.

>>> from types import SimpleNamespace as Claims
>>> def toy(events, delta):  # one unit of epsilon a step: an accountant for this example only
...     return Claims(**dict.fromkeys(("pld", "prv", "rdp"), float(sum(e.steps for e in events))))
>>> caps = Caps(run=10, year=20, lifetime=30, delta=1e-5)
>>> spent = {Scope.RUN: {}, Scope.YEAR: {(1.0, 2.0): 18}, Scope.LIFETIME: {(1.0, 2.0): 18}}
>>> keys = {Scope.RUN: "r", Scope.YEAR: "2025", Scope.LIFETIME: ""}
>>> amounts = weigh(spent, GaussianEvent(1.0, 2.0, 5), keys, caps, 1e-5, toy)
>>> breach(amounts).scope, breach(amounts).pld
(<Scope.YEAR: 'year'>, 23.0)

Three scopes are kept: the run, the calendar year (UTC) of the reservation, and the institution's lifetime. A cap holds
when epsilon under PLD is at most the cap plus 1e-9; the figure to publish is PRV's upper bound, which may read a little
more (its own error bound), RDP is the third opinion. The composition is that of events fixed by signed plans; were a
mechanism's parameters chosen from what earlier releases showed, PLD composition would not be known to bound it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from federation.errors import ConfigurationError
from federation.privacy.event import GaussianEvent

TOLERANCE = 1e-9
Charges: TypeAlias = Mapping[tuple[float, float], int]  # (sampling rate, noise multiplier) -> steps


class Scope(StrEnum):
    RUN = "run"
    YEAR = "year"
    LIFETIME = "lifetime"


class Epsilons(Protocol):
    """What an accountant answers; `federation.privacy.Claims` is one."""

    @property
    def pld(self) -> float: ...
    @property
    def prv(self) -> float: ...
    @property
    def rdp(self) -> float: ...


class Accountant(Protocol):
    """`federation.privacy.epsilons`: the composition of `events` at `delta`."""

    def __call__(self, events: Sequence[GaussianEvent], delta: float) -> Epsilons: ...


@dataclass(frozen=True)
class Caps:
    """The most epsilon (under PLD) each scope may reach, at `delta`. Raises ConfigurationError for one out of range."""

    run: float
    year: float
    lifetime: float
    delta: float

    def __post_init__(self) -> None:
        for scope in Scope:
            if not 0 < self.of(scope) < math.inf:
                raise ConfigurationError(f"caps.{scope}", got=self.of(scope), expected="a positive number")
        if not 0 < self.delta < 1:
            raise ConfigurationError("caps.delta", got=self.delta, expected="in (0, 1)")

    def of(self, scope: Scope) -> float:
        return float(getattr(self, scope.value))


@dataclass(frozen=True)
class Amount:
    """Cumulative epsilon of one scope under three accountants, at `delta`, beside its cap.

    `key` says which run or year. A figure an accountant cannot give is infinite (null in JSON).
    """

    scope: Scope
    key: str
    delta: float
    cap: float
    pld: float = 0.0
    prv: float = 0.0
    rdp: float = 0.0

    @property
    def holds(self) -> bool:
        return self.pld <= self.cap + TOLERANCE

    @property
    def remaining(self) -> float:
        return max(0.0, self.cap - self.pld)

    def at_least(self, earlier: Amount) -> Amount:
        """What is recorded never decreases, not even by the rounding of an accountant."""
        figures = {name: max(getattr(self, name), getattr(earlier, name)) for name in FIGURES}
        return Amount(self.scope, self.key, self.delta, self.cap, **figures)

    def to_json(self) -> dict[str, Any]:
        figures = {name: _finite_or_none(getattr(self, name)) for name in FIGURES}
        return {**asdict(self), "scope": self.scope.value, **figures}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Amount:
        figures = {name: math.inf if value[name] is None else float(value[name]) for name in FIGURES}
        delta, cap = float(value["delta"]), float(value["cap"])
        return cls(Scope(value["scope"]), str(value["key"]), delta, cap, **figures)


FIGURES = ("pld", "prv", "rdp")


def events_of(charges: Charges, extra: GaussianEvent | None = None) -> tuple[GaussianEvent, ...]:
    """The charges as events, equal mechanisms merged and sorted: one composition has one form, so caches hit."""
    steps = dict(charges)
    if extra is not None:
        key = mechanism(extra)
        steps[key] = steps.get(key, 0) + extra.steps
    return tuple(GaussianEvent(q, sigma, n) for (q, sigma), n in sorted(steps.items()))


def mechanism(event: GaussianEvent) -> tuple[float, float]:
    return (event.sampling_rate, event.noise_multiplier)


def delta_of(scope: Scope, release_delta: float, caps: Caps) -> float:
    """A run is measured at its plan's delta (at most the caps'), year and lifetime at the caps' own.

    Epsilon at a smaller delta is never less, so a run's cap also holds at the caps' delta.
    """
    return release_delta if scope is Scope.RUN else caps.delta


def weigh(
    spent: Mapping[Scope, Charges],
    event: GaussianEvent,
    keys: Mapping[Scope, str],
    caps: Caps,
    release_delta: float,
    accountant: Accountant,
) -> tuple[Amount, ...]:
    """What every scope would have spent after `event`."""
    return tuple(
        measure(
            scope, keys[scope], spent[scope], event, caps.of(scope), delta_of(scope, release_delta, caps), accountant
        )
        for scope in Scope
    )


def measure(
    scope: Scope,
    key: str,
    charges: Charges,
    event: GaussianEvent | None,
    cap: float,
    delta: float,
    accountant: Accountant,
) -> Amount:
    """The amount of `charges` and `event` together; zero without events."""
    events = events_of(charges, event)
    if not events:
        return Amount(scope, key, delta, cap)
    claims = accountant(events, delta)
    return Amount(scope, key, delta, cap, _figure(claims.pld), _figure(claims.prv), _figure(claims.rdp))


def breach(amounts: Sequence[Amount]) -> Amount | None:
    """The first scope whose cap would be passed, or None."""
    return next((amount for amount in amounts if not amount.holds), None)


def _figure(value: float) -> float:
    """An accountant that gives NaN has not bounded anything."""
    return math.inf if math.isnan(value) else float(value)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
