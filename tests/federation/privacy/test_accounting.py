"""The traps of privacy accounting, each from the side of whoever would profit from falling into it."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import PrivacyError
from federation.privacy import GaussianEvent, epsilons
from federation.privacy import accounting as accounting_module
from federation.privacy.accounting import gaussian_delta, gaussian_epsilon, gaussian_mu, merge, pld_epsilon, prv_epsilon

DELTA = 1e-5
REFERENCE = GaussianEvent(0.2, 7.63, 100)


def test_reference_schedule_costs_one() -> None:
    claims = epsilons([REFERENCE], DELTA)
    assert 0.995 < claims.pld <= 1.0
    assert claims.pld < claims.prv <= 1.02
    assert 1.05 < claims.rdp < 1.15
    assert claims.adjacency == "add_or_remove_one"
    assert claims.prv_fallback is False


def test_the_replace_one_figure_is_about_twice_as_large_and_stated() -> None:
    assert 2.0 < epsilons([REFERENCE], DELTA).replace_one < 2.2


def test_without_poisson_sampling_nothing_is_amplified() -> None:
    shuffled = epsilons([GaussianEvent(1.0, 7.63, 20)], DELTA)  # one pass an epoch, every record once
    assert shuffled.pld == pytest.approx(2.38, abs=0.01)
    assert shuffled.pld > 2 * epsilons([REFERENCE], DELTA).pld


def test_a_fresh_accountant_per_round_would_hide_most_of_the_cost() -> None:
    rounds = [GaussianEvent(0.2, 7.63, 5)] * 20
    assert epsilons(rounds, DELTA) == epsilons([REFERENCE], DELTA)
    assert epsilons(rounds[:1], DELTA).pld < 0.25


def test_full_batches_agree_with_the_closed_form() -> None:
    mu = gaussian_mu(1.0, DELTA)
    assert mu == pytest.approx(0.26805, abs=1e-5)
    assert gaussian_delta(mu, 1.0) == pytest.approx(DELTA, rel=1e-9)
    assert gaussian_epsilon(1e-6, DELTA) == 0.0
    assert gaussian_epsilon(1e3, DELTA) == math.inf
    for steps in (1, 30):
        claims = epsilons([GaussianEvent(1.0, math.sqrt(steps) / mu, steps)], DELTA)
        assert claims.pld == pytest.approx(1.0, abs=2e-4)
        assert claims.prv == pytest.approx(1.0, abs=0.015)


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_a_person_known_to_several_institutions_spends_several_times(copies: int) -> None:
    mu = gaussian_mu(1.0, DELTA)
    assert epsilons([GaussianEvent(1.0, 1 / mu, 1)] * copies, DELTA).pld == pytest.approx(
        {2: 1.47, 3: 1.84, 5: 2.44}[copies], abs=0.01
    )


def test_a_larger_federation_needs_a_smaller_delta() -> None:
    assert epsilons([REFERENCE], 1e-7).pld == pytest.approx(1.28, abs=0.01)
    assert epsilons([REFERENCE], 1e-9).pld == pytest.approx(1.52, abs=0.01)


@settings(max_examples=8, deadline=None)
@given(
    rate=st.sampled_from([0.01, 0.1, 0.2, 1.0]),
    multiplier=st.floats(2.0, 20.0),
    steps=st.integers(1, 200),
)
def test_the_published_epsilons_are_upper_bounds_in_order(rate: float, multiplier: float, steps: int) -> None:
    claims = epsilons([GaussianEvent(rate, multiplier, steps)], DELTA)
    assert claims.pld <= claims.rdp * 1.001 + 1e-3
    assert claims.pld - 2e-3 <= claims.prv
    if rate == 1.0:
        exact = gaussian_delta(math.sqrt(steps) / multiplier, claims.pld)
        assert exact <= DELTA * (1 + 1e-9)  # pessimistic: the true delta at the claimed epsilon is not larger


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 1.0]), st.sampled_from([4.0, 8.0]), st.integers(1, 5)), max_size=8),
    st.randoms(),
)
def test_order_and_grouping_of_events_do_not_matter(parts: list[tuple[float, float, int]], random: object) -> None:
    events = [GaussianEvent(*part) for part in parts]
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(events) == merge(shuffled)
    assert sum(e.steps for e in merge(events)) == sum(e.steps for e in events)
    assert len(merge(events)) == len({part[:2] for part in parts})


def test_more_releases_never_cost_less() -> None:
    spent = [epsilons([GaussianEvent(0.2, 7.63, 5)] * rounds, DELTA).pld for rounds in range(6)]
    assert spent[0] == 0.0
    assert spent == sorted(spent)
    assert len(set(spent)) == len(spent)


def test_one_ledger_entry_is_accounted_in_well_under_a_second_and_then_cached() -> None:
    events = [GaussianEvent(0.2, 9.87, 15), GaussianEvent(1.0, 17.3, 1)]
    epsilons(events[:1], DELTA)  # loads the accountants
    start = time.process_time()
    first = epsilons(events, DELTA)
    fresh = time.process_time() - start
    start = time.process_time()
    assert epsilons(reversed(events), DELTA) is first
    assert time.process_time() - start < fresh / 3
    assert fresh < 3.0  # 0.2 s on an idle core


@pytest.mark.parametrize("event", [GaussianEvent(0.01, 20.0, 250_000), GaussianEvent(0.2, 0.1, 1)])
def test_where_prv_cannot_answer_pld_stands_in_and_says_so(event: GaussianEvent) -> None:
    assert prv_epsilon([event], DELTA) is None
    claims = epsilons([event], DELTA)
    assert claims.prv_fallback is True
    assert claims.prv == claims.pld
    assert math.isfinite(claims.pld)


@pytest.mark.parametrize("answer", [math.nan, math.inf, ValueError("x"), MemoryError(), RuntimeError("x")])
def test_a_broken_prv_answer_is_never_published(monkeypatch: pytest.MonkeyPatch, answer: float | Exception) -> None:
    def broken(*_: object) -> float:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(accounting_module, "_opacus_prv", broken)
    assert prv_epsilon([REFERENCE], DELTA) is None


def test_no_noise_to_speak_of_is_no_guarantee() -> None:
    claims = epsilons([GaussianEvent(1.0, 1e-3, 1000)], DELTA)
    assert claims.pld == math.inf
    assert json.dumps(claims.to_json(), allow_nan=False)
    assert claims.to_json()["pld"] is None


def test_claims_state_their_delta_and_adjacency() -> None:
    stated = epsilons([REFERENCE], DELTA).to_json()
    assert stated["delta"] == DELTA
    assert stated["adjacency"] == "add_or_remove_one"


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
def test_a_delta_that_is_none_is_refused(delta: float) -> None:
    with pytest.raises(PrivacyError, match="delta"):
        epsilons([REFERENCE], delta)


def test_a_coarser_discretisation_only_overstates() -> None:
    fine = pld_epsilon([REFERENCE], DELTA, interval=1e-4)
    assert fine <= pld_epsilon([REFERENCE], DELTA, interval=1e-2)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sampling_rate", 0.0), ("sampling_rate", 1.1), ("noise_multiplier", 0.0), ("noise_multiplier", math.inf)],
)
def test_events_that_no_mechanism_has_are_refused(field: str, value: float) -> None:
    good = {"sampling_rate": 0.2, "noise_multiplier": 1.0, "steps": 1}
    with pytest.raises(PrivacyError, match=field):
        GaussianEvent(**{**good, field: value})
    with pytest.raises(PrivacyError, match="steps"):
        GaussianEvent(0.2, 1.0, 0)
    assert GaussianEvent.from_json(GaussianEvent(**good).to_json()) == GaussianEvent(**good)
    with pytest.raises(PrivacyError, match="mechanism"):
        GaussianEvent.from_json({**good, "mechanism": "laplace"})
