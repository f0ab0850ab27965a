"""The canary and the one-run audit on the institution's own trainer, honest and at fault.

Chance: a Gaussian bound exceeds the truth with probability at most 1e-6, counted and one-run bounds with 1e-3, and what
an honest trainer shows lies below its claim; none of the faults is nearer than 4 standard deviations to being missed by
the check that is named. Counted guesses are too few here to find a fault for sure: see test_bounds.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.audits import Case, honest_subject, run_case
from benchmarks.audits.faults import PLANTED
from federation.audits import Check, Report, Subject, audit, canary, seeded_records
from federation.audits.canary import check_canary
from federation.privacy.accounting import gaussian_epsilon, spent

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def honest() -> Report:
    return audit(honest_subject(1.0), "canary", SEED)


def failed(subject: Subject) -> set[Check]:
    return {finding.check for finding in check_canary(subject, np.random.default_rng(1)) if not finding.passed}


def test_the_honest_trainer_passes_and_nearly_all_of_its_epsilon_is_seen(honest: Report) -> None:
    assert honest.passed, honest
    checks = {finding.check: finding for finding in honest.findings}
    assert set(checks) == {Check.CANARY_GOOD, Check.CANARY_BAD, Check.LEDGER, Check.COUNTED}
    privacy = honest_subject(1.0).claim.privacy
    for check in (Check.CANARY_GOOD, Check.CANARY_BAD):
        found = checks[check]
        assert found.claimed == pytest.approx(1.0, abs=0.001)
        assert found.claimed == pytest.approx(spent(privacy.events(), privacy.delta))
        assert 0.4 < found.measured < found.estimate
        # What theory says of the mean's shift: q sum(c) / (sigma |c|) a round, twenty rounds (deviation 6%).
        assert found.estimate == pytest.approx(0.953, rel=0.3)
        assert found.confidence == 1 - 1e-6
    assert honest.headline.measured == max(checks[c].measured for c in (Check.CANARY_GOOD, Check.CANARY_BAD))
    assert checks[Check.LEDGER].claimed == honest_subject(1.0).stated[-1]


def test_an_epsilon_that_was_stated_too_low_is_exceeded(honest: Report) -> None:
    """The same measurements against a smaller claim: the audit can fail."""
    checks = {finding.check: finding for finding in honest.findings}
    together = checks[Check.LEDGER].measured
    assert honest_subject(1.0).stated[0] < together < honest_subject(1.0).stated[-1]


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than half of the rounds, for faults that show in so few."""
    for name, rounds in (("_WITHOUT", 120), ("_WITH", 40), ("_FEW", 80)):
        monkeypatch.setattr(canary, name, rounds)


@pytest.mark.usefixtures("shorter")
@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("noise / 10", Check.CANARY_GOOD),
        ("one class not clipped", Check.CANARY_BAD),
        ("q doubled", Check.CANARY_GOOD),
        ("deterministic noise seed", Check.CANARY_GOOD),
        ("accountant reset each round", Check.LEDGER),
    ],
)
def test_a_planted_fault_is_caught(fault: str, check: Check) -> None:
    found = failed(PLANTED[fault](honest_subject(1.0)))
    assert check in found
    if fault == "one class not clipped":
        assert Check.CANARY_GOOD not in found
    if fault == "accountant reset each round":
        assert found == {Check.LEDGER}


@pytest.mark.usefixtures("shorter")
def test_what_it_misses_is_missed() -> None:
    """Repeated noise is more noise in the sum of a round: the contract sees it."""
    assert not failed(PLANTED["same noise each step"](honest_subject(1.0)))


def test_one_run_sees_a_tenth_of_the_noise_and_lets_the_honest_pass() -> None:
    assert not run_case(Case(1.0, "honest", "one-run", 0)).failed
    caught = [run_case(Case(1.0, "noise / 10", "one-run", seed)).failed for seed in range(24)]
    assert caught.count((Check.ONE_RUN.value,)) >= 2  # a smoke test: it sees half of them; one or none by chance 3e-6


def test_seeds_decide_the_records() -> None:
    left, again, right = (seeded_records([9] * 20, 50, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(left.codes, again.codes)
    assert not np.array_equal(left.codes, right.codes)


def test_a_mu_without_bound_is_shown_as_the_largest_epsilon() -> None:
    assert canary._epsilon(math.inf, 20, 1e-5) == canary._epsilon(1e3, 1, 1e-5) == 100
    assert canary._epsilon(0.0, 20, 1e-5) == 0
    assert canary._epsilon(0.1, 4, 1e-5) == pytest.approx(gaussian_epsilon(0.2, 1e-5))
    assert gaussian_epsilon(canary._APART, 0.1) > 100  # at the largest delta of any plan


def test_a_trainer_that_gives_nothing_shows_nothing() -> None:
    class Idle:
        def round(self, parameters, records):  # type: ignore[no-untyped-def]
            return np.zeros_like(parameters)

    idle = replace(honest_subject(1.0), build=lambda noise: Idle())
    measured = [finding.measured for finding in check_canary(idle, np.random.default_rng(1))]
    assert measured == [0.0] * 4  # no bound: that noise is missing altogether is the contract's to say
