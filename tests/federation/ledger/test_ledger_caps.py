"""What a cap lets through: scopes, deltas, years, and accountants that fail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_samples import (
    CAPS,
    INSTITUTION,
    KEY,
    NOW,
    SettableClock,
    adding,
    answer,
    event,
    memory_ledger,
    open_ledger,
    release,
    update_hash,
)

from federation.errors import BudgetExceeded, ConfigurationError, LedgerError
from federation.ledger import Caps, Carried, Kind, Ledger, Successor
from federation.privacy.event import DiscreteGaussianEvent, GaussianEvent


@pytest.mark.parametrize(("scope", "caps"), [("run", (4, 9, 9)), ("year", (9, 4, 9)), ("lifetime", (9, 9, 4))])
def test_a_cap_that_would_be_passed_is_named_recorded_and_nothing_is_charged(
    scope: str, caps: tuple[float, float, float]
) -> None:
    ledger = memory_ledger(Caps(*caps, delta=1e-5))
    answer(ledger, release(1, cost=3))
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(release(2, cost=2))
    assert caught.value.where == f"budget.{scope}"
    assert "5.000000" in caught.value.got
    assert caught.value.expected == "at most 4 (3.000000 spent)"
    refused = ledger.entries()[-1].entry
    assert refused.kind is Kind.REFUSE
    assert refused.release == release(2, cost=2, attempt=1)
    assert refused.refusal is not None
    assert refused.refusal.asked is not None
    assert (refused.refusal.asked.scope, refused.refusal.asked.pld, refused.refusal.asked.cap) == (scope, 5, 4)
    assert ledger.claims("lifetime").pld == 3
    answer(ledger, release(2, cost=1))
    ledger.verify(recompute=True)


def test_a_cap_may_be_reached_exactly() -> None:
    ledger = memory_ledger(Caps(3, 9, 9, delta=1e-5))
    answer(ledger, release(1, cost=3))
    assert ledger.claims("run", "run-1").remaining == 0


def test_a_delta_above_the_caps_is_refused_and_a_smaller_one_measured_at_its_own() -> None:
    ledger = memory_ledger()
    with pytest.raises(LedgerError, match=r"release\.delta"):
        ledger.reserve(release(1, delta=1e-4))
    ledger.reserve(release(1, delta=1e-6))
    assert ledger.claims("run", "run-1").delta == 1e-6
    assert ledger.claims("lifetime").delta == 1e-5
    assert ledger.claims("run", "run-1").pld == 1


def test_the_year_is_that_of_the_reservation_in_utc() -> None:
    clock = SettableClock(datetime(2025, 12, 31, 23, 59, 50, tzinfo=UTC))
    ledger = memory_ledger(clock=clock)
    last = ledger.reserve(release(1, cost=5))
    clock.now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger.spend(last, update_hash(1), b"reply")
    assert ledger.claims("year").pld == 0
    assert ledger.claims("year", "2025").pld == 5
    answer(ledger, release(2, cost=2))
    assert ledger.claims("year").pld == 2
    assert ledger.claims("lifetime").pld == 7
    ledger.verify(recompute=True)


def test_a_clock_set_back_reopens_no_year() -> None:
    clock = SettableClock(datetime(2026, 1, 1, tzinfo=UTC))
    ledger = memory_ledger(clock=clock)
    answer(ledger, release(1))
    clock.now = datetime(2025, 1, 1, tzinfo=UTC)
    answer(ledger, release(2))
    times = [signed.entry.time for signed in ledger.entries()]
    assert times == sorted(times)
    assert ledger.claims("year", "2026").pld == 2


def test_an_accountant_that_fails_reserves_nothing() -> None:
    def broken(events: object, delta: float, order: int | None = None) -> object:
        raise MemoryError

    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=CAPS, accountant=broken)  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        ledger.reserve(release(1))
    assert ledger.entries() == ()


@pytest.mark.parametrize("figure", [float("inf"), float("nan")])
def test_an_accountant_without_an_answer_stays_outside_every_cap(figure: float) -> None:
    def blind(events: object, delta: float, order: int | None = None) -> object:
        return adding([], delta).__class__(figure, figure, figure)

    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=CAPS, accountant=blind)  # type: ignore[arg-type]
    with pytest.raises(BudgetExceeded, match="epsilon inf"):
        ledger.reserve(release(1))
    refusal = ledger.entries()[0].entry.to_json()["refusal"]
    assert refusal["asked"]["pld"] is None
    assert ledger.verify().entries == 1


def test_recorded_amounts_ignore_an_accountant_that_wavers() -> None:
    readings = iter([2.0, 2.0, 2.0, 1.999, 1.999, 1.999])

    def wavering(events: object, delta: float, order: int | None = None) -> object:
        value = next(readings)
        return adding([], delta).__class__(value, value, value)

    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=CAPS, accountant=wavering)  # type: ignore[arg-type]
    answer(ledger, release(1))
    answer(ledger, release(2))
    assert ledger.claims("lifetime").pld == 2.0
    assert ledger.verify().entries == 4


def test_under_the_published_accountants_a_run_reads_what_its_plan_claims() -> None:
    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=Caps(1.0, 2.0, 3.0, 1e-5), clock=lambda: NOW)
    step = GaussianEvent(sampling_rate=0.2, noise_multiplier=7.63, steps=50)
    for round in (1, 2):
        answer(ledger, release(round, event=step))
    run = ledger.claims("run", "run-1")
    assert run.pld == pytest.approx(1.0, abs=2e-3)
    assert run.pld <= run.prv <= run.rdp
    with pytest.raises(BudgetExceeded, match=r"budget\.run"):
        ledger.reserve(release(3, event=GaussianEvent(0.2, 7.63, 1)))
    assert ledger.verify(recompute=True).entries == 5


def test_mechanisms_of_two_kinds_are_kept_apart_and_charged_together() -> None:
    ledger = memory_ledger()
    discrete, continuous = DiscreteGaussianEvent(1.0, 1.0, 2), GaussianEvent(1.0, 1.0, 3)
    for round, used in enumerate((discrete, continuous, discrete), 1):
        answer(ledger, release(round, event=used))
    assert ledger.claims("lifetime").pld == 7
    assert [signed.entry.release.event for signed in ledger.entries()[::2] if signed.entry.release] == [
        discrete,
        continuous,
        discrete,
    ]
    carried = ledger.retire(Successor(INSTITUTION, "ab" * 32))
    assert carried.years == (("2025", (DiscreteGaussianEvent(1.0, 1.0, 4), continuous)),)
    assert Carried.from_json(carried.to_json()) == carried
    ledger.verify(recompute=True)


def test_events_of_one_mechanism_are_composed_as_one() -> None:
    seen: list[tuple[GaussianEvent, ...]] = []

    def noting(events: tuple[GaussianEvent, ...], delta: float, order: int | None = None) -> object:
        seen.append(tuple(events))
        return adding(events, delta, order)

    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=CAPS, accountant=noting)  # type: ignore[arg-type]
    answer(ledger, release(1, event=GaussianEvent(0.5, 2.0, 1)))
    answer(ledger, release(2, event=event(2)))
    answer(ledger, release(3, event=GaussianEvent(0.5, 2.0, 3)))
    assert set(seen[-3:]) == {(GaussianEvent(0.5, 2.0, 4), GaussianEvent(1.0, 1.0, 2))}


@pytest.mark.parametrize("changes", [{"run": 0.0}, {"year": -1.0}, {"lifetime": float("inf")}, {"delta": 1.0}])
def test_caps_out_of_range_are_refused_by_name(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"caps.{next(iter(changes))}"):
        Caps(**{"run": 1.0, "year": 1.0, "lifetime": 1.0, "delta": 1e-5, **changes})


def test_a_cap_that_was_lowered_holds_for_what_is_spent_already(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    answer(open_ledger(url), release(1, cost=5))
    lowered = open_ledger(url, Caps(run=4, year=20, lifetime=30, delta=1e-5))
    with pytest.raises(BudgetExceeded, match=r"at most 4 \(5.000000 spent\)"):
        lowered.reserve(release(2))
    answer(lowered, release(2, run_id="run-2"))
    assert lowered.verify(recompute=True).entries == 5
