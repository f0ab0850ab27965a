"""One suite for every database a ledger can live in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Caps, Kind, Ledger, Release, Scope
from federation.ledger.budget import Epsilons
from federation.privacy.event import GaussianEvent
from federation.runtime.database import open_engine, writing
from protocols.signing import SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
Open = Callable[[], Ledger]
every_database = pytest.mark.parametrize("database_url", ["memory", "sqlite", "postgresql"], indirect=True)


def adding(events: Sequence[GaussianEvent], delta: float, order: int | None = None) -> Epsilons:
    total = float(sum(event.steps for event in events))
    return SimpleNamespace(pld=total, prv=total, rdp=total)


def release(round: int, run_id: str = "run-1") -> Release:
    hashes = {"plan_hash": "a" * 64, "catalogue_hash": "b" * 64, "model_hash": f"{round:064x}"}
    event = GaussianEvent(1.0, 1.0, 1)
    return Release(run_id, "train", round, event, 1e-5, **hashes, nominal_records=1000, vintage="", family="additive")


@pytest.fixture
def opened(database_url: str) -> Iterator[Open]:
    """Opens ledgers on one database and closes them."""
    ledgers: list[Ledger] = []

    def open_one() -> Ledger:
        caps = Caps(run=6, year=8, lifetime=12, delta=1e-5)
        now = datetime(2025, 6, 1, tzinfo=UTC)
        ledger = Ledger.open(
            database_url, institution="bank-a", key=KEY, caps=caps, clock=lambda: now, accountant=adding
        )
        ledgers.append(ledger)
        return ledger

    yield open_one
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def ledger(opened: Open) -> Ledger:
    return opened()


@every_database
def test_reserve_spend_and_read_back(ledger: Ledger) -> None:
    reservation = ledger.reserve(release(1))
    spent = ledger.spend(reservation, "c" * 64, b"\x00reply\xff")
    assert [signed.entry.kind for signed in ledger.entries()] == [Kind.RESERVE, Kind.SPEND]
    assert ledger.entries()[1] == spent
    assert ledger.head == spent.hash
    assert ledger.stored_reply("run-1", "train", 1, f"{1:064x}") == b"\x00reply\xff"
    assert ledger.claims("run", "run-1").pld == ledger.claims(Scope.YEAR).pld == ledger.claims("lifetime").pld == 1
    assert ledger.verify(recompute=True).entries == 2


@every_database
def test_a_cap_refuses_and_the_refusal_is_kept(ledger: Ledger) -> None:
    for round in range(1, 7):
        ledger.spend(ledger.reserve(release(round)), "c" * 64, b"reply")
    with pytest.raises(BudgetExceeded, match=r"budget\.run: got epsilon 7"):
        ledger.reserve(release(7))
    assert ledger.entries()[-1].entry.kind is Kind.REFUSE
    assert ledger.claims("run", "run-1").pld == 6


@every_database
def test_failed_and_lost_work_stays_charged(ledger: Ledger) -> None:
    ledger.fail(ledger.reserve(release(1)), "internal")
    ledger.reserve(release(1))
    assert ledger.recover() == 1
    assert ledger.reserve(release(1)).release.attempt == 3
    assert ledger.claims("lifetime").pld == 3
    assert [s.entry.kind for s in ledger.entries()] == [
        Kind.RESERVE,
        Kind.SPEND,
        Kind.RESERVE,
        Kind.UNKNOWN,
        Kind.RESERVE,
    ]


@every_database
def test_what_is_not_committed_is_forgotten(ledger: Ledger) -> None:
    """A reply that cannot be stored takes its spend back with it; the reservation stays open and charged."""
    reservation = ledger.reserve(release(1))
    with pytest.raises((LedgerError, TypeError)):
        ledger.spend(reservation, "c" * 64, None)  # type: ignore[arg-type]
    assert [s.entry.kind for s in ledger.entries()] == [Kind.RESERVE]
    ledger.spend(reservation, "c" * 64, b"reply")
    assert ledger.verify().entries == 2


@every_database
def test_threads_take_turns(ledger: Ledger) -> None:
    def work(round: int) -> bool:
        try:
            ledger.spend(ledger.reserve(release(round)), "c" * 64, b"reply")
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(1, 11))) == 6
    assert ledger.verify(recompute=True).entries == 16


@pytest.mark.parametrize("statement", ["UPDATE ledger_entries SET signature = signature", "DELETE FROM ledger_entries"])
def test_the_database_is_append_only(database_url: str, statement: str, opened: Open) -> None:
    ledger = opened()
    ledger.spend(ledger.reserve(release(1)), "c" * 64, b"reply")
    engine = open_engine(database_url)
    try:
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(text(statement))
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(text("DELETE FROM ledger_replies"))
    finally:
        engine.dispose()
    assert ledger.verify().entries == 2


def test_a_second_opening_continues_the_chain_and_closes_what_was_open(opened: Open) -> None:
    first = opened()
    first.spend(first.reserve(release(1)), "c" * 64, b"reply")
    lost = first.reserve(release(2))
    second = opened()
    assert [s.entry.kind for s in second.entries()][2:] == [Kind.RESERVE, Kind.UNKNOWN]
    with pytest.raises(LedgerError, match="open reservation"):
        first.spend(lost, "c" * 64, b"late")
    second.reserve(release(3))
    first.reserve(release(4))
    assert first.head == second.head
    assert first.claims("lifetime").pld == second.claims("lifetime").pld == 4


def test_two_openings_share_the_last_budget(opened: Open) -> None:
    ledgers = (opened(), opened())

    def work(number: int) -> bool:
        try:
            ledgers[number % 2].reserve(release(number, run_id=f"run-{number % 2}"))
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(20))) == 8
    assert ledgers[0].claims("year").pld == ledgers[1].claims("year").pld == 8
