"""The budget of recipes of sums: everything is charged, shares of noise add up, older plans read and hash as before."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from federation.errors import PrivacyError, TooFewRecords
from federation.privacy import PrivacyPlan, SharedNoise, StageBudget, check_enough_records, noise_level
from federation.privacy.accounting import gaussian_epsilon, gaussian_mu, spent
from federation.privacy.event import GaussianEvent
from federation.privacy.stages import share_of
from protocols.canonical import canonical, digest, parse_canonical

DELTA = 1e-5
ROUNDS, SHARES = (1, 15, 6, 1), (0.1995, 0.4655, 0.285, 0.05)


def calibrated(epsilon: float = 1.0, **more: object) -> PrivacyPlan:
    return PrivacyPlan.calibrate_sums(epsilon=epsilon, delta=DELTA, rounds=ROUNDS, shares=SHARES, **more)


def mu(plan: PrivacyPlan) -> float:
    return math.sqrt(sum(event.steps / event.noise_multiplier**2 for event in plan.events()))


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0])
def test_pld_and_closed_form_agree_on_the_plan(epsilon: float) -> None:
    plan = calibrated(epsilon)
    plan.check()
    closed, pld = gaussian_epsilon(mu(plan), DELTA), plan.claims().pld
    assert closed <= pld + 1e-6
    assert pld <= epsilon
    assert pld == pytest.approx(closed, rel=2e-3)
    assert closed == pytest.approx(epsilon, rel=2e-3)


def test_every_round_is_charged_at_its_own_stage() -> None:
    plan = calibrated(spare_rounds=2, evaluation_share=0.05)
    charged = [plan.round_event(r) for r in range(1, plan.rounds + 3)] + [plan.evaluation_event()]
    assert sum(event.steps for event in plan.events()) == 23 + 2 + 1
    assert sum(e.noise_multiplier**-2 for e in charged) == pytest.approx(mu(plan) ** 2, rel=1e-12)
    assert [plan.round_event(r).noise_multiplier for r in (1, 2, 16, 17, 22, 23, 24)] == [
        plan.stages[i].noise_multiplier for i in (0, 1, 1, 2, 2, 3, 0)
    ]
    assert plan.claims().pld <= 1.0
    left = 0.95 * gaussian_mu(1.0, DELTA) ** 2 / (1 + 2 * SHARES[0])  # spare rounds cost what the histogram costs
    for stage, share in zip(plan.stages, SHARES, strict=True):
        assert stage.rounds / stage.noise_multiplier**2 == pytest.approx(share * left, rel=1e-3)
    with pytest.raises(PrivacyError, match="round"):
        plan.round_event(0)


@pytest.mark.parametrize(("rounds", "shares"), [(ROUNDS, SHARES), ((1, 20, 10, 1), (0.05, 0.45, 0.45, 0.05))])
def test_whichever_rounds_are_lost_the_ledger_stays_within_the_plan(
    rounds: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    """What a node that was killed has reserved stays charged, at what that round costs."""
    plan = PrivacyPlan.calibrate_sums(epsilon=1.0, delta=DELTA, rounds=rounds, shares=shares, spare_rounds=2)
    planned = [plan.round_event(number) for number in range(1, plan.rounds + 1)]
    worst = max(spent([*planned, *[lost] * 2], DELTA) for lost in dict.fromkeys(planned))
    assert 0.999 < worst <= 1.0
    longest = max(plan.stages, key=lambda stage: stage.rounds)  # had spare rounds been paid as rounds of this one
    spare = GaussianEvent(1.0, longest.noise_multiplier, 2)
    assert spent([*planned, spare], DELTA) < worst - 0.02


def test_a_little_less_noise_in_any_stage_would_not_do() -> None:
    plan = calibrated()
    for i, stage in enumerate(plan.stages):
        fewer = StageBudget(rounds=stage.rounds, noise_multiplier=0.98 * stage.noise_multiplier)
        stages = (*plan.stages[:i], fewer, *plan.stages[i + 1 :])
        spare = min(stage.noise_multiplier for stage in stages)
        with pytest.raises(PrivacyError, match=r"privacy\.epsilon"):
            plan.model_copy(update={"stages": stages, "noise_multiplier": spare}).check()


@pytest.mark.parametrize("sharing", [None, SharedNoise(members=5), SharedNoise(members=7, colluders=2, droppers=1)])
def test_a_plan_survives_its_canonical_form(sharing: SharedNoise | None) -> None:
    plan = calibrated(sharing=sharing, spare_rounds=1)
    assert PrivacyPlan.from_json(parse_canonical(canonical(plan.to_json()))) == plan
    assert ("sharing" in plan.to_json()) == (sharing is not None)


def test_plans_without_stages_have_the_canonical_form_that_they_always_had() -> None:
    """Digest of the plan's JSON as versions before stages wrote it: signed plans must go on verifying."""
    written = {
        "epsilon": 1.0,
        "delta": 1e-05,
        "adjacency": "add_or_remove_one",
        "sampler": "poisson",
        "sampling_rate": 0.2,
        "noise_multiplier": 7.6254,
        "clip": 0.5,
        "steps_per_round": 5,
        "rounds": 20,
        "spare_rounds": 0,
        "evaluation_multiplier": None,
        "distribution": "discrete_gaussian",
        "noise": "local",
    }
    assert PrivacyPlan.from_json(written).to_json() == written
    found = digest("fedscore/v1/test", canonical(PrivacyPlan.calibrate(epsilon=1.0, delta=DELTA).to_json())).hex()
    assert found == digest("fedscore/v1/test", canonical(written)).hex()


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 24},
        {"steps_per_round": 2},
        {"clip": 0.5},
        {"noise_multiplier": 30.0},
        {"distribution": "gaussian"},
        {"sampler": "poisson", "sampling_rate": 0.5},
        {"noise": "local"},
        {"sharing": None},
        {"stages": []},
        {"stages": [{"rounds": 23, "noise_multiplier": 0.0}]},
        {"stages": [{"rounds": 23}]},
        {"sharing": {"members": 2, "colluders": 1, "droppers": 0}},
        {"sharing": {"members": 5, "colluders": 0, "droppers": 0}},
        {"sharing": {"members": 5, "colluders": 1, "droppers": 1, "absent": 3}},
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    plan = calibrated(sharing=SharedNoise(members=5, droppers=1)).to_json()
    PrivacyPlan.from_json(plan)
    with pytest.raises(PrivacyError, match="privacy"):
        PrivacyPlan.from_json({**plan, **change})


@pytest.mark.parametrize(
    ("rounds", "shares"), [([], []), ([1], [0.5]), ([1, 2], [1.0]), ([1, 0], [0.5, 0.5]), ([1, 1], [1.5, -0.5])]
)
def test_shares_that_are_none_are_refused(rounds: list[int], shares: list[float]) -> None:
    with pytest.raises(PrivacyError, match=r"shares|rounds"):
        PrivacyPlan.calibrate_sums(epsilon=1.0, delta=DELTA, rounds=rounds, shares=shares)


# ------------------------------------------------------------------------------------------------------------- sharing
def test_for_every_federation_of_up_to_fifty_the_honest_rest_adds_all_the_noise() -> None:
    for members in range(3, 51):
        for colluders in {1, 2, members // 2, members - 1}:
            for droppers in range(0, members, 1 + members // 10):
                d = droppers
                tau = next(t for t in range(1, 2 * members) if (d + 1) * t > d * members + colluders) if d else members
                if members - droppers < tau or members - colluders - droppers < 1:
                    with pytest.raises((PrivacyError, ValidationError)):
                        SharedNoise(members=members, colluders=colluders, droppers=droppers)
                    continue
                sharing = SharedNoise(members=members, colluders=colluders, droppers=droppers)
                assert (sharing.threshold, sharing.fewest) == (tau, members - droppers)
                assert sharing.provision == members - colluders - droppers
                # two lists of survivors that were both answered would share an honest member, who answers one only;
                # and d + 1 honest members cannot each be missing from tau - c lists, of which none lacks more than d
                assert 2 * sharing.threshold - members > colluders or not droppers
                assert (d + 1) * (sharing.threshold - colluders) > d * (members - colluders)


@given(st.floats(0.01, 1e4), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_shares_add_up_to_the_noise_and_to_hardly_more(multiplier: float, provision: int) -> None:
    share = share_of(multiplier, provision)
    exact = Fraction(multiplier) ** 2
    assert provision * share**2 >= exact > provision * (share - Fraction(1, 2**40)) ** 2


def test_three_members_tolerate_no_dropper_and_four_one() -> None:
    assert SharedNoise(members=3).provision == 2
    with pytest.raises(PrivacyError, match="sharing"):
        SharedNoise(members=3, droppers=1)
    assert SharedNoise(members=4, droppers=1).provision == 2


def test_a_share_of_the_plan_is_all_of_it_under_local_noise() -> None:
    local, shared = calibrated(), calibrated(sharing=SharedNoise(members=5, droppers=1))
    for r in (1, 2, 17, 23, 24):
        whole = Fraction(local.round_event(r).noise_multiplier)
        assert local.noise_share(r) == whole
        assert shared.round_event(r).noise_multiplier == local.round_event(r).noise_multiplier
        assert float(shared.noise_share(r)) == pytest.approx(float(whole) / math.sqrt(3), rel=1e-9)
        assert 3 * shared.noise_share(r) ** 2 >= whole**2


def test_too_few_records_are_refused_and_shared_noise_needs_fewer() -> None:
    shared = SharedNoise(members=5, droppers=1)
    assert noise_level(1.0, DELTA, [1_200] * 5, shared) == pytest.approx(noise_level(1.0, DELTA, [1_200] * 5) / 3**0.5)
    check_enough_records(1.0, DELTA, [1_200] * 5, sharing=shared)
    with pytest.raises(TooFewRecords):
        check_enough_records(1.0, DELTA, [1_200] * 5)
    with pytest.raises(TooFewRecords, match="at least 5774 records"):
        check_enough_records(1.0, DELTA, [160] * 5, sharing=shared)
