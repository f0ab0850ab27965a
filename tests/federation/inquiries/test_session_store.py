"""A holder answers a question once, and not without end, whatever dies in between."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from federation.errors import Refused
from federation.inquiries.session_store import KEEP_S, SessionStore

NOW, DAILY = 1_900_000_000, 100
ME, OTHER = "a" * 16, "b" * 16


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return opened(tmp_path)


def opened(folder: Path) -> SessionStore:
    return SessionStore.open(f"sqlite:///{folder / 'holder.db'}", DAILY)


def test_a_session_serves_once_also_after_a_restart(store: SessionStore, tmp_path: Path) -> None:
    store.begin(b"s" * 32, ME, 5, NOW)
    store.close()
    again = opened(tmp_path)
    with pytest.raises(Refused, match="session") as refused:
        again.begin(b"s" * 32, OTHER, 5, NOW + 1)
    assert refused.value.code == "conflict"


def test_it_is_decrypted_once_and_only_after_its_step(store: SessionStore, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no step"):
        store.finish(b"s" * 32)
    store.begin(b"s" * 32, ME, 5, NOW)
    with pytest.raises(Refused, match="no step"):
        store.finish(b"s" * 32)
    store.stepped(b"s" * 32, b"k" * 32)
    assert opened(tmp_path).finish(b"s" * 32) == b"k" * 32
    with pytest.raises(Refused, match="no step"):
        store.finish(b"s" * 32)


def test_one_person_asks_for_so_many_tags_in_a_day(store: SessionStore) -> None:
    store.begin(b"1" * 32, ME, 60, NOW)
    store.begin(b"2" * 32, ME, 40, NOW)
    with pytest.raises(Refused, match="at most 100") as refused:
        store.begin(b"3" * 32, ME, 1, NOW + 60)
    assert refused.value.code == "quota"
    store.begin(b"3" * 32, OTHER, 100, NOW + 60)
    assert store.today(NOW + 60) == (3, 200)
    store.begin(b"4" * 32, ME, 100, NOW + KEEP_S + 1)  # the day after
    assert store.today(NOW + KEEP_S + 1) == (2, 200)


def test_a_session_is_remembered_longer_than_its_request_is_accepted(store: SessionStore) -> None:
    from protocols.consent.check import CLOCK_SKEW_S
    from protocols.consent.tag_request import MAX_AGE_S

    store.begin(b"1" * 32, ME, 1, NOW)
    latest = NOW + CLOCK_SKEW_S + MAX_AGE_S  # a request dated as late as it may be
    with pytest.raises(Refused, match="session"):
        store.begin(b"1" * 32, ME, 1, latest)


def test_of_many_that_begin_one_session_at_once_one_does(store: SessionStore) -> None:
    begun: list[bool] = []

    def begin() -> None:
        try:
            store.begin(b"s" * 32, ME, 1, NOW)
            begun.append(True)
        except Refused:
            begun.append(False)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False] * 7 + [True]
