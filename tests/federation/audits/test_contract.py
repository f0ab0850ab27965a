"""The contract checks: the trainer that ships passes, and each planted fault is caught by the check named for it.

Chance: five of the eleven checks have a p-value, and each fails an honest trainer with probability at most 1e-9, so
this file fails by chance with probability below 3e-7 (every check of every contract counted). Planted faults are missed
with less: noise x .8, the smallest, lies 9 standard deviations of its estimate beyond what is let pass, a doubled rate
18; a shuffle leaves no variance where 47 degrees of freedom are expected (below 1e-40), and repeated noise has
correlation 1. Faults of clipping, composition and the number of releases are measured without chance. The auditor's
records and models have a fixed seed; noise and sampling are the operating system's, as in production.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.audits.faults import OTHERS, PLANTED, Fault
from federation.audits import Check, Claim, Finding, RoundTrainer, Subject, seeded_records
from federation.audits.contract import check_contract
from federation.audits.finding import ALPHA
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import PrivacyError
from federation.ledger import Caps, Ledger, Release
from federation.ledger.budget import Scope
from federation.privacy import NoiseSource, OsNoise, PrivacyPlan, SeededNoise
from federation.records.encoded import Encoded
from federation.training import Recipe, Trainer, initial_parameters
from federation.training.recipe import noise_of
from protocols.signing import SigningKey

BOUNDS = {Check.CANARY_GOOD, Check.CANARY_BAD, Check.LEDGER, Check.COUNTED, Check.ONE_RUN}
CONTRACT = set(Check) - BOUNDS - {Check.COORDINATES}  # of sums alone
NOMINAL = 2_000
ADDITIVE = Recipe(learning_rate=10.0)
MLP = Recipe(family="mlp", hidden=(16, 8), learning_rate=5.0)
PLAN = PrivacyPlan(
    epsilon=1.0,
    delta=1e-5,
    sampling_rate=0.2,
    noise_multiplier=7.6254,
    clip=0.5,
    steps_per_round=5,
    rounds=20,
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue("synthetic")


@pytest.fixture(scope="module")
def stated() -> list[float]:
    """What the real ledger, with the real accountant, says after each of three rounds."""
    caps = Caps(run=5.0, year=5.0, lifetime=5.0, delta=1e-5)
    ledger = Ledger.in_memory(institution="bank-a", key=SigningKey.from_seed(bytes(32)), caps=caps)
    amounts = []
    for number in (1, 2, 3):
        ledger.reserve(
            Release(
                run_id="run-1",
                phase="train",
                round=number,
                event=PLAN.round_event(),
                delta=PLAN.delta,
                plan_hash="a" * 64,
                catalogue_hash="b" * 64,
                model_hash=f"{number:064x}",
                nominal_records=NOMINAL,
                vintage="2025Q1",
                family="additive",
            )
        )
        amounts.append(ledger.claims(Scope.RUN, "run-1").pld)
    return amounts


def audit(
    catalogue: Catalogue,
    stated: Sequence[float],
    recipe: Recipe = ADDITIVE,
    plan: PrivacyPlan = PLAN,
    noise: NoiseSource | None = None,
    plant: Fault = lambda subject: subject,
) -> dict[Check, Finding]:
    """The contract of the institution's trainer, with whatever was planted in it."""
    plan = plan.model_copy(update={"distribution": noise_of(recipe.family)})
    subject = Subject(
        lambda noise: Trainer(catalogue, recipe, plan, NOMINAL, noise),
        Claim(plan, NOMINAL, recipe.learning_rate, recipe.momentum),
        initial_parameters(catalogue, recipe),
        [feature.n_cells for feature in catalogue.features],
        noise=noise or OsNoise(),
        stated=stated,
    )
    findings = check_contract(plant(subject), np.random.default_rng(11))
    return {finding.check: finding for finding in findings}


def failed(findings: dict[Check, Finding]) -> set[Check]:
    return {check for check, finding in findings.items() if not finding.passed}


# The trainer that ships ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [ADDITIVE, MLP], ids=["additive", "mlp"])
def test_the_shipped_trainer_passes(catalogue: Catalogue, stated: list[float], recipe: Recipe) -> None:
    findings = audit(catalogue, stated, recipe)
    assert set(findings) == CONTRACT
    assert not failed(findings), findings
    assert findings[Check.SENSITIVITY].measured == pytest.approx(PLAN.clip, rel=1e-3)  # the probes do reach the clip


@pytest.mark.parametrize("recipe", [ADDITIVE, MLP], ids=["additive", "mlp"])
def test_it_passes_at_a_low_rate_and_a_high_momentum(catalogue: Catalogue, stated: list[float], recipe: Recipe) -> None:
    """Below a rate of .05 a network's sampler draws gaps; the ledger's figures are another plan's and must fail."""
    plan = PLAN.model_copy(update={"sampling_rate": 0.04, "steps_per_round": 3})
    findings = audit(catalogue, stated, recipe.model_copy(update={"momentum": 0.9}), plan)
    assert failed(findings) == {Check.COMPOSITION}


# Planted faults -----------------------------------------------------------------------------------------------------


NAMED = {
    "noise x .8": Check.NOISE_SCALE,
    "noise / 2": Check.NOISE_SCALE,
    "noise / 10": Check.NOISE_SCALE,
    "noise x .8 asked for": Check.NOISE_SCALE,
    "no clip": Check.SENSITIVITY,
    "one class not clipped": Check.SENSITIVITY,
    "the other class not clipped": Check.SENSITIVITY,
    "clip after mean": Check.CLIP_PER_RECORD,
    "same noise each step": Check.STEPS,
    "one draw for all steps": Check.STEPS,
    "q doubled": Check.RATE,
    "shuffling for Poisson": Check.INCLUSIONS,
    "deterministic noise seed": Check.ROUNDS,
    "one epoch each": Check.INCLUSIONS,
    "classes balanced": Check.RATE,
    "noise on empty sums only": Check.NOISE_SCALE,
    "one step more": Check.RELEASES,
}
ALONE = {  # faults that no other check has a reason to see
    "noise x .8": {Check.NOISE_SCALE},
    "no clip": {Check.SENSITIVITY},
    "q doubled": {Check.RATE},
    "same noise each step": {Check.STEPS, Check.NOISE_SCALE},
}


@pytest.mark.parametrize("fault", NAMED)
def test_a_planted_fault_is_caught_by_its_check(catalogue: Catalogue, stated: list[float], fault: str) -> None:
    found = failed(audit(catalogue, stated[:1], plant={**PLANTED, **OTHERS}[fault]))
    assert NAMED[fault] in found
    assert fault not in ALONE or found == ALONE[fault]


@pytest.mark.parametrize("fault", ["no clip", "q doubled"])
def test_faults_of_the_network_are_caught(catalogue: Catalogue, stated: list[float], fault: str) -> None:
    assert NAMED[fault] in failed(audit(catalogue, stated[:1], MLP, plant=PLANTED[fault]))


def test_a_source_that_repeats_itself_is_caught(catalogue: Catalogue, stated: list[float]) -> None:
    """The trainer is honest and its noise source deals every step of a round the same values."""

    class Stuck(OsNoise):
        def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
            return SeededNoise(1).discrete_gaussian(size, sigma)

    assert failed(audit(catalogue, stated[:1], noise=Stuck())) >= {Check.STEPS, Check.ROUNDS}


# Accounting ---------------------------------------------------------------------------------------------------------


def test_an_accountant_that_is_reset_every_round_is_named(catalogue: Catalogue, stated: list[float]) -> None:
    findings = audit(catalogue, [stated[0]] * 3)
    assert failed(findings) == {Check.GROWTH, Check.COMPOSITION}
    assert findings[Check.GROWTH].measured == 2
    assert findings[Check.COMPOSITION].claimed == stated[0]
    assert findings[Check.COMPOSITION].measured == pytest.approx(stated[2], rel=1e-6)


# The interface ------------------------------------------------------------------------------------------------------


def test_figures_out_of_range_are_refused(catalogue: Catalogue) -> None:
    for change, where in (
        ({"nominal_records": 0}, "nominal_records"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"momentum": 1.0}, "momentum"),
        ({"privacy": PLAN.model_copy(update={"sampler": "full", "sampling_rate": 1.0})}, "sampler"),
    ):
        with pytest.raises(PrivacyError, match=where):
            replace(Claim(PLAN, NOMINAL, 10.0, 0.5), **change)
    with pytest.raises(PrivacyError, match="stated"):
        audit(catalogue, [])


def test_weights_and_unit_are_those_of_sgd_with_momentum() -> None:
    claim = Claim(PLAN, NOMINAL, 10.0, 0.5)
    assert claim.weights.tolist() == [1.9375, 1.875, 1.75, 1.5, 1.0]
    assert claim.unit == pytest.approx(10.0 / 400)
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=claim.unit, momentum=0.5)
    for step in range(5):
        weight.grad = torch.full((1,), float(step + 1), dtype=torch.float64)
        optimizer.step()
    assert weight.item() == pytest.approx(-claim.unit * float(claim.weights @ np.arange(1, 6)))


def test_a_size_that_hides_one_record_behind_float32_is_refused(catalogue: Catalogue) -> None:
    start, claim = initial_parameters(catalogue, ADDITIVE), Claim(PLAN, 9_000_000, 10.0, 0.5)
    cells = [feature.n_cells for feature in catalogue.features]
    subject = Subject(
        lambda noise: Trainer(catalogue, ADDITIVE, PLAN.model_copy(update={"delta": 1e-9}), 9_000_000, noise),
        claim,
        start,
        cells,
        noise=OsNoise(),
        stated=[0.2],
    )
    with pytest.raises(PrivacyError, match="at most") as caught:
        check_contract(subject, np.random.default_rng(11))
    assert 0 < int(caught.value.expected.split()[2]) < 9_000_000


@pytest.mark.parametrize("update", [np.full(3, np.nan, np.float32), np.zeros(2, np.float32)], ids=["nan", "shape"])
def test_an_update_that_is_none_is_refused(update: NDArray[np.float32]) -> None:
    class Broken:
        def round(self, parameters: NDArray[np.float32], records: Encoded) -> NDArray[np.float32]:
            return update

    with pytest.raises(PrivacyError, match="update"):
        run_on(Broken())


def test_a_trainer_that_gives_nothing_passes_no_check_that_must_see_something() -> None:
    class Idle:
        def round(self, parameters: NDArray[np.float32], records: Encoded) -> NDArray[np.float32]:
            return np.zeros_like(parameters)

    findings = {finding.check: finding for finding in run_on(Idle())}
    assert failed(findings) >= {Check.NOISE_SOURCE, Check.NOISE_SCALE, Check.STEPS, Check.ROUNDS, Check.RELEASES}
    assert failed(findings) >= {Check.RATE, Check.INCLUSIONS}
    for finding in findings.values():
        json.dumps(finding.to_json(), allow_nan=False)


def run_on(trainer: RoundTrainer) -> tuple[Finding, ...]:
    subject = Subject(
        lambda noise: trainer,
        Claim(PLAN, NOMINAL, 10.0, 0.5),
        np.zeros(3, dtype=np.float32),
        [2, 3],
        noise=OsNoise(),
        stated=[0.2],
    )
    return check_contract(subject, np.random.default_rng(11))


def test_a_finding_passes_by_its_own_rule() -> None:
    assert Finding.within(Check.RELEASES, 5, 5, 0.0).passed
    assert not Finding.within(Check.RELEASES, 5, 6, 0.9).passed
    assert not Finding.within(Check.RELEASES, 5, math.nan, 0.9).passed
    assert Finding.likely(Check.RATE, 0.2, 0.21, ALPHA).passed
    assert not Finding.likely(Check.RATE, 0.2, 0.4, ALPHA / 2).passed
    assert not Finding.likely(Check.RATE, 0.2, math.nan, math.nan).passed


def test_seeded_records_are_the_auditors_alone() -> None:
    first, again = (seeded_records([2, 5], 40, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.codes, again.codes)
    assert first.codes.max(axis=0).tolist() == [1, 4]
    assert first.target is not None
    assert first.target.tolist() == [0, 1] * 20


def test_the_example_in_the_documentation_runs() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "audits.md").read_text(encoding="utf-8")
    section = text.split("## The contract", 1)[1]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/audits.md", "exec"), names)
    assert {finding.check for finding in names["report"].findings} == CONTRACT
