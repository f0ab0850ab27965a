"""Results of audits as an institution logs them: every check of their kind, held against what the plan claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from federation.audits.audit import Kind
from federation.audits.claimed import Claimed, Claims, claims_of
from federation.audits.finding import Check, Finding
from federation.audits.sums.claimed import contract_claims, sensitivities_of
from federation.catalogue import load_catalogue
from federation.oversight.audits import AuditResult
from federation.rounds import TrainingPlan

CONFIDENCE = 0.99


def audit_result(
    plan: TrainingPlan,
    institution: str,
    kind: Kind = "contract",
    *,
    request: str | None = None,
    share: float = 1.0,
    fails: Check | None = None,
    **changes: Any,
) -> AuditResult:
    """As an honest institution finds it; `share`: of the claimed epsilon, what a lower bound measured; `fails`: a check
    that measured twice what it may.
    """
    claims = claims_for(plan, kind)
    findings = tuple(_finding(name, claimed, fails, share) for name, claimed in claims.checks.items())
    headline = max((each for each in findings if each.check in claims.headline), key=lambda each: each.measured)
    values: dict[str, Any] = {
        "request": request,
        "institution": institution,
        "kind": kind,
        "plan_hash": plan.hash,
        "code_version": "0.1.0",
        "seed": "ab" * 32,
        "delta": plan.privacy.delta,
        "claimed": headline.claimed,
        "measured": headline.measured,
        "confidence": headline.confidence,
        "findings": findings,
        "passed": all(each.passed for each in findings),
    }
    return AuditResult(**{**values, **changes})


def claims_for(plan: TrainingPlan, kind: Kind) -> Claims:
    """Of whatever recipe."""
    if plan.privacy.stages and kind == "contract":
        return contract_claims(plan.privacy, sensitivities_of(load_catalogue(plan.catalogue.name), plan))
    return claims_of(plan.privacy, kind)


def _finding(name: str, known: Claimed, fails: Check | None, share: float) -> Finding:
    word, _, stage = name.partition(", ")
    check = Check(word)
    return replace(_measured(check, known, 2.0 if check is fails else share), stage=stage or None)


def _measured(check: Check, known: Claimed, share: float) -> Finding:
    claimed = known.values[-1]
    if known.bound:
        return Finding.bounded(check, claimed, share * claimed, 1 - CONFIDENCE)
    measured = claimed if share <= 1 else share * claimed + share
    if known.tolerance is None:
        return Finding.likely(check, claimed, measured, 0.5 if share <= 1 else 0.0)
    return Finding.within(check, claimed, measured, known.tolerance)
