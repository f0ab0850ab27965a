"""One suite for every memory of granted tickets: the institution's, and the one that tests of tickets use."""

from __future__ import annotations

from pathlib import Path

import pytest
from tickets_world import MemoryGuard

from clients.institution.lookup.guard_store import GuardStore
from federation.runtime.database import open_engine
from protocols.lookup.ticket import TicketGuard, TicketRefused

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture(params=["memory", "database"])
def guard(request: pytest.FixtureRequest, tmp_path: Path) -> TicketGuard:
    if request.param == "memory":
        return MemoryGuard()
    return GuardStore(open_engine(f"sqlite:///{tmp_path / 'guard.db'}"), bytes(32))


def charge(guard: TicketGuard, leaf: bytes, serial: str, *, querier: str = "bank-a", day: int = 1) -> None:
    guard.charge(querier=querier, day=day, leaf_hash=leaf, serial=serial, limit=2, promise=b"p")


def test_a_leaf_is_charged_once_on_whatever_day(guard: TicketGuard) -> None:
    assert not guard.charged(ONE)
    for day in (1, 1, 2):
        charge(guard, ONE, "a", day=day)
    assert guard.charged(ONE)
    charge(guard, TWO, "b")
    with pytest.raises(TicketRefused):
        charge(guard, THREE, "c")


def test_a_receipt_serves_one_leaf_of_its_querier(guard: TicketGuard) -> None:
    charge(guard, ONE, "a")
    with pytest.raises(TicketRefused) as refused:
        charge(guard, TWO, "a", day=2)
    assert refused.value.code == "conflict"
    assert not guard.charged(TWO)
    charge(guard, TWO, "a", querier="bank-b")


def test_a_quota_of_a_querier_and_day(guard: TicketGuard) -> None:
    charge(guard, ONE, "a")
    charge(guard, TWO, "b")
    with pytest.raises(TicketRefused) as refused:
        charge(guard, THREE, "c")
    assert refused.value.code == "quota"
    assert not guard.charged(THREE)
    charge(guard, THREE, "c", day=2)  # what was refused left its receipt unused
