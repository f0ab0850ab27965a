"""What a blind model has answered, on every database that may count it, and in the memory that tests use."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import empty_database

from clients.institution.blind.count_store import CountStore
from protocols.blind import AnswerCount, MemoryCount, Quota, QuotaError, Spent

MODEL, OTHER = bytes([1]) * 32, bytes([2]) * 32


class Clock:
    """Stands at noon of a day."""

    day = 20_000

    def __call__(self) -> float:
        return self.day * 86_400 + 43_200.0


@pytest.fixture(params=["of the tests", "sqlite", "postgresql"])
def count(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnswerCount]:
    if request.param == "of the tests":
        yield MemoryCount()
    else:
        with empty_database(request, tmp_path) as url:
            store = CountStore.open(url, Clock())
            yield store
            store.close()


def test_a_lifetime_is_everybodys(count: AnswerCount) -> None:
    quota = Quota(5, 4)
    count.charge(MODEL, "a", 3, quota)
    with pytest.raises(QuotaError, match=r"quota\.requester"):
        count.charge(MODEL, "a", 2, quota)
    with pytest.raises(QuotaError, match=r"quota\.lifetime"):
        count.charge(MODEL, "b", 3, quota)
    count.charge(MODEL, "b", 2, quota)
    with pytest.raises(QuotaError, match=r"quota\.lifetime"):
        count.charge(MODEL, "c", 1, quota)
    count.charge(OTHER, "c", 1, quota)  # another model has its own


def test_answers_in_other_parts_are_refused_and_charge_nothing(count: AnswerCount) -> None:
    count.charge(MODEL, "a", 1, Quota(5, 5), b"p" * 32)
    with pytest.raises(QuotaError, match=r"quota\.parts"):
        count.charge(MODEL, "a", 1, Quota(5, 5), b"q" * 32)
    count.charge(MODEL, "a", 4, Quota(5, 5), b"p" * 32)
    count.charge(OTHER, "a", 1, Quota(5, 5), b"q" * 32)


def test_a_day_is_a_lenders_own(database_url: str) -> None:
    clock, quota = Clock(), Quota(9, 9, per_day=2)
    store = CountStore.open(database_url, clock)
    store.charge(MODEL, "a", 2, quota)
    store.charge(MODEL, "b", 1, quota)
    with pytest.raises(QuotaError, match=r"quota\.day"):
        store.charge(MODEL, "a", 1, quota)
    clock.day += 1
    store.charge(MODEL, "a", 2, quota)
    assert store.spent(MODEL, "a") == Spent(5, 4, 2)
    assert store.by_lender(MODEL) == {"a": 4, "b": 1}
    assert CountStore.open(database_url, clock).spent(MODEL, "b") == Spent(5, 1, 0)


def test_lenders_are_allowed_by_key_and_revoked(database_url: str) -> None:
    store = CountStore.open(database_url, Clock())
    store.allow("a", "key 1")
    assert store.may_ask("a", "key 1")
    assert not store.may_ask("a", "key 2")
    assert not store.may_ask("b", "key 1")
    store.allow("a", "key 2")
    assert store.may_ask("a", "key 2")
    assert not store.may_ask("a", "key 1")
    assert store.revoke("a")
    assert not store.revoke("a")
    assert not store.may_ask("a", "key 2")
    [lender] = store.lenders()
    assert lender.revoked == int(Clock()())


def spend(
    url: str, lender: str, start: multiprocessing.synchronize.Barrier, granted: multiprocessing.Queue[int]
) -> None:
    store = CountStore.open(url, Clock())
    start.wait()
    got = 0
    for _ in range(20):
        try:
            store.charge(MODEL, lender, 1, Quota(25, 25))
            got += 1
        except QuotaError:
            pass
    granted.put(got)


def test_processes_at_once_cannot_spend_the_same_answer(database_url: str) -> None:
    CountStore.open(database_url, Clock()).close()
    context = multiprocessing.get_context("spawn")
    start, granted = context.Barrier(3), context.Queue()
    workers = [context.Process(target=spend, args=(database_url, f"l{n}", start, granted)) for n in range(3)]
    for worker in workers:
        worker.start()
    assert sum(granted.get(timeout=60) for _ in workers) == 25
    for worker in workers:
        worker.join()
    assert CountStore.open(database_url, Clock()).spent(MODEL, "l0").model == 25
