"""One suite for every memory of granted tickets: the institution's, and the one that tests of tickets use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import empty_database
from tickets_world import MemoryGuard

from clients.institution.lookup.guard_store import GuardStore
from federation.runtime.database import open_engine
from protocols.lookup.ticket import Charge, TicketGuard, TicketRefused

ONE, TWO, THREE, FOUR = (bytes([number]) * 32 for number in (1, 2, 3, 4))


@pytest.fixture(params=["of the tests", "sqlite", "postgresql"])
def guard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TicketGuard]:
    if request.param == "of the tests":
        yield MemoryGuard()
    else:
        with empty_database(request, tmp_path) as url:
            yield GuardStore(open_engine(url), bytes(32))


def charge(guard: TicketGuard, leaf: bytes, serial: str, *, querier: str = "bank-a", day: int = 1) -> None:
    [refused] = guard.charge([ticket(leaf, serial, querier=querier, day=day)])
    if refused is not None:
        raise refused


def ticket(leaf: bytes, serial: str, *, querier: str = "bank-a", day: int = 1) -> Charge:
    return Charge(querier=querier, day=day, leaf_hash=leaf, serial=serial, limit=2, promise=b"p")


def test_a_leaf_is_charged_once_on_whatever_day(guard: TicketGuard) -> None:
    assert not guard.charged({ONE})
    for day in (1, 1, 2):
        charge(guard, ONE, "a", day=day)
    assert guard.charged({ONE, TWO}) == {ONE}
    charge(guard, TWO, "b")
    with pytest.raises(TicketRefused):
        charge(guard, THREE, "c")


def test_a_receipt_serves_one_leaf_of_its_querier(guard: TicketGuard) -> None:
    charge(guard, ONE, "a")
    with pytest.raises(TicketRefused) as refused:
        charge(guard, TWO, "a", day=2)
    assert refused.value.code == "conflict"
    assert not guard.charged({TWO})
    charge(guard, TWO, "a", querier="bank-b")


def test_a_quota_of_a_querier_and_day(guard: TicketGuard) -> None:
    charge(guard, ONE, "a")
    charge(guard, TWO, "b")
    with pytest.raises(TicketRefused) as refused:
        charge(guard, THREE, "c")
    assert refused.value.code == "quota"
    assert not guard.charged({THREE})
    charge(guard, THREE, "c", day=2)  # what was refused left its receipt unused


def codes(guard: TicketGuard, *tickets: Charge) -> list[str]:
    return ["" if refused is None else refused.code for refused in guard.charge(tickets)]


def test_what_comes_together_is_charged_as_if_each_had_come_alone(guard: TicketGuard) -> None:
    found = codes(
        guard,
        ticket(ONE, "a"),
        ticket(ONE, "a"),  # the same leaf again is free
        ticket(TWO, "a"),  # its receipt has served
        ticket(TWO, "b"),
        ticket(THREE, "c"),  # a third one of the day
        ticket(ONE, "a", day=2),
        ticket(THREE, "c", day=2),
        ticket(FOUR, "a", querier="bank-b"),
    )
    assert found == ["", "", "conflict", "", "quota", "", "", ""]
    assert guard.charged({ONE, TWO, THREE, FOUR}) == {ONE, TWO, THREE, FOUR}


ASKED = st.tuples(st.sampled_from([ONE, TWO, THREE, FOUR]), st.sampled_from("abc"), st.sampled_from([1, 2]))


@settings(max_examples=30)
@given(st.lists(ASKED, max_size=12), st.integers(1, 12))
def test_no_cut_of_the_requests_changes_who_gets_a_ticket(asked: list[tuple[bytes, str, int]], size: int) -> None:
    tickets = [ticket(leaf, serial, day=day) for leaf, serial, day in asked]
    alone, together = (GuardStore(open_engine("sqlite://"), bytes(32)) for _ in range(2))
    singly = [code for one in tickets for code in codes(alone, one)]
    cut = [code for first in range(0, len(tickets), size) for code in codes(together, *tickets[first : first + size])]
    assert cut == singly
    assert codes(MemoryGuard(), *tickets) == singly
    for day in (1, 2):
        assert together.used("bank-a", day) == alone.used("bank-a", day) <= 2
    assert together.leaves() == alone.leaves()
