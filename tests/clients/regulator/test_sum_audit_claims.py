"""Contracts of recipes of sums are held to the plan, stage by stage; of a foreign catalogue, all but sensitivities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from audit_world import audit_result
from oversight_federation import BANKS, honest, make_plan, signed_plan
from oversight_world import NOW, key_of

from clients.regulator.findings import StepResult
from clients.regulator.steps.caps import CapsStep
from clients.regulator.verify import verify
from federation.audits.finding import Check
from federation.oversight.audits import AuditRequest, AuditResult
from federation.privacy import SharedNoise
from federation.rounds import CatalogueRef, TrainingPlan
from federation.training.sums import SumRecipe
from protocols.transparency import Entry

SHARING = SharedNoise(members=len(BANKS))
PRIVACY = SumRecipe.of("g").calibrate(epsilon=0.5, delta=1e-5, sharing=SHARING)
PLAN = make_plan("summed", recipe=SumRecipe.of("g"), privacy=PRIVACY, quorum=SHARING.fewest)
FOREIGN = make_plan(
    "elsewhere",
    recipe=SumRecipe.of("g"),
    privacy=PRIVACY,
    quorum=SHARING.fewest,
    catalogue=CatalogueRef(name="of-our-own", version="1.0.0", hash="cd" * 32),
)


def judged(result: AuditResult, plan: TrainingPlan, folder: Path) -> StepResult:
    """Step 8 on the plan, the regulator's own request, and `result` as bank-b's answer to it."""
    asked = AuditRequest("bank-b", "contract", plan.hash, "ab" * 32, NOW + 50_000).sign(key_of("regulator"))
    said = replace(result, plan_hash=plan.hash, request=asked.hash.hex()).sign(key_of("bank-b"))
    logged = Entry("plan", signed_plan(plan).canonical())
    world = honest().inserted(len(honest().entries), logged.data, asked.data, said.data)
    return verify(world.export(folder / "export.zip"), world.policy(), [CapsStep]).step(8)


def swapped(result: AuditResult, check: Check, stage: str, **changes: float) -> AuditResult:
    findings = tuple(
        replace(each, **changes) if (each.check, each.stage) == (check, stage) else each  # type: ignore[arg-type]
        for each in result.findings
    )
    return replace(result, findings=findings)


@pytest.fixture(scope="module")
def honest_result() -> AuditResult:
    return audit_result(PLAN, "bank-b")


def test_an_honest_contract_passes_and_nothing_is_left_open(honest_result: AuditResult, tmp_path: Path) -> None:
    step = judged(honest_result, PLAN, tmp_path)
    assert list(step.findings) == []
    assert step.facts[-1] == "1 audits passed"
    assert not any("catalogue" in note for note in step.notes)


@pytest.mark.parametrize(
    ("check", "changes", "where"),
    [
        (Check.NOISE_SCALE, {"claimed": 1.0, "measured": 1.0}, ": claimed"),
        (Check.SENSITIVITY, {"claimed": 9.0}, ": claimed"),
        (Check.SENSITIVITY, {"tolerance": 5.0}, ": tolerance"),
        (Check.RATE, {"measured": 0.9}, ""),
        (Check.RELEASES, {"claimed": 2.0, "measured": 2.0}, ": claimed"),
    ],
)
def test_a_finding_of_one_stage_that_is_not_what_the_plan_makes_it(
    honest_result: AuditResult, tmp_path: Path, check: Check, changes: dict[str, float], where: str
) -> None:
    step = judged(swapped(honest_result, check, "mains", **changes), PLAN, tmp_path)
    assert [each.where for each in step.findings] == [f"audit contract of bank-b: {check.value}, mains{where}"]
    assert not any("audits passed" in fact for fact in step.facts)


def test_a_stage_left_out(honest_result: AuditResult, tmp_path: Path) -> None:
    some = replace(
        honest_result, findings=tuple(each for each in honest_result.findings if each.stage != "calibration")
    )
    wrong = judged(some, PLAN, tmp_path).findings
    assert {each.got for each in wrong} == {"0 findings"}
    assert len(wrong) == 8


def test_under_a_catalogue_that_is_not_shipped_noise_is_held_to_its_multiple(
    honest_result: AuditResult, tmp_path: Path
) -> None:
    step = judged(honest_result, FOREIGN, tmp_path)
    assert list(step.findings) == []
    assert any("no catalogue of-our-own 1.0.0 here" in note for note in step.notes)
    (tmp_path / "less").mkdir()
    less = swapped(honest_result, Check.NOISE_SCALE, "mains", claimed=1.0, measured=1.0)
    (wrong,) = judged(less, FOREIGN, tmp_path / "less").findings
    assert wrong.where == "audit contract of bank-b: noise scale, mains: claimed"
