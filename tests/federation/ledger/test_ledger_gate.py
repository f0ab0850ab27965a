"""reserve, spend, fail, refuse, recover: what the gate lets through and what it remembers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import (
    SettableClock,
    answer,
    memory_ledger,
    model_hash,
    open_ledger,
    release,
    update_hash,
)

from federation.errors import LedgerError
from federation.ledger import Caps, Kind, Ledger, Release, Scope


def test_a_release_is_charged_when_it_is_reserved_not_when_it_is_spent() -> None:
    ledger = memory_ledger()
    ledger.reserve(release(1, cost=3))
    assert [signed.entry.kind for signed in ledger.entries()] == [Kind.RESERVE]
    assert {scope: ledger.claims(scope, "run-1" if scope == "run" else None).pld for scope in Scope} == {
        Scope.RUN: 3,
        Scope.YEAR: 3,
        Scope.LIFETIME: 3,
    }


def test_spend_keeps_the_reply_for_whoever_asks_again() -> None:
    ledger = memory_ledger()
    reply = answer(ledger, release(4))
    assert ledger.stored_reply("run-1", "train", 4, model_hash(4)) == reply
    assert ledger.stored_reply("run-1", "train", 4, model_hash(5)) is None
    assert ledger.stored_reply("run-1", "evaluate", 4, model_hash(4)) is None


def test_an_answered_release_cannot_be_reserved_again() -> None:
    ledger = memory_ledger()
    answer(ledger, release(1))
    with pytest.raises(LedgerError, match="stored reply"):
        ledger.reserve(release(1))
    assert ledger.claims("lifetime").pld == 1


def test_a_round_under_way_cannot_be_reserved_again() -> None:
    ledger = memory_ledger()
    ledger.reserve(release(1))
    with pytest.raises(LedgerError, match="under way"):
        ledger.reserve(release(1, model_hash="c" * 64))


def test_work_that_failed_stays_charged_and_the_round_may_be_tried_again() -> None:
    ledger = memory_ledger()
    ledger.fail(ledger.reserve(release(1)), "internal")
    second = ledger.reserve(release(1))
    assert second.release.attempt == 2
    assert ledger.entries()[1].entry.error == "internal"
    assert ledger.claims("run", "run-1").pld == 2


def test_what_a_crash_left_open_becomes_unknown_and_stays_charged() -> None:
    ledger = memory_ledger()
    lost = ledger.reserve(release(1))
    assert ledger.recover() == 1
    assert ledger.entries()[-1].entry.kind is Kind.UNKNOWN
    assert ledger.entries()[-1].entry.reservation == lost.entry_hash
    assert ledger.claims("lifetime").pld == 1
    with pytest.raises(LedgerError, match="open reservation"):
        ledger.spend(lost, update_hash(1), b"late")
    assert ledger.stored_reply("run-1", "train", 1, model_hash(1)) is None
    assert ledger.reserve(release(1)).release.attempt == 2
    assert ledger.recover() == 1


def test_without_recovery_another_process_may_write_beside_an_open_reservation(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    node = open_ledger(url)
    at_work = node.reserve(release(1))
    beside = open_ledger(url, recover=False)
    beside.refuse("wrong_bundle", "bundle", got="other", expected="allowed", request_hash="d" * 64)
    node.spend(at_work, update_hash(1), b"reply")
    assert [signed.entry.kind for signed in node.entries()] == [Kind.RESERVE, Kind.REFUSE, Kind.SPEND]
    with pytest.raises(LedgerError, match="answered already"):
        beside.reserve(release(1))
    fenced = node.reserve(release(2))
    open_ledger(url).close()
    with pytest.raises(LedgerError, match="open reservation"):
        node.spend(fenced, update_hash(2), b"late")


def test_a_reservation_is_closed_once() -> None:
    ledger = memory_ledger()
    reservation = ledger.reserve(release(1))
    ledger.spend(reservation, update_hash(1), b"reply")
    for close in (lambda: ledger.spend(reservation, update_hash(1), b"reply"), lambda: ledger.fail(reservation, "x")):
        with pytest.raises(LedgerError, match="open reservation"):
            close()


def test_attempts_are_numbered_by_the_ledger() -> None:
    ledger = memory_ledger()
    with pytest.raises(LedgerError, match="attempt: got 2, expected 1"):
        ledger.reserve(release(1, attempt=2))
    assert ledger.reserve(release(1, attempt=1)).release.attempt == 1


def test_claims_of_a_run_need_its_id() -> None:
    with pytest.raises(LedgerError, match="a run id"):
        memory_ledger().claims("run")


def test_refused_requests_are_recorded_once_each() -> None:
    ledger = memory_ledger()
    answer(ledger, release(1))
    first = ledger.refuse("wrong_bundle", "bundle", got="f" * 300, expected="listed", request_hash="d" * 64)
    again = ledger.refuse("wrong_bundle", "bundle", got="f" * 300, expected="listed", request_hash="d" * 64)
    other = ledger.refuse("late", "deadline", got=1, expected=2, run_id="run-1")
    assert first == again
    assert first.entry.refusal is not None
    assert len(first.entry.refusal.got) == 200
    assert other.entry.amount(Scope.RUN) == ledger.claims("run", "run-1")
    assert first.entry.amount(Scope.RUN) is None
    assert ledger.verify().entries == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": ""},
        {"run_id": "a b"},
        {"run_id": "x" * 129},
        {"phase": "look"},
        {"round": -1},
        {"attempt": -1},
        {"delta": 0.0},
        {"delta": 1.0},
        {"nominal_records": 0},
        {"plan_hash": "a" * 63},
        {"model_hash": "A" * 64},
        {"catalogue_hash": "g" * 64},
        {"adjacency": "replace_one"},
    ],
)
def test_a_release_out_of_range_is_refused_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match=f"release.{next(iter(changes))}"):
        release(**changes)  # type: ignore[arg-type]


OPERATION = st.tuples(
    st.sampled_from(["answer", "fail", "crash", "refuse", "leave"]),
    st.integers(1, 3),  # run
    st.integers(1, 3),  # round
    st.integers(1, 4),  # cost
    st.booleans(),  # a year later
)


@settings(max_examples=40, deadline=None)
@given(st.lists(OPERATION, max_size=25))
def test_whatever_happens_the_book_holds(operations: list[tuple[str, int, int, int, bool]]) -> None:
    clock = SettableClock()
    ledger = memory_ledger(Caps(8, 12, 20, delta=1e-5), clock)
    granted = 0
    for number, (operation, run, round, cost, later) in enumerate(operations):
        if later:
            clock.now = clock.now.replace(year=clock.now.year + 1)
        granted += cost * _operate(ledger, operation, release(round, f"run-{run}", cost, model_hash=f"{number:064x}"))
    ledger.verify(recompute=True)
    assert ledger.claims("lifetime").pld == granted <= 20
    for scope in Scope:
        series: dict[str, float] = {}
        for amount in (a for signed in ledger.entries() if (a := signed.entry.amount(scope))):
            assert series.get(amount.key, 0.0) <= amount.pld <= amount.cap
            series[amount.key] = amount.pld


def _operate(ledger: Ledger, operation: str, wanted: Release) -> bool:
    """Whether the release was charged."""
    if operation == "refuse":
        ledger.refuse("late", "deadline", got=1, expected=0, run_id=wanted.run_id)
        return False
    try:
        reservation = ledger.reserve(wanted)
    except LedgerError:
        return False
    if operation == "answer":
        ledger.spend(reservation, update_hash(wanted.round), b"reply")
    elif operation == "fail":
        ledger.fail(reservation, "internal")
    elif operation == "crash":
        assert ledger.recover() >= 1
    return True


def test_what_a_run_has_cost_so_far_can_be_asked() -> None:
    ledger = memory_ledger()
    answer(ledger, release(1))
    ledger.fail(ledger.reserve(release(2)), "internal")
    ledger.reserve(release(2))
    ledger.reserve(release(3, run_id="run-2"))
    assert ledger.attempts("run-1", "train") == 3
    assert ledger.attempts("run-1", "evaluate") == 0
    assert ledger.answered("run-1", "train", 1)
    assert not ledger.answered("run-1", "train", 2)


def test_a_database_that_went_away_is_a_ledger_error(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TABLE ledger_replies")
        connection.execute("DROP TABLE ledger_entries")
    for use in (lambda: ledger.reserve(release(1)), ledger.entries):
        with pytest.raises(LedgerError, match="database"):
            use()


def test_what_was_handed_out_is_named_by_a_hash() -> None:
    ledger = memory_ledger()
    reservation = ledger.reserve(release(1))
    with pytest.raises(LedgerError, match="update_hash: got short"):
        ledger.spend(reservation, "short", b"reply")
    assert ledger.entries()[-1].entry.kind is Kind.RESERVE
