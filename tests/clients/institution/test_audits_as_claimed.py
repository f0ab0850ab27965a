"""What a regulator's verifier computes of an audit from the plan alone is what an honest institution's audit says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sum_subjects import sum_subject

from benchmarks.audits import training_plan
from clients.institution.audits import _REHEARSED, subject_of
from federation.audits import KINDS, audit
from federation.audits.audit import Kind
from federation.audits.claimed import REHEARSED, claims_of
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


def test_the_contract_of_sums_is_not_the_privacy_plans_to_say() -> None:
    with pytest.raises(PrivacyError, match="kind"):
        claims_of(sum_subject("a").privacy, "contract")
