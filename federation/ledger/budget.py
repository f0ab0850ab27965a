"""The budget filter: would this release pass a cap? Pure.

>>> from types import SimpleNamespace as Claims
>>> def toy(events, delta, order=None):  # one unit of epsilon a step: an accountant for this example only
...     return Claims(**dict.fromkeys(("pld", "prv", "rdp"), float(sum(e.steps for e in events))))
>>> caps = Caps(run=10, year=20, lifetime=30, delta=1e-5)
>>> from federation.privacy.event import GaussianEvent
>>> earlier = {GaussianEvent(1.0, 2.0, 1): 18}
>>> spent = {Scope.RUN: {}, Scope.YEAR: earlier, Scope.LIFETIME: earlier}
>>> keys = {Scope.RUN: "r", Scope.YEAR: "2025", Scope.LIFETIME: ""}
>>> amounts = weigh(spent, GaussianEvent(1.0, 2.0, 5), keys, caps, 1e-5, toy)
>>> breach(amounts).scope, breach(amounts).capped, breach(amounts).capped_by
(<Scope.YEAR: 'year'>, 23.0, 'rdp')

Three scopes are kept: the run, the calendar year (UTC) of the reservation, and the institution's lifetime. A run is one
signed plan, fixed before its first release: its cap is held against epsilon under PLD. Year and lifetime compose plans
that may be chosen from what earlier ones released: their caps are held against epsilon by the Renyi divergence of one
order, fixed in advance (see `federation.ledger.renyi`); PLD is recorded beside it. A cap holds up to 1e-9. The figure
to publish is PRV's upper bound, which may read a little more than PLD (its own error bound).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from federation.errors import ConfigurationError, LedgerError
from federation.ledger import fields
from federation.ledger.charges import Charges, composition
from federation.ledger.renyi import ORDERS, filter_order
from federation.privacy.event import Event

TOLERANCE = 1e-9


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
    """The composition of `events` at `delta`; with an `order`, the rdp figure is that order's alone."""

    def __call__(self, events: Sequence[Event], delta: float, order: int | None = None) -> Epsilons: ...


@dataclass(frozen=True)
class Caps:
    """The most epsilon each scope may reach, at `delta`: a run under PLD, year and lifetime under Renyi DP.

    Raises ConfigurationError for one out of range.
    """

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

    def blank(self, scope: Scope, key: str, delta: float) -> Amount:
        """Nothing spent yet, beside the cap of `scope`."""
        cap = self.of(scope)
        return Amount(scope, key, delta, cap, order=order_of(scope, cap, delta))


@dataclass(frozen=True)
class Amount:
    """Cumulative epsilon of one scope under three accountants, at `delta`, beside its cap.

    `key` says which run or year. A figure an accountant cannot give is infinite (null in JSON). `order` is the Renyi
    order that `rdp` is taken at and the cap is held against; without one the cap is held against `pld`.
    """

    scope: Scope
    key: str
    delta: float
    cap: float
    pld: float = 0.0
    prv: float = 0.0
    rdp: float = 0.0
    order: int | None = None

    @property
    def capped_by(self) -> str:
        """The figure that the cap is held against."""
        return "pld" if self.order is None else "rdp"

    @property
    def capped(self) -> float:
        return float(getattr(self, self.capped_by))

    @property
    def is_measured(self) -> bool:
        """At a delta, and beside a cap, that epsilon can be reckoned with."""
        return 0 < self.delta < 1 and 0 < self.cap < math.inf

    @property
    def holds(self) -> bool:
        return self.capped <= self.cap + TOLERANCE

    @property
    def remaining(self) -> float:
        return max(0.0, self.cap - self.capped)

    def at_least(self, earlier: Amount) -> Amount:
        """What is recorded never decreases, not even by the rounding of an accountant.

        Figures of two orders (the cap was changed in between) are not compared: each bounds what was spent.
        """
        names = self._comparable(earlier)
        return replace(self, **{name: max(getattr(self, name), getattr(earlier, name)) for name in names})

    def covers(self, earlier: Amount) -> bool:
        """Whether no figure is below that of `earlier`, as `at_least` makes it."""
        return all(getattr(self, name) >= getattr(earlier, name) for name in self._comparable(earlier))

    def _comparable(self, earlier: Amount) -> tuple[str, ...]:
        return FIGURES if self.order == earlier.order else ("pld", "prv")

    def to_json(self) -> dict[str, Any]:
        figures = {name: _finite_or_none(getattr(self, name)) for name in FIGURES}
        return {**self.__dict__, "scope": self.scope.value, **figures}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Amount:
        """Raises LedgerError for figures that nothing could be reckoned with."""
        figures = {name: math.inf if value[name] is None else float(value[name]) for name in FIGURES}
        fields.text("amounts.key", value["key"])
        amount = cls(
            Scope(value["scope"]),
            value["key"],
            float(value["delta"]),
            float(value["cap"]),
            **figures,
            order=value["order"],
        )
        if not amount.is_measured or min(figures.values()) < 0:
            raise LedgerError("amounts", got="figures out of range", expected="delta in (0, 1), a cap, no less than 0")
        if amount.order is not None and (type(amount.order) is not int or amount.order not in ORDERS):
            raise LedgerError("amounts.order", got=str(amount.order)[:40], expected="an order that accountants use")
        return amount


FIGURES = ("pld", "prv", "rdp")


def keys_of(run_id: str, time: datetime) -> dict[Scope, str]:
    """Which account of each scope a reservation at `time` (UTC) is charged to."""
    return {Scope.RUN: run_id, Scope.YEAR: f"{time.year:04d}", Scope.LIFETIME: ""}


def keys_named(run_id: str, time: datetime) -> dict[Scope, str]:
    """The same of an entry that may name no run: without a run id, all but the run's."""
    return {scope: key for scope, key in keys_of(run_id, time).items() if run_id or scope is not Scope.RUN}


def delta_of(scope: Scope, release_delta: float, caps: Caps) -> float:
    """A run is measured at its plan's delta (at most the caps'), year and lifetime at the caps' own.

    Epsilon at a smaller delta is never less, so a run's cap also holds at the caps' delta.
    """
    return release_delta if scope is Scope.RUN else caps.delta


def order_of(scope: Scope, cap: float, delta: float) -> int | None:
    """The Renyi order that a scope's cap is held against, fixed by the cap and its delta; None for a run."""
    return None if scope is Scope.RUN else filter_order(cap, delta)


def weigh(
    spent: Mapping[Scope, Charges],
    event: Event,
    keys: Mapping[Scope, str],
    caps: Caps,
    release_delta: float,
    accountant: Accountant,
) -> tuple[Amount, ...]:
    """What every scope would have spent after `event`."""
    blanks = [caps.blank(scope, keys[scope], delta_of(scope, release_delta, caps)) for scope in Scope]
    return tuple(measure(blank, composition(spent[blank.scope], event), accountant) for blank in blanks)


def measure(blank: Amount, events: Sequence[Event], accountant: Accountant) -> Amount:
    """`blank` with the figures of `events`; as it is without events."""
    if not events:
        return blank
    claims = accountant(events, blank.delta, blank.order)
    return replace(blank, pld=_figure(claims.pld), prv=_figure(claims.prv), rdp=_figure(claims.rdp))


def breach(amounts: Sequence[Amount]) -> Amount | None:
    """The first scope whose cap would be passed, or None."""
    return next((amount for amount in amounts if not amount.holds), None)


def _figure(value: float) -> float:
    """An accountant that gives NaN has not bounded anything."""
    return math.inf if math.isnan(value) else float(value)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
