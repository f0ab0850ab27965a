"""The canary and the one-run audit of recipes of sums, on the institution's own trainer, honest and at fault.

Chance: a Gaussian bound exceeds the truth with probability at most 1e-6, counted and one-run bounds with 1e-3 and 1e-2,
and what an honest trainer shows lies far below its claim (one-run). No fault here is nearer than 4 standard deviations
to being missed.
"""

from __future__ import annotations

import pytest
from sum_subjects import THREE, sum_subject

from benchmarks.audits.sum_faults import PLANTED
from federation.audits import Check, Report, SumSubject, audit
from federation.privacy import SharedNoise
from federation.privacy.accounting import spent

BOTH = {Check.CANARY_GOOD.value, Check.CANARY_BAD.value}


def canary(subject: SumSubject, seed: int = 1) -> Report:
    return audit(subject, "canary", bytes([seed]) * 32)


def failed(report: Report) -> set[str]:
    return {finding.name for finding in report.findings if not finding.passed}


@pytest.mark.parametrize("sharing", [None, THREE, SharedNoise(members=10)], ids=["local", "three", "ten"])
def test_nearly_all_of_the_plans_epsilon_is_seen_whoever_adds_the_noise(sharing: SharedNoise | None) -> None:
    """Full batches and sensitivities that are attained: nothing is lost, as it is by sampling."""
    subject = sum_subject("gp", sharing)
    report = canary(subject)
    assert failed(report) == set()
    found = {finding.check: finding for finding in report.findings}
    assert set(found) == {Check.CANARY_GOOD, Check.CANARY_BAD, Check.LEDGER, Check.COUNTED}
    for check in (Check.CANARY_GOOD, Check.CANARY_BAD):
        assert found[check].claimed == pytest.approx(spent(subject.planned_events(), subject.privacy.delta))
        assert found[check].estimate == pytest.approx(found[check].claimed, rel=0.2)  # its deviation is 4%
        assert 0.4 * found[check].claimed < found[check].measured < found[check].estimate
    assert found[Check.LEDGER].claimed == list(subject.stated.values())[-1]
    assert report.headline.check in (Check.CANARY_GOOD, Check.CANARY_BAD)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("noise / 2", BOTH),
        ("noise / 10", BOTH | {Check.LEDGER.value}),
        ("noise omitted", BOTH | {Check.LEDGER.value}),
        ("no clip", BOTH),
        ("deterministic noise", BOTH),
        ("accountant reset each round", {Check.LEDGER.value}),
    ],
)
def test_a_planted_fault_is_caught(fault: str, named: set[str]) -> None:
    assert named <= failed(canary(PLANTED[fault](sum_subject())))


def test_one_class_that_is_not_clipped_is_seen_by_its_canary_alone() -> None:
    found = failed(canary(PLANTED["one class not clipped"](sum_subject("a"))))
    assert Check.CANARY_BAD.value in found
    assert Check.CANARY_GOOD.value not in found


def test_what_it_misses_is_missed() -> None:
    """A lower bound at this confidence is some .65 of the truth: the contract finds noise x .8."""
    assert failed(canary(PLANTED["noise x .8"](sum_subject()))) == set()


@pytest.mark.parametrize("sharing", [None, THREE], ids=["local", "three"])
def test_one_run_lets_the_honest_pass_and_sees_missing_noise(sharing: SharedNoise | None) -> None:
    """Its claim is that of the member's own noise; a tenth of it is seen in most runs, none at all in every run."""
    subject = sum_subject("gp", sharing)
    assert audit(subject, "one-run", bytes(32)).passed
    assert not audit(PLANTED["noise omitted"](subject), "one-run", bytes(32)).passed
    own = spent(subject.own_events(), subject.privacy.delta)
    (finding,) = audit(subject, "one-run", bytes(32)).findings
    assert finding.claimed == pytest.approx(own)
    assert (own > 1.1 * spent(subject.planned_events(), subject.privacy.delta)) == (sharing is not None)
