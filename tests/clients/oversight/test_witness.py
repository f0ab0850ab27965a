"""A witness cosigns one history: what it does about a log that forks, goes back, or dies in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_member import MemberWorld, member_world

from clients.institution.oversight.log_client import LogClient
from federation.errors import Refused
from federation.runtime.rpc import Unreachable
from protocols.transparency import Entry, Fork, WitnessVerifier, cosignature_time
from server.log import LogStore


@pytest.fixture
def member(tmp_path: Path) -> Iterator[MemberWorld]:
    with member_world(tmp_path) as world:
        yield world


def grow(store: LogStore, text: str, count: int = 1) -> bytes:
    store.extend([Entry("example", b'{"n":%d,"t":"%b"}' % (n, text.encode())) for n in range(count)])
    return store.checkpoint()


def own(member: MemberWorld) -> WitnessVerifier:
    return WitnessVerifier.of(member.home.witness_key.public)


def is_cosigned(member: MemberWorld, store: LogStore) -> bool:
    note = store.published()
    assert note is not None
    return cosignature_time(note, own(member)) is not None


def test_a_log_that_grows_is_cosigned(member: MemberWorld) -> None:
    store, witness = member.log.host.store, member.witness()
    for text in ("one", "two"):
        with member.client() as log:
            assert witness.consider(log, grow(store, text, 3))
        assert is_cosigned(member, store)
    assert witness.size == store.size()
    assert member.witness().size == store.size()
    assert not witness.alarmed


def test_a_fork_is_an_alarm_and_ends_all_cosigning(member: MemberWorld) -> None:
    true = member.log.host.store
    with member.client() as log:
        assert member.witness().consider(log, grow(true, "true", 4))
    forked = member.other_log("forked.db")
    member.log.host.store = forked
    shown = grow(forked, "forked", 4)
    with member.client() as log:
        witness = member.witness()
        assert not witness.consider(log, shown)
    assert not is_cosigned(member, forked)
    assert [finding["code"] for finding in member.folder.findings()] == ["log_forked"]
    alarm = json.loads(member.folder.alarm.read_bytes())
    assert Fork(alarm["seen"].encode(), alarm["shown"].encode()).verify(member.log_key) == 5
    member.log.host.store = true
    with member.client() as log:
        assert not member.witness().consider(log, grow(true, "more"))
    assert not is_cosigned(member, true)
    member.folder.alarm.unlink()  # a person has found out
    with member.client() as log:
        assert member.witness().consider(log, true.checkpoint())


def test_a_fork_that_is_longer_is_noticed_too(member: MemberWorld) -> None:
    with member.client() as log:
        assert member.witness().consider(log, grow(member.log.host.store, "true", 4))
    forked = member.other_log("forked.db")
    member.log.host.store = forked
    with member.client() as log:
        assert not member.witness().consider(log, grow(forked, "forked", 9))
    assert member.witness().alarmed


def test_a_log_that_goes_back_is_an_alarm(member: MemberWorld) -> None:
    with member.client() as log:
        assert member.witness().consider(log, grow(member.log.host.store, "true", 4))
    shorter = member.other_log("shorter.db")
    member.log.host.store = shorter
    with member.client() as log:
        assert not member.witness().consider(log, grow(shorter, "true", 1))
    assert [finding["code"] for finding in member.folder.findings()] == ["log_went_back"]


def test_without_memory_a_fork_is_cosigned(member: MemberWorld) -> None:
    """What the memory is for."""
    with member.client() as log:
        assert member.witness().consider(log, grow(member.log.host.store, "true", 4))
    forked = member.other_log("forked.db")
    member.log.host.store = forked
    (member.folder.path / "witness.note").unlink()
    with member.client() as log:
        assert member.witness().consider(log, grow(forked, "forked", 4))
    assert is_cosigned(member, forked)


class Dying(LogClient):
    """The process ends before the cosignature is handed in."""

    def cosign(self, note: bytes) -> None:
        raise Unreachable("cosign", got="a dead process", expected="an answer")


def test_a_witness_that_died_before_it_handed_in_does_so_later(member: MemberWorld) -> None:
    store = member.log.host.store
    note = grow(store, "one", 3)
    with pytest.raises(Unreachable), Dying(member.home) as log:
        member.witness().consider(log, note)
    assert not is_cosigned(member, store)
    with member.client() as log:
        assert member.witness().consider(log, log.candidate(after=3, wait_ms=10_000))
    assert is_cosigned(member, store)


def test_a_witness_of_no_member_is_refused(member: MemberWorld) -> None:
    member.coordinator.store.revoke("bank-a", "left", member.coordinator.desk.now_ms())
    assert member.record() == 1
    with member.client() as log, pytest.raises(Refused):
        member.witness().consider(log, grow(member.log.host.store, "one"))
