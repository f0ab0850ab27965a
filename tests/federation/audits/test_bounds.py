"""Bounds on epsilon: known values, and that they are bounds, shown on mechanisms whose epsilon is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from federation.audits.bounds import Separation, at_least, at_most, counted_epsilon, guessed_epsilon, guessed_p_value


@pytest.mark.parametrize(
    ("hits", "trials", "alpha", "expected"),
    [(0, 10, 0.05, 0.0), (10, 10, 0.05, 0.05 ** (1 / 10)), (5, 10, 0.025, 0.1870860), (1, 20, 0.025, 0.0012651)],
)
def test_clopper_and_pearson_as_tabled(hits: int, trials: int, alpha: float, expected: float) -> None:
    """The closed form where all trials hit; tables of 95% intervals otherwise."""
    assert at_least(hits, trials, alpha) == pytest.approx(expected, abs=1e-6)
    assert at_most(trials - hits, trials, alpha) == pytest.approx(1 - expected, abs=1e-6)


@given(trials=st.integers(1, 200), data=st.data(), alpha=st.floats(1e-9, 0.2))
def test_at_the_bound_as_many_hits_have_probability_alpha(trials: int, data: st.DataObject, alpha: float) -> None:
    hits = data.draw(st.integers(1, trials))
    least = at_least(hits, trials, alpha)
    assert stats.binom.sf(hits - 1, trials, least) == pytest.approx(alpha, rel=1e-5)


@pytest.mark.parametrize(
    ("canaries", "guesses", "right", "alpha", "expected"),
    [
        (500, 100, 100, 0.05, 3.4791953936),
        (500, 100, 100, 0.01, 3.0231975542),
        (500, 100, 60, 0.05, 0.0507356105),
        (500, 35, 23, 0.05, 0.0145487199),
        (500, 35, 23, 0.01, 0.0),
    ],
)
def test_one_run_as_others_compute_it(canaries: int, guesses: int, right: int, alpha: float, expected: float) -> None:
    """What others published with the code of the paper's appendix D (arXiv:2305.08846), at delta 1e-5."""
    found = guessed_epsilon(canaries, guesses, right, delta=1e-5, alpha=alpha)
    assert found == pytest.approx(expected, abs=1e-7)


def test_one_run_counts_delta_for_every_canary() -> None:
    """By hand: two guesses, both right, under epsilon 0: 1/4, and 2 m delta times the mean of P[1] and P[0] or P[1]."""
    assert guessed_p_value(10, 2, 2, 0.0, 1e-3) == pytest.approx(0.25 + 2 * 10 * 1e-3 * max(0.5, 0.75 / 2))
    assert guessed_epsilon(10, 2, 2, delta=0.0, alpha=0.3) > guessed_epsilon(10, 2, 2, delta=1e-3, alpha=0.3) > 0
    assert guessed_epsilon(10, 0, 0, delta=0.0, alpha=0.3) == 0


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_response_is_never_bounded_above_its_epsilon(epsilon: float) -> None:
    """The mechanism for which both bounds are tight: the truth is exceeded as rarely as alpha says, and approached."""
    rng, alpha, trials, truth = np.random.default_rng(5), 0.2, 1_000, 1 / (1 + math.exp(-epsilon))
    counted = [
        counted_epsilon(
            (rng.binomial(trials, truth), trials), (rng.binomial(trials, 1 - truth), trials), delta=0.0, alpha=alpha
        )
        for _ in range(40)
    ]
    guessed = [
        guessed_epsilon(trials, trials, int(rng.binomial(trials, truth)), delta=0.0, alpha=alpha) for _ in range(40)
    ]
    for bounds in (counted, guessed):
        assert np.mean(np.array(bounds) > epsilon) <= alpha + 3 * math.sqrt(alpha / 40)
        assert np.median(bounds) > 0.7 * epsilon
    assert np.mean(np.array(guessed) > epsilon) > 0  # it does happen: this test could fail


def test_a_group_is_bounded_by_what_its_members_allow() -> None:
    """Pure DP: k records are k epsilon. With delta the group's grows as geometric sums do."""
    alone = counted_epsilon((450, 500), (5, 500), delta=0.0, alpha=0.01)
    assert counted_epsilon((450, 500), (5, 500), delta=0.0, alpha=0.01, group=4) == pytest.approx(alone / 4)
    least, k, delta = counted_epsilon((450, 500), (5, 500), delta=1e-3, alpha=0.01, group=4), 4, 1e-3
    allowed = at_most(5, 500, 0.005) * math.exp(k * least) + delta * sum(math.exp(i * least) for i in range(k))
    assert allowed == pytest.approx(at_least(450, 500, 0.005))
    assert counted_epsilon((5, 500), (5, 500), delta=0.0, alpha=0.01) == 0


@pytest.mark.parametrize("mu", [0.0, 1.0, 5.0])
def test_separations_of_gaussians_are_bounds(mu: float) -> None:
    rng, alpha = np.random.default_rng(9), 0.1
    fits = [Separation.of(rng.normal(size=100), rng.normal(loc=mu, size=100), alpha) for _ in range(300)]
    exceeded = np.mean([fit.least > mu for fit in fits])
    assert exceeded <= alpha + 3 * math.sqrt(alpha / 300)
    assert np.mean([fit.estimate for fit in fits]) == pytest.approx(mu, abs=0.15)  # of a length: above 0 for mu 0
    assert all(fit.least <= fit.estimate or fit.least == 0 for fit in fits)
    crowd = Separation(6.0, 4.0).over(4)
    assert (crowd.estimate, crowd.least) == (1.5, 1.0)


def test_noise_that_is_none_separates_without_end() -> None:
    same = Separation.of(np.zeros(10), np.ones(10), 0.1)
    assert same.least == same.estimate == math.inf
    assert Separation.of(np.zeros(10), np.zeros(10), 0.1).least == 0
