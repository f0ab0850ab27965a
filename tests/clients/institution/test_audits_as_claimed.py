"""What a regulator's verifier computes of an audit from the plan alone is what an honest institution's audit says."""

from __future__ import annotations

import pytest

from benchmarks.audits import training_plan
from clients.institution.audits import _REHEARSED, subject_of
from federation.audits import KINDS, audit
from federation.audits.audit import Kind
from federation.audits.claimed import REHEARSED, claims_of
from federation.catalogue import load_catalogue
from federation.privacy import OsNoise


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
