"""The worst case of a person known to several institutions: published figures, closed forms, orders that must hold."""

from __future__ import annotations

import doctest

import pytest

import federation.ledger.persons
from federation.errors import PrivacyError
from federation.ledger.persons import for_person, known_to, local_noise, shared_noise, worst_cases
from federation.privacy import epsilons
from federation.privacy.accounting import gaussian_epsilon
from federation.privacy.event import GaussianEvent, SharedGaussianEvent

DELTA = 1e-5
RUN = [GaussianEvent(0.2, 7.63, 100)]  # the schedule of the default plan: epsilon 1 by PLD


@pytest.mark.parametrize(("members", "published", "pld"), [(2, 1.47, 1.456), (3, 1.84, 1.818), (5, 2.44, 2.413)])
def test_local_noise(members: int, published: float, pld: float) -> None:
    """The published figure is PRV's upper bound, of the same composition."""
    assert local_noise([RUN] * members, DELTA) == pytest.approx(pld, abs=2e-3)
    assert epsilons(RUN * members, DELTA).prv == pytest.approx(published, abs=0.02)


@pytest.mark.parametrize(("members", "epsilon"), [(2, 2.16), (3, 3.41), (5, 6.17)])
def test_shared_noise(members: int, epsilon: float) -> None:
    assert shared_noise(RUN, members, DELTA) == pytest.approx(epsilon, abs=0.006)


def test_five_yearly_retrains() -> None:
    assert local_noise([RUN * 5], DELTA) == pytest.approx(2.41, abs=0.005)


@pytest.mark.parametrize("members", [1, 3])
def test_where_all_records_take_part_the_closed_form_holds(members: int) -> None:
    """Local: mu grows with the root of m; shared: one release of m times the sensitivity."""
    release = [GaussianEvent(1.0, 20.0, 1)]
    local = gaussian_epsilon(members**0.5 / 20, DELTA)
    assert local_noise([release] * members, DELTA) == pytest.approx(local, abs=2e-3)
    assert shared_noise(release, members, DELTA) == pytest.approx(gaussian_epsilon(members / 20, DELTA), abs=5e-3)


def test_one_member_under_shared_noise_is_what_its_ledger_says() -> None:
    history = [GaussianEvent(0.2, 7.63, 50), GaussianEvent(1.0, 20.0, 1)]
    assert shared_noise(history, 1, DELTA) == pytest.approx(local_noise([history], DELTA), abs=5e-3)
    assert shared_noise([], 3, DELTA) == local_noise([], DELTA) == 0.0
    with pytest.raises(PrivacyError, match="members"):
        shared_noise(RUN, 0, DELTA)


def test_sharing_noise_costs_a_person_more_than_local_noise_and_less_than_always_taking_part_in_all() -> None:
    """Sampled independently, a person is rarely in all sums of a step: m-fold sensitivity whenever it is in would be
    more."""
    for members in (2, 3):
        correlated = [GaussianEvent(0.2, 7.63 / members, 100)]
        assert (
            local_noise([RUN] * members, DELTA) < shared_noise(RUN, members, DELTA) < local_noise([correlated], DELTA)
        )


@pytest.mark.parametrize("members", [1, 2, 5])
def test_a_person_moves_a_shared_sum_once_for_every_institution(members: int) -> None:
    run = [SharedGaussianEvent(1.0, 20.0, 4)]
    known = known_to([run] * members, DELTA)
    assert known == pytest.approx(gaussian_epsilon(members * 2 / 20, DELTA), abs=2e-3)
    assert known == pytest.approx(shared_noise([GaussianEvent(1.0, 20.0, 4)], members, DELTA), abs=5e-3)
    assert worst_cases({str(i): run for i in range(members)}, DELTA)[-1].epsilon == known


def test_what_has_noise_of_its_own_counts_as_it_is_beside_what_shares() -> None:
    own, shared = GaussianEvent(1.0, 20.0, 1), SharedGaussianEvent(1.0, 20.0, 1)
    assert for_person([own, shared], 4) == (own, SharedGaussianEvent(1.0, 10.0, 1))
    assert known_to([[own]] * 4, DELTA) < known_to([[own], [own], [own], [shared]], DELTA)


def test_the_most_costly_institutions_come_first() -> None:
    histories = {"small": [GaussianEvent(0.2, 7.63, 10)], "large": RUN, "none": []}
    cases = worst_cases(histories, DELTA)
    assert [case.institutions for case in cases] == [("large",), ("large", "small"), ("large", "small", "none")]
    assert cases[0].epsilon == local_noise([RUN], DELTA) < cases[1].epsilon == cases[2].epsilon
    assert worst_cases({}, DELTA) == ()


def test_examples_run() -> None:
    result = doctest.testmod(federation.ledger.persons)
    assert (result.attempted, result.failed) == (3, 0)
