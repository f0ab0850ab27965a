"""The ledger in the log: in its order, each entry once, whatever dies; and a ledger that went back is noticed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_member import MemberWorld, member_world, release

from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.oversight import Oversight
from federation.errors import LedgerBehind
from federation.ledger import Scope
from federation.oversight.reservations import read_logged
from protocols.transparency import Entry


@pytest.fixture
def member(tmp_path: Path) -> Iterator[MemberWorld]:
    with member_world(tmp_path) as world:
        yield world


def sequences(member: MemberWorld) -> list[int]:
    return [read_logged(Entry("ledger-entry", body)).entry.sequence for body in member.logged("ledger-entry")]


def test_every_entry_is_promised_in_order(member: MemberWorld) -> None:
    member.spend(1, 2)
    member.say()
    member.say()
    assert sequences(member) == [1, 2, 3, 4]
    last, tip = member.kept.last(), member.ledger().tip
    assert last == tip
    member.spend(3)
    member.say()
    assert sequences(member) == [1, 2, 3, 4, 5, 6]


def test_what_died_between_the_log_and_the_promise_is_said_once(member: MemberWorld, tmp_path: Path) -> None:
    """The log has the entries, their promises were lost with the process: the same promises again."""
    member.spend(1)
    member.say()
    first = member.kept.owed(100)
    member.kept.close()
    member.kept = KeptStore.open(f"sqlite:///{tmp_path / 'empty.db'}")
    member.say()
    assert member.kept.owed(100) == first
    assert sequences(member) == [1, 2]


def restore(member: MemberWorld, backup: Path) -> None:
    for file in member.home.path.glob("institution.db*"):
        file.unlink()
    shutil.copy(backup, member.home.path / "institution.db")


def back_up(member: MemberWorld, target: Path) -> Path:
    with sqlite3.connect(member.home.path / "institution.db") as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    return target


@pytest.fixture
def restored(member: MemberWorld, tmp_path: Path) -> MemberWorld:
    """Two rounds logged, then the ledger as it was after the first."""
    member.spend(1)
    backup = back_up(member, tmp_path / "backup.db")
    member.say()
    member.spend(2)
    member.say()
    restore(member, backup)
    return member


def test_a_restored_ledger_stops_without_asking_anybody(restored: MemberWorld) -> None:
    restored.log.host.store.close()
    with pytest.raises(LedgerBehind, match="ledger ends with entry 2, and entry 4 was logged"):
        Oversight(restored.home).check_start(restored.ledger())


def test_a_home_that_was_restored_whole_is_told_by_the_log(restored: MemberWorld) -> None:
    shutil.rmtree(restored.home.path / "oversight")
    with pytest.raises(LedgerBehind, match="entry 4 was logged"):
        Oversight(restored.home).check_start(restored.ledger())
    remembered = restored.folder.included()
    assert remembered is not None
    assert remembered.sequence == 4


def test_a_restored_ledger_that_was_written_on_is_another(restored: MemberWorld) -> None:
    """As many entries as were logged, or more: they are not the same."""
    ledger = restored.ledger()
    ledger.refuse("late", "request", got="late", expected="in time", request_hash="")
    ledger.spend(ledger.reserve(release(2)), "ee" * 32, b"another")
    assert ledger.tip.sequence == 5
    with pytest.raises(LedgerBehind, match="not the one that was logged"):
        Oversight(restored.home).check_start(ledger)


def test_unchecked_a_restored_ledger_gives_budget_back(restored: MemberWorld) -> None:
    """What the check is for: the ledger alone verifies, and charges the second round as if it had never been."""
    ledger = restored.ledger()
    ledger.verify()
    before = ledger.claims(Scope.RUN, "spring").pld
    ledger.spend(ledger.reserve(release(2)), "ee" * 32, b"another")
    assert ledger.claims(Scope.RUN, "spring").pld == pytest.approx(2 * before)


def test_a_ledger_that_is_ahead_of_the_log_starts(member: MemberWorld) -> None:
    """Killed between the reservation and its submission."""
    member.spend(1)
    member.say()
    member.spend(2)
    Oversight(member.home).check_start(member.ledger())
    member.say()
    assert sequences(member) == [1, 2, 3, 4]


def test_anothers_entries_are_not_ones_own(member: MemberWorld) -> None:
    other = member.coordinator.member("bank-b")
    world = MemberWorld(member.coordinator, member.log, other)
    world.spend(1, 2, 3)
    world.say()
    Oversight(member.home).check_start(member.ledger())
    assert member.folder.included() is None
