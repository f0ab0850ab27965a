"""How fast a ledger spends, and when a cap is reached at that pace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from ledger_samples import INSTITUTION, KEY, SettableClock, Sums, answer, release

from federation.errors import BudgetExceeded
from federation.ledger import Caps, Ledger, Scope, Successor
from federation.ledger.burndown import BurnDown, burn_down
from federation.ledger.renyi import conversion
from federation.privacy.event import GaussianEvent
from protocols.signing import SigningKey

CAPS = Caps(run=10, year=40, lifetime=100, delta=1e-5)
DAY = timedelta(days=1)
NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def constant(scope: Scope, caps: Caps = CAPS) -> float:
    """What the filter's figure begins with."""
    return conversion(caps.blank(scope, "", caps.delta).order or 0, caps.delta)


def filtering(events: Sequence[GaussianEvent], delta: float, order: int | None = None) -> Sums:
    """steps, summed; with an order the filter's constant on top, as Renyi accountants have it."""
    total = float(sum(event.steps for event in events))
    return Sums(total, total, total + (conversion(order, delta) if order else 0.0))


def opened(caps: Caps, clock: SettableClock, key: SigningKey = KEY) -> Ledger:
    return Ledger.in_memory(institution=INSTITUTION, key=key, caps=caps, clock=clock, accountant=filtering)


def of(ledger: Ledger, now: datetime) -> tuple[BurnDown, BurnDown]:
    year, lifetime = burn_down((signed.entry for signed in ledger.entries()), ledger.caps, now=now)
    assert (year.scope, lifetime.scope) == (Scope.YEAR, Scope.LIFETIME)
    return year, lifetime


def spending(caps: Caps, *plans: tuple[int, int]) -> Ledger:
    """A ledger in which `cost` was spent on each (day, cost), a run each."""
    clock = SettableClock(NEW_YEAR)
    ledger = opened(caps, clock)
    for number, (day, cost) in enumerate(plans):
        clock.now = NEW_YEAR + day * DAY
        answer(ledger, release(1, f"run-{number}", cost))
    return ledger


def test_nothing_spent_is_never_exhausted() -> None:
    for scope in of(opened(CAPS, SettableClock()), NEW_YEAR):
        assert (scope.spent, scope.pace, scope.exhausted, scope.plans_left, scope.points) == (0, 0, None, None, ())
        assert scope.remaining == scope.cap


def test_a_steady_pace_is_carried_forward() -> None:
    """One a day: after ten days ten, and the filter's constant, are gone; the rest of the cap lasts a day each."""
    year, lifetime = of(spending(CAPS, *((day, 1) for day in range(10))), NEW_YEAR + 10 * DAY)
    assert year.spent == pytest.approx(10 + constant(Scope.YEAR))
    assert [point.spent - constant(Scope.YEAR) for point in year.points] == pytest.approx(list(range(1, 11)))
    assert year.pace == lifetime.pace == pytest.approx(1, abs=1e-4)
    for scope in (year, lifetime):
        left = scope.cap - 10 - constant(scope.scope)
        assert scope.plans_left == int(left)
        assert scope.exhausted is not None
        assert abs(scope.exhausted - (NEW_YEAR + (10 + left) * DAY)) < timedelta(minutes=5)


def test_a_pace_that_the_year_outlasts_exhausts_nothing() -> None:
    year, lifetime = of(spending(CAPS, (0, 4)), NEW_YEAR + 100 * DAY)
    assert year.exhausted is None
    assert lifetime.exhausted is not None
    assert lifetime.exhausted.year == 2031  # 4 in 100 days, 86 left


def test_a_year_is_paced_from_its_beginning_the_lifetime_from_the_first_charge() -> None:
    year, lifetime = of(spending(CAPS, (0, 8), (365 + 9, 6)), NEW_YEAR + 375 * DAY)
    assert (year.key, year.since) == ("2026", datetime(2026, 1, 1, tzinfo=UTC))
    assert (year.pace, year.plans_left) == (pytest.approx(0.6), int((40 - 6 - constant(Scope.YEAR)) / 6))
    assert lifetime.pace == pytest.approx(14 / 375, rel=1e-4)
    assert NEW_YEAR < lifetime.since < NEW_YEAR + DAY


def test_the_first_minutes_of_a_ledger_are_no_pace() -> None:
    year, _ = of(spending(CAPS, (0, 5)), NEW_YEAR + timedelta(minutes=5))
    assert year.pace == pytest.approx(5)
    assert year.exhausted is not None
    assert year.exhausted > NEW_YEAR + 4 * DAY


def test_a_scope_that_is_full_is_exhausted_now() -> None:
    caps = Caps(run=10, year=10, lifetime=100, delta=1e-5)
    ledger = spending(caps, (0, 5))
    with pytest.raises(BudgetExceeded, match="year"):
        ledger.reserve(release(1, "one-more", 1))
    now = NEW_YEAR + 3 * DAY
    ledger.caps = Caps(run=10, year=9, lifetime=100, delta=1e-5)
    year, _ = of(ledger, now)
    assert (year.remaining, year.exhausted, year.plans_left) == (0, now, 0)


def test_what_was_carried_counts() -> None:
    old = spending(CAPS, (0, 8))
    key = SigningKey.from_seed(b"n" * 32)
    clock = SettableClock(NEW_YEAR + 10 * DAY)
    new = opened(CAPS, clock, key)
    new.carry(old.retire(Successor(INSTITUTION, key.public.hex)))
    year, lifetime = of(new, NEW_YEAR + 20 * DAY)
    assert (year.spent, lifetime.spent) == pytest.approx((8 + constant(Scope.YEAR), 8 + constant(Scope.LIFETIME)))
    assert year.pace == pytest.approx(8 / 10, abs=1e-3)
    assert year.plans_left is None


def test_plans_left_by_the_published_accountants_are_those_that_the_filter_lets_through() -> None:
    """The first plan pays the filter's constant as well; what the next ones cost is known from the second on."""
    run = GaussianEvent(0.2, 7.63, 100)
    caps = Caps(run=1.01, year=3.0, lifetime=10.0, delta=1e-5)
    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=caps, clock=SettableClock(NEW_YEAR))
    for number in range(2):
        answer(ledger, release(1, f"run-{number}", event=run))
    year, _ = of(ledger, NEW_YEAR + DAY)
    assert year.plans_left is not None
    for number in range(year.plans_left):
        answer(ledger, release(1, f"more-{number}", event=run))
    with pytest.raises(BudgetExceeded, match="year"):
        ledger.reserve(release(1, "too-many", event=run))


def test_it_is_json() -> None:
    year, _ = of(spending(CAPS, (0, 1), (1, 1)), NEW_YEAR + 2 * DAY)
    document = json.loads(json.dumps(year.to_json()))
    assert (document["scope"], document["key"], document["plans_left"]) == ("year", "2025", year.plans_left)
    assert document["spent"] + document["remaining"] == pytest.approx(40)
    assert document["points"][1] == ["2025-01-02T00:00:01.000000Z", pytest.approx(year.spent)]
    assert document["exhausted"].startswith("2025-")
