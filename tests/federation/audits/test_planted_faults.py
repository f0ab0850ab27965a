"""The bar: every planted fault is caught by the audit named for it at epsilon 1 and 4 with 20 seeds; the honest pass.

All seeds take a minute or two of two cores and run under `make soak`. The twelfth fault, a round that nobody reported,
is no trainer's and no audit's: verification of the export finds it.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from oversight_federation import Federation, make_plan, privacy
from oversight_lies import first, judge
from oversight_world import BANKS, World, key_of, policy_values

from benchmarks.audits import EPSILONS, HONEST, SEEDS, Case, run_cases
from benchmarks.audits.faults import PLANTED
from benchmarks.audits.sum_faults import PLANTED as SUM_PLANTED
from clients.regulator.verify import verify
from federation.audits import KINDS, Check
from federation.ledger import Caps, Ledger
from federation.rounds import TrainingPlan

NAMED = {
    "noise x .8": Check.NOISE_SCALE,
    "noise / 2": Check.NOISE_SCALE,
    "noise / 10": Check.NOISE_SCALE,
    "no clip": Check.SENSITIVITY,
    "clip after mean": Check.CLIP_PER_RECORD,
    "same noise each step": Check.STEPS,
    "q doubled": Check.RATE,
    "accountant reset each round": Check.GROWTH,
    "shuffling for Poisson": Check.INCLUSIONS,
    "deterministic noise seed": Check.ROUNDS,
    "one class not clipped": Check.SENSITIVITY,
}
MULTIPLIERS = {1.0: 4.0, 4.0: 1.2}  # of the noise, for plans of these epsilons
SUM_SEEDS = 5
LIMITS = {"contract": 5.0, "canary": 60.0, "one-run": 60.0}


def test_every_fault_but_the_twelfth_is_planted() -> None:
    assert NAMED.keys() == PLANTED.keys()
    assert len(PLANTED) == 11


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_planted_faults_are_caught_by_the_contract() -> None:
    outcomes = run_cases(Case(e, fault, "contract", seed) for e in EPSILONS for fault in NAMED for seed in range(SEEDS))
    missed = [case for case, outcome in outcomes.items() if NAMED[case.fault].value not in outcome.failed]
    assert not missed, missed


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_so_are_those_of_a_recipe_of_sums_and_its_honest_trainer_passes() -> None:
    """Which check names which fault: `test_sum_contract.py`, for one seed of each."""
    faults = [HONEST, *SUM_PLANTED]
    cases = [
        Case(e, fault, "contract", seed, "sums") for e in EPSILONS for fault in faults for seed in range(SUM_SEEDS)
    ]
    outcomes = run_cases(cases)
    assert len(outcomes) == 2 * SUM_SEEDS * (1 + len(SUM_PLANTED))
    wrong = [case for case, outcome in outcomes.items() if bool(outcome.failed) is (case.fault == HONEST)]
    assert not wrong, wrong


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_honest_trainer_passes_forty_of_forty_of_every_audit_in_time() -> None:
    """By chance an honest trainer fails any of them with probability below 1e-3, all seeds counted."""
    outcomes = run_cases(Case(e, HONEST, kind, seed) for kind in KINDS for e in EPSILONS for seed in range(SEEDS))
    assert len(outcomes) == len(KINDS) * 40
    assert {case: outcome.failed for case, outcome in outcomes.items() if outcome.failed} == {}
    late = [case for case, outcome in outcomes.items() if outcome.seconds > LIMITS[case.kind]]
    assert not late, late


@pytest.mark.soak
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_a_round_that_nobody_reported_is_named_by_verification(epsilon: float, tmp_path: Path) -> None:
    """Whoever answered it, whichever round it was and for whichever model: step 9 names it, and no other step fails."""
    missed = []
    for seed in range(SEEDS):
        chance = random.Random(f"{epsilon} {seed}")
        institution, round, model = chance.choice(BANKS), chance.randint(1, 3), chance.randbytes(32).hex()
        federation, plan = _ran(epsilon)
        federation.answer(institution, plan, round, model)
        world = World(tuple(federation.entries), federation.documents)
        found = first(judge(world, tmp_path, {9}, caps=_caps(epsilon)), 9)
        if (found.institution, found.sequence) != (institution, 8):
            missed.append((seed, found))
    assert missed == []


@pytest.mark.soak
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_federation_without_it_passes(epsilon: float, tmp_path: Path) -> None:
    federation, _ = _ran(epsilon)
    world = World(tuple(federation.entries), federation.documents)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy(caps=_caps(epsilon)))
    assert verdict.holds, verdict.to_json()


def _ran(epsilon: float) -> tuple[Federation, TrainingPlan]:
    """After an honest run under a plan of `epsilon`."""
    federation = Federation()
    limits = {name: value for name, value in _caps(epsilon).items() if name != "person"}
    federation.ledgers = {
        name: Ledger.in_memory(institution=name, key=key_of(name), caps=Caps(**limits), clock=federation.clock)
        for name in BANKS
    }
    noise = {"epsilon": epsilon, "noise_multiplier": MULTIPLIERS[epsilon]}
    plan = make_plan(privacy=privacy().model_copy(update=noise))
    federation.enrol()
    federation.run(plan)
    return federation, plan


def _caps(epsilon: float) -> dict[str, float]:
    scaled = {"run": epsilon, "year": 3 * epsilon, "lifetime": 10 * epsilon, "person": 10 * epsilon}
    return {**policy_values()["caps"], **scaled}
