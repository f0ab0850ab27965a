"""Results of audits are held to the plan: what is claimed, at which delta, by which checks and tolerances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_world import audit_result
from oversight_federation import honest, make_plan
from oversight_lies import judge
from oversight_world import NOW, World, key_of

from clients.regulator.findings import Finding as Wrong
from clients.regulator.steps.caps import CapsStep
from clients.regulator.verify import verify
from federation.audits.audit import KINDS, Kind
from federation.audits.finding import Check, Finding
from federation.oversight.audits import AuditRequest, AuditResult

PLAN = make_plan()
Forge = dict[str, Any]


def answered(result: AuditResult) -> World:
    """The regulator's own request, and `result` as bank-b's answer to it."""
    asked = AuditRequest("bank-b", result.kind, PLAN.hash, "ab" * 32, NOW + 50_000).sign(key_of("regulator"))
    said = replace(result, request=asked.hash.hex()).sign(key_of("bank-b"))
    return honest().inserted(len(honest().entries), asked.data, said.data)


def found(result: AuditResult, folder: Path) -> list[Wrong]:
    """What step 8 says of it; nothing else may."""
    return list(judge(answered(result), folder, {8}).step(8).findings)


def swapped(result: AuditResult, check: Check, **changes: Any) -> AuditResult:
    """With one finding changed, and the result's own word whether all passed."""
    findings = tuple(replace(each, **changes) if each.check is check else each for each in result.findings)
    return replace(result, findings=findings, passed=all(each.passed for each in findings))


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_answer_passes(tmp_path: Path, kind: Kind) -> None:
    world = answered(audit_result(PLAN, "bank-b", kind, share=0.7))
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy(), [CapsStep])
    assert verdict.holds, verdict.first
    assert verdict.step(8).facts[-1] == "1 audits passed"


def test_an_answer_that_claims_what_it_likes(tmp_path: Path) -> None:
    """A single trivial check, a million claimed, 400 measured, at a delta of one half: by its own figures it passes."""
    trivial = Finding.within(Check.SENSITIVITY, 0.5, 0.5, 1e9)
    result = audit_result(PLAN, "bank-b", delta=0.5, claimed=1e6, measured=400.0, findings=(trivial,), passed=True)
    assert result.passed
    assert not result.exceeded
    wheres = [each.where for each in found(result, tmp_path)]
    assert wheres[0] == "audit contract of bank-b: delta"
    assert f"audit contract of bank-b: {Check.COMPOSITION.value}" in wheres
    assert f"audit contract of bank-b: {Check.SENSITIVITY.value}: tolerance" in wheres
    assert wheres[-1] == "audit contract of bank-b: claimed"


def test_a_check_left_out(tmp_path: Path) -> None:
    full = audit_result(PLAN, "bank-b")
    some = replace(full, findings=tuple(each for each in full.findings if each.check is not Check.NOISE_SCALE))
    (wrong,) = found(some, tmp_path)
    assert (wrong.where, wrong.got) == (f"audit contract of bank-b: {Check.NOISE_SCALE.value}", "0 findings")


def test_a_check_of_another_audit_and_one_twice(tmp_path: Path) -> None:
    full = audit_result(PLAN, "bank-b", "one-run", share=0.5)
    other = audit_result(PLAN, "bank-b", "canary", share=0.5).findings[0]
    wrong = found(replace(full, findings=(*full.findings, *full.findings, other)), tmp_path)
    assert [each.got for each in wrong] == ["2 findings", "a finding"]


@pytest.mark.parametrize(
    ("check", "changes", "where"),
    [
        (Check.NOISE_SCALE, {"claimed": 0.2, "measured": 0.2}, ": claimed"),
        (Check.RATE, {"claimed": 0.9}, ": claimed"),
        (Check.SENSITIVITY, {"tolerance": 50.0}, ": tolerance"),
        (Check.ROUNDS, {"p_value": 0.0}, ""),
        (Check.ROUNDS, {"p_value": None}, ""),
        (Check.GROWTH, {"measured": 1.0}, ""),
        (Check.RELEASES, {"measured": 2.0}, ""),
        (Check.STEPS, {"confidence": 0.9}, ": confidence"),
    ],
)
def test_a_finding_that_is_not_what_the_plan_makes_it(tmp_path: Path, check: Check, changes: Forge, where: str) -> None:
    wrong = found(swapped(audit_result(PLAN, "bank-b"), check, **changes), tmp_path)
    assert [each.where for each in wrong] == [f"audit contract of bank-b: {check.value}{where}"]


def test_a_bound_above_its_claim_that_says_it_passed(tmp_path: Path) -> None:
    result = swapped(audit_result(PLAN, "bank-b", "canary", share=0.5), Check.COUNTED, measured=50.0)
    assert result.passed
    assert not result.exceeded
    assert [each.where for each in found(result, tmp_path)] == [f"audit canary of bank-b: {Check.COUNTED.value}"]


def test_another_delta(tmp_path: Path) -> None:
    (wrong,) = found(audit_result(PLAN, "bank-b", delta=1e-3), tmp_path)
    assert (wrong.where, wrong.expected) == ("audit contract of bank-b: delta", "1e-05, the plan's")


def test_a_result_for_a_plan_that_the_log_has_not_passes_nothing(tmp_path: Path) -> None:
    said = audit_result(make_plan("elsewhere"), "bank-b").sign(key_of("bank-b"))
    world = honest().inserted(len(honest().entries), said.data)
    step = verify(world.export(tmp_path / "export.zip"), world.policy(), [CapsStep]).step(8)
    assert not any("audits passed" in fact for fact in step.facts)
    assert any("no such plan is in the log" in note for note in step.notes)
