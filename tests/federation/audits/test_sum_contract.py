"""The contract of recipes of sums: the institution's trainer passes, each planted fault is caught by its check.

Chance: three checks of a stage have a p-value and fail an honest trainer with probability at most 1e-9 each, so that
this file fails by chance with probability below 1e-6. Noise x .8 lies 9 standard deviations of its estimate away in
every single round; what is a matter of sums is judged exactly.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sum_subjects import THREE, sum_subject

from benchmarks.audits.sum_faults import OTHERS, PLANTED
from federation.audits import Check, Report, SumSubject, audit
from federation.errors import PrivacyError
from federation.privacy import SharedNoise
from federation.privacy.lattice import POINTS
from federation.training.sums.recipe import Method

STAGE_CHECKS = {
    Check.SENSITIVITY,
    Check.CLIP_PER_RECORD,
    Check.RATE,
    Check.NOISE_SOURCE,
    Check.NOISE_SCALE,
    Check.ROUNDS,
    Check.COORDINATES,
    Check.RELEASES,
}
GRADIENTS = ("mains", "pairs")
ALL = ("histogram", "mains", "pairs", "calibration")
UNCLIPPED = {f"sensitivity, {stage}" for stage in GRADIENTS}
NOISY = {f"noise scale, {stage}" for stage in ALL}


def contract(subject: SumSubject, seed: int = 0) -> Report:
    return audit(subject, "contract", bytes([seed]) * 32)


def failed(report: Report) -> set[str]:
    return {finding.name for finding in report.findings if not finding.passed}


# The trainer that ships ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_shipped_trainer_passes(seed: int) -> None:
    """Local noise and shared noise in turn."""
    report = contract(sum_subject("gp", None if seed % 2 else THREE), seed)
    assert failed(report) == set()


@pytest.mark.parametrize("method", ["gp", "g", "a"])
def test_every_stage_is_looked_at_and_probes_reach_its_sensitivity(method: Method) -> None:
    subject = sum_subject(method)
    report = contract(subject)
    assert failed(report) == set()
    assert report.headline.check is Check.COMPOSITION
    for stage, numbers in subject.stages.items():
        findings = {found.check: found for found in report.findings if found.stage == stage.value}
        assert set(findings) == STAGE_CHECKS
        claimed = subject.model.sensitivity(numbers[0])
        reached = findings[Check.SENSITIVITY].measured * POINTS
        # All but what rounding up adds; pairs share features, so that not all of them have their longest row at once.
        assert 0.99999 * claimed <= reached <= claimed if stage == "pairs" else claimed - 8 <= reached <= claimed
    whole = {found.check for found in report.findings if found.stage is None}
    assert whole == {Check.COMPOSITION, Check.GROWTH}


@pytest.mark.parametrize("members", [3, 5, 10])
def test_what_is_claimed_of_the_noise_is_the_members_share(members: int) -> None:
    local, shared = sum_subject("a", None), sum_subject("a", SharedNoise(members=members))
    assert shared.sigma(1) == pytest.approx(local.sigma(1) / (members - 1) ** 0.5, rel=1e-9)
    assert shared.provision == members - 1
    (found,) = (finding for finding in contract(shared).findings if finding.check is Check.NOISE_SCALE)
    assert found.claimed == pytest.approx(shared.sigma(1) / POINTS)
    assert found.measured == pytest.approx(found.claimed, rel=0.15)


# Planted faults -----------------------------------------------------------------------------------------------------

NAMED: dict[str, set[str]] = {
    **dict.fromkeys(("noise x .8", "noise / 2", "noise / 10", "noise x .8 asked for"), NOISY),
    **dict.fromkeys(("noise omitted", "noise on empty sums only"), NOISY),
    "one round with a tenth of the noise": {"noise scale, mains"},
    "no clip": UNCLIPPED,
    "one class not clipped": UNCLIPPED,
    "the other class not clipped": UNCLIPPED,
    "clip before rounding": {f"sensitivity, {at}" for at in ALL},
    "histogram counted twice": {"sensitivity, histogram"},
    "clip after mean": {f"clip per record, {at}" for at in ("histogram", "mains", "calibration")},
    "same noise every round": {f"independent rounds, {at}" for at in ALL},
    "deterministic noise": {f"independent rounds, {at}" for at in ALL},
    "one number for all coordinates": {f"independent coordinates, {at}" for at in ALL},
    "two draws for one release": {f"releases, {at}" for at in ALL},
    "records left out": {f"inclusion rate, {at}" for at in ALL},
    "accountant reset each round": {Check.GROWTH.value, Check.COMPOSITION.value},
}
ALONE = {
    "noise x .8",
    "noise / 2",
    "noise / 10",
    "noise x .8 asked for",
    "no clip",
    "one class not clipped",
    "the other class not clipped",
    "histogram counted twice",
    "accountant reset each round",
}


@pytest.mark.parametrize("fault", [*PLANTED, *OTHERS])
def test_a_planted_fault_is_caught_by_its_check(fault: str) -> None:
    found = failed(contract({**PLANTED, **OTHERS}[fault](sum_subject()), seed=3))
    assert NAMED[fault] <= found, found
    assert fault not in ALONE or found == NAMED[fault]


@pytest.mark.parametrize("fault", ["noise x .8", "noise omitted", "no clip", "same noise every round"])
def test_faults_under_local_noise_are_caught(fault: str) -> None:
    found = failed(contract(PLANTED[fault](sum_subject("gp", None)), seed=4))
    assert NAMED[fault] <= found


# The interface ------------------------------------------------------------------------------------------------------


def test_a_trainer_that_gives_nothing_passes_no_check_that_must_see_something() -> None:
    class Idle:
        def round(self, number, state, records):  # type: ignore[no-untyped-def]
            return np.zeros(sum_subject("a").model.width(number), dtype=np.int64)

    report = contract(replace(sum_subject("a"), build=lambda noise: Idle()))
    seen = {Check.RATE, Check.NOISE_SOURCE, Check.NOISE_SCALE, Check.ROUNDS, Check.COORDINATES, Check.RELEASES}
    assert failed(report) == {f"{check}, mains" for check in seen}
    for finding in report.findings:
        json.dumps(finding.to_json(), allow_nan=False)


@pytest.mark.parametrize("release", [np.zeros(3, np.int64), np.zeros(1, np.float64)], ids=["shape", "floating point"])
def test_a_release_that_is_none_is_refused(release: np.ndarray) -> None:
    class Broken:
        def round(self, number, state, records):  # type: ignore[no-untyped-def]
            return release

    with pytest.raises(PrivacyError, match="release of round 1"):
        contract(replace(sum_subject("a"), build=lambda noise: Broken()))


def test_a_subject_without_a_ledger_is_refused() -> None:
    with pytest.raises(PrivacyError, match="stated"):
        replace(sum_subject("a"), stated={})
