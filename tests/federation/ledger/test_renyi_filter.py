"""Year and lifetime are capped by a Renyi filter of an order fixed in advance; a run by PLD."""

from __future__ import annotations

import doctest
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import INSTITUTION, KEY, SettableClock, answer, memory_ledger, release

import federation.ledger.renyi
from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Caps, Ledger, Scope
from federation.ledger.book import Book
from federation.ledger.entries import sign_entry
from federation.ledger.renyi import ORDERS, conversion, filter_order, renyi_epsilon
from federation.privacy import epsilons
from federation.privacy.event import GaussianEvent

RUN = GaussianEvent(sampling_rate=0.2, noise_multiplier=7.63, steps=100)  # epsilon 1 at delta 1e-5 under PLD


def published(caps: Caps) -> Ledger:
    """A ledger with the accountants that deployments have."""
    return Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=caps, clock=SettableClock())


def runs_allowed(caps: Caps, run: GaussianEvent) -> int:
    """How many runs of one release each a ledger lets through."""
    ledger, count = published(caps), 0
    try:
        while True:
            answer(ledger, release(1, run_id=f"run-{count}", event=run))
            count += 1
    except BudgetExceeded:
        return count


def test_pld_would_let_one_more_plan_through_than_the_filter_does() -> None:
    """Seven plans compose to 2.92 under PLD, which bounds them only if all seven were fixed before the first."""
    assert epsilons([RUN] * 7, 1e-5).pld < 3.0 < renyi_epsilon([RUN] * 7, 1e-5, filter_order(3.0, 1e-5))
    assert runs_allowed(Caps(run=1.01, year=3.0, lifetime=10.0, delta=1e-5), RUN) == 6
    assert runs_allowed(Caps(run=1.01, year=10.0, lifetime=3.0, delta=1e-5), RUN) == 6


def test_a_run_is_capped_by_pld() -> None:
    assert epsilons([RUN], 1e-5).pld < 1.01 < epsilons([RUN], 1e-5).rdp
    ledger = published(Caps(run=1.01, year=3.0, lifetime=10.0, delta=1e-5))
    answer(ledger, release(1, event=RUN))
    run, year = ledger.claims("run", "run-1"), ledger.claims("year")
    assert (run.capped_by, year.capped_by) == ("pld", "rdp")
    assert run.pld == year.pld
    assert year.rdp == renyi_epsilon([RUN], 1e-5, filter_order(3.0, 1e-5)) > run.rdp
    with pytest.raises(BudgetExceeded, match="PLD") as caught:
        ledger.reserve(release(2, event=RUN))
    assert caught.value.where == "budget.run"


@pytest.mark.soak
@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.builds(GaussianEvent, st.sampled_from([0.05, 0.2, 1.0]), st.floats(4.0, 40.0), st.integers(1, 50)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_plans_follow_each_other_one_order_stays_within_its_budget(plans: list[GaussianEvent]) -> None:
    caps = Caps(run=100.0, year=2.0, lifetime=3.0, delta=1e-5)
    ledger, accepted = published(caps), []
    for number, plan in enumerate(plans):
        try:
            answer(ledger, release(1, run_id=f"run-{number}", event=plan))
            accepted.append(plan)
        except BudgetExceeded:
            continue
    for scope in (Scope.YEAR, Scope.LIFETIME):
        order = filter_order(caps.of(scope), 1e-5)
        assert not accepted or renyi_epsilon(accepted, 1e-5, order) <= caps.of(scope) + 1e-9
        assert not accepted or epsilons(accepted, 1e-5).pld <= caps.of(scope)
    ledger.verify(recompute=True)


@given(st.floats(0.5, 50.0), st.sampled_from([1e-4, 1e-5, 1e-7]))
def test_the_order_depends_on_the_cap_alone_and_no_other_lets_a_gaussian_spend_more(cap: float, delta: float) -> None:
    order = filter_order(cap, delta)
    best = (cap - conversion(order, delta)) / order
    assert all((cap - conversion(other, delta)) / other <= best for other in ORDERS)
    sigma = math.sqrt(1 / (2 * best)) * 1.0001  # a Gaussian's divergence is order / (2 sigma^2)
    assert renyi_epsilon([GaussianEvent(1.0, sigma, 1)], delta, order) == pytest.approx(cap, rel=1e-3)


def test_a_changed_cap_moves_the_order_and_forgets_nothing() -> None:
    """The figure of the old order is a bound too, but it is not compared with that of the new one."""
    clock, caps = SettableClock(), Caps(run=1.01, year=10.0, lifetime=10.0, delta=1e-5)
    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=caps, clock=clock)
    answer(ledger, release(1, run_id="run-0", event=RUN))
    assert ledger.claims("year").rdp > 3
    ledger.caps = replace(caps, year=3.0)
    ledger.refuse("late", "deadline", got=1, expected=2)
    for number in range(1, 6):
        answer(ledger, release(1, run_id=f"run-{number}", event=RUN))
    with pytest.raises(BudgetExceeded, match=r"RDP.*at most 3 "):
        ledger.reserve(release(1, run_id="run-6", event=RUN))
    ledger.verify(recompute=True)


@pytest.mark.parametrize("order", [None, 2, 1024])
def test_a_signed_entry_of_another_order_is_named(order: int | None) -> None:
    ledger = memory_ledger()
    ledger.reserve(release(1))
    entry = ledger.entries()[0].entry
    amounts = tuple(a if a.scope is Scope.RUN else replace(a, order=order) for a in entry.amounts)
    book = Book(INSTITUTION, KEY.public)
    with pytest.raises(LedgerError, match=r"entry 1: amounts\.year\.order"):
        book.append(sign_entry(replace(entry, amounts=amounts), KEY))


def test_an_understated_renyi_figure_is_recomputed() -> None:
    ledger = published(Caps(run=1.01, year=3.0, lifetime=10.0, delta=1e-5))
    ledger.reserve(release(1, event=RUN))
    entry = ledger.entries()[0].entry
    amounts = tuple(a if a.scope is not Scope.YEAR else replace(a, rdp=a.rdp / 2) for a in entry.amounts)
    book = Book(INSTITUTION, KEY.public, ledger._accountant)
    with pytest.raises(LedgerError, match=r"entry 1: amounts\.year\.rdp"):
        book.append(sign_entry(replace(entry, amounts=amounts), KEY))


def test_examples_run() -> None:
    result = doctest.testmod(federation.ledger.renyi)
    assert (result.attempted, result.failed) == (1, 0)
