"""Epsilon from mechanisms: our own Renyi sums against dp-accounting's, and three accountants against each other."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.regulator.accountants import Opinion
from clients.regulator.renyi_curve import best_epsilon, cost, divergence, epsilon_at
from federation.ledger.renyi import ORDERS, renyi_epsilon
from federation.privacy.accounting import merge, rdp_epsilon
from federation.privacy.event import GaussianEvent

EVENTS = st.lists(
    st.builds(
        GaussianEvent,
        st.one_of(st.just(1.0), st.floats(1e-4, 0.99)),
        st.floats(0.5, 100),
        st.integers(1, 5_000),
    ),
    min_size=1,
    max_size=4,
).map(merge)


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.sampled_from([1e-9, 1e-6, 1e-5, 1e-2]), st.sampled_from(ORDERS[:40]))
def test_sums_of_divergences_are_those_of_dp_accounting(
    events: tuple[GaussianEvent, ...], delta: float, order: int
) -> None:
    curve = np.sum([cost(event) for event in events], axis=0)
    assert best_epsilon(curve, delta) == pytest.approx(rdp_epsilon(events, delta), rel=1e-7, abs=1e-7)
    assert epsilon_at(curve, delta, order) == pytest.approx(renyi_epsilon(events, delta, order), rel=1e-7, abs=1e-7)


def test_the_gaussians_divergence_is_linear_in_the_order() -> None:
    assert divergence(1.0, 2.0)[ORDERS.index(8)] == 1.0
    assert divergence(0.999999999, 2.0)[ORDERS.index(8)] == pytest.approx(1.0, rel=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        divergence(1.0, 2.0)[0] = 0.0


def schedules(count: int) -> list[tuple[tuple[GaussianEvent, ...], float]]:
    """Random compositions as plans have them: some full batch, some sampled, some both; epsilon up to about 20."""
    draw, found = random.Random(20260101), []
    while len(found) < count:
        full = draw.random() < 0.4
        events = [
            GaussianEvent(
                1.0 if full or draw.random() < 0.2 else round(10 ** draw.uniform(-2.5, -0.1), 6),
                round(10 ** draw.uniform(0.1, 1.7), 4),
                draw.choice([1, 5, 20, 100, 500, 2000]),
            )
            for _ in range(draw.choice([1, 1, 2, 3]))
        ]
        delta = draw.choice([1e-5, 1e-6, 1e-7])
        if 0.02 < rdp_epsilon(events, delta) < 20:
            found.append((merge(events), delta))
    return found


def check(events: tuple[GaussianEvent, ...], delta: float) -> str:
    """Whether all agree within .02; where not, that the opinion says which and why."""
    opinion = Opinion.of(events, delta)
    figures = [figure for figure in (opinion.pld, opinion.prv, opinion.exact) if figure is not None]
    said, remarked = opinion.disagreements(0.02), opinion.remarks(0.02)
    if max(figures) - min(figures) <= 0.02:
        assert not said
        assert not remarked
        return "agree"
    assert said or remarked
    if opinion.exact is not None:
        assert opinion.exact == pytest.approx(opinion.pld, abs=1e-4), "at q = 1 PLD is the closed form"
    return "disagree" if said else "within PRV's error bound"


def test_three_accountants_agree_on_random_schedules() -> None:
    found = [check(events, delta) for events, delta in schedules(12)]
    assert "disagree" not in found
    assert found.count("agree") >= 6


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_three_accountants_agree_on_200_random_schedules() -> None:
    found = [check(events, delta) for events, delta in schedules(200)]
    assert "disagree" not in found
    assert found.count("agree") >= 140


def test_a_disagreement_says_which_and_why() -> None:
    low = Opinion(1e-5, pld=1.0, prv=1.4, exact=None, rdp=1.09, slack=0.01)
    assert "PRV is above the Renyi bound" in low.disagreements(0.02)[0]
    high = Opinion(1e-5, pld=1.4, prv=1.0, exact=None, rdp=1.09, slack=0.01)
    assert "PLD is above the Renyi bound" in high.disagreements(0.02)[0]
    below = Opinion(1e-5, pld=1.05, prv=1.0, exact=None, rdp=1.09, slack=0.01)
    assert "PRV is below PLD" in below.disagreements(0.02)[0]
    closed = Opinion(1e-5, pld=1.05, prv=1.05, exact=1.0, rdp=1.09, slack=0.01)
    assert "the closed form 1.0000" in closed.disagreements(0.02)[0]
    fine = Opinion(1e-5, pld=1.0, prv=1.01, exact=1.0, rdp=1.09, slack=0.01)
    assert not fine.disagreements(0.02)
    assert not fine.remarks(0.02)
    large = Opinion(1e-5, pld=14.0, prv=14.037, exact=14.0, rdp=15.1, slack=0.0378)
    assert not large.disagreements(0.02)
    assert "within the error bound of PRV's grid" in large.remarks(0.02)[0]


def test_without_a_guarantee_everything_is_infinite() -> None:
    opinion = Opinion.of((GaussianEvent(1.0, 0.01, 100),), 1e-5)
    assert (opinion.prv, math.isinf(opinion.pld), opinion.disagreements(0.02)) == (None, True, [])
