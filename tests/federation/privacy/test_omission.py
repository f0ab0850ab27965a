"""Shares of noise that are left out: what epsilon rises to, by the accountant and by closed form."""

from __future__ import annotations

import math

import pytest

from federation.errors import PrivacyError
from federation.privacy import PrivacyPlan, SharedNoise
from federation.privacy.accounting import gaussian_epsilon, gaussian_mu
from federation.privacy.omission import omission
from federation.training.sums import SumRecipe

DELTA = 1e-5
MU = gaussian_mu(1.0, DELTA)


def plan(members: int, droppers: int = 0) -> PrivacyPlan:
    sharing = SharedNoise(members=members, colluders=1, droppers=droppers)
    return SumRecipe.of("gp").calibrate(epsilon=1.0, delta=DELTA, sharing=sharing, evaluation_share=0.05)


@pytest.mark.parametrize(
    ("members", "public", "colluding", "unprovided"),
    [(3, 1.0, 1.47, 1.25), (5, 1.0, 1.17, 1.13), (10, 1.0, 1.07, 1.06)],
)
def test_one_of_k_that_leaves_its_share_out(members: int, public: float, colluding: float, unprovided: float) -> None:
    """The table of docs/secagg.md; mu grows by the root of what the variance shrinks by."""
    found = omission(plan(members))
    got = (found.public, found.colluding, found.unprovided)
    assert [round(epsilon, 2) for epsilon in got] == [public, colluding, unprovided]
    k = members
    exact = (1.0, (k - 1) / (k - 2), k / (k - 1))
    assert got == pytest.approx([gaussian_epsilon(MU * math.sqrt(factor), DELTA) for factor in exact], rel=0.005)


@pytest.mark.parametrize("members", [3, 5, 10])
def test_nobody_that_leaves_anything_out_costs_what_the_plan_says(members: int) -> None:
    found = omission(plan(members), omitting=0)
    assert found.colluding == pytest.approx(1.0, rel=1e-3)
    assert found.unprovided == pytest.approx(1.0, rel=1e-3)
    assert found.public < found.colluding  # every share but one is enough


def test_a_dropper_that_is_provided_for_leaves_no_more_than_the_plan_needs() -> None:
    found = omission(plan(5, droppers=1))
    assert found.public == pytest.approx(1.0, rel=1e-3)
    assert found.colluding == pytest.approx(gaussian_epsilon(MU * math.sqrt(3 / 2), DELTA), rel=0.005)


def test_without_a_share_there_is_no_epsilon() -> None:
    assert omission(plan(3), omitting=2).colluding == math.inf
    found = omission(plan(3), omitting=3)
    assert (found.public, found.colluding, found.unprovided) == (math.inf,) * 3


def test_plans_that_share_no_noise_and_members_that_there_are_not_are_refused() -> None:
    with pytest.raises(PrivacyError, match="sharing"):
        omission(SumRecipe.of("a").calibrate(epsilon=1.0, delta=DELTA, sharing=None))
    for omitting in (-1, 4):
        with pytest.raises(PrivacyError, match="omitting"):
            omission(plan(3), omitting)


def test_it_is_told_in_a_sentence() -> None:
    assert str(omission(plan(5))) == (
        "epsilon of the run if 1 of 5 members leaves out its share of the noise: "
        "1.00 to who sees sums alone, 1.17 to 1 that colludes"
    )
    assert "2 of 3 members leave out their shares of the noise" in str(omission(plan(3), omitting=2))
    assert str(omission(plan(3), omitting=2)).endswith("inf to 1 that colludes")
