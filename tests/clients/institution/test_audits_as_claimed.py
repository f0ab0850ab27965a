"""What a regulator's verifier computes of an audit from the plan alone is what an honest institution's audit says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sum_subjects import sum_plan, sum_subject

from benchmarks.audits import training_plan
from clients.institution.audits import _REHEARSED, subject_of
from federation.audits import KINDS, audit
from federation.audits.audit import Kind
from federation.audits.claimed import REHEARSED, claims_of
from federation.audits.finding import Check
from federation.audits.sums.claimed import contract_claims, sensitivities_of, stated_sensitivities
from federation.catalogue import load_catalogue
from federation.errors import PrivacyError
from federation.privacy import OsNoise, SharedNoise
from federation.training.sums.recipe import Method


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_audit_claims_what_the_plan_does(kind: Kind) -> None:
    plan = training_plan(1.0)
    member = plan.members[0].institution
    subject = subject_of(load_catalogue(plan.catalogue.name), plan, member, OsNoise(), REHEARSED[kind])
    assert _REHEARSED[kind] == REHEARSED[kind]
    report, claims = audit(subject, kind, bytes(32)), claims_of(plan.privacy, kind)
    assert list(claims.faults(report.findings)) == []
    assert report.headline.check in claims.headline
    assert {finding.check for finding in report.findings} == set(claims.checks)


@pytest.mark.parametrize("kind", ["canary", "one-run"])
@pytest.mark.parametrize("sharing", [None, SharedNoise(members=5)], ids=["local", "shared"])
@pytest.mark.parametrize("method", ["gp", "a"])
def test_so_does_one_of_a_recipe_of_sums(kind: Kind, sharing: SharedNoise | None, method: Method) -> None:
    subject = sum_subject(method, sharing)
    report, claims = audit(subject, kind, bytes(32)), claims_of(subject.privacy, kind)
    assert list(claims.faults(report.findings)) == []
    assert report.headline.check in claims.headline
    low = [replace(finding, claimed=finding.claimed * 0.9) for finding in report.findings]
    assert len(list(claims.faults(low))) == len(report.findings)


@pytest.mark.parametrize("sharing", [None, SharedNoise(members=5)], ids=["local", "shared"])
@pytest.mark.parametrize("method", ["gp", "g", "a"])
def test_so_does_a_contract_of_sums(sharing: SharedNoise | None, method: Method) -> None:
    plan, subject = sum_plan(method, sharing), sum_subject(method, sharing)
    report = audit(subject, "contract", bytes(32))
    for known in (
        sensitivities_of(load_catalogue("taiwan"), plan),
        stated_sensitivities([str(stage) for stage in subject.stages], report.findings),
    ):
        claims = contract_claims(plan.privacy, known)
        assert list(claims.faults(report.findings)) == []
        assert {finding.name for finding in report.findings} == set(claims.checks)
    assert report.headline.check in claims.headline


def test_noise_that_is_not_the_plans_multiple_shows_whatever_sensitivity_is_stated() -> None:
    plan, report = sum_plan(), audit(sum_subject(), "contract", bytes(32))
    less = [
        replace(each, claimed=each.claimed / 2, measured=each.measured / 2) if each.check is Check.NOISE_SCALE else each
        for each in report.findings
    ]
    both = [replace(each, claimed=3.0, measured=2.0) if each.check is Check.SENSITIVITY else each for each in less]
    for forged in (less, both):
        claims = contract_claims(
            plan.privacy, stated_sensitivities(["histogram", "mains", "pairs", "calibration"], forged)
        )
        wrong = [name for name, _, _ in claims.faults(forged)]
        assert wrong == [f"noise scale, {stage}: claimed" for stage in ("histogram", "mains", "pairs", "calibration")]
    exact = contract_claims(plan.privacy, sensitivities_of(load_catalogue("taiwan"), plan))
    assert "sensitivity, mains: claimed" in [name for name, _, _ in exact.faults(both)]
    assert [got for _, got, _ in exact.faults([each for each in report.findings if each.stage != "pairs"])] == [
        "0 findings"
    ] * 8


def test_the_contract_of_sums_is_not_the_privacy_plans_to_say() -> None:
    with pytest.raises(PrivacyError, match="kind"):
        claims_of(sum_subject("a").privacy, "contract")
