"""Promises are held against what a quorum cosigned: kept ones are proved, broken ones are findings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_member import MemberWorld, member_world

from clients.institution.oversight import folder
from protocols.errors import ProofError, SignatureError
from protocols.transparency import (
    Entry,
    Promise,
    WitnessKey,
    attach,
    check_kept,
    cosign,
    open_checkpoint,
    split_note,
    verify_promise,
)
from server.log import LogStore


@pytest.fixture
def member(tmp_path: Path) -> Iterator[MemberWorld]:
    with member_world(tmp_path) as world:
        yield world


def cosigned(member: MemberWorld, store: LogStore) -> bytes:
    note = store.checkpoint()
    key = WitnessKey.from_pem(member.home.witness_key.to_pem())
    return attach(note, [cosign(split_note(note)[0], key, time.time())])


def test_what_was_kept_is_proved_and_remembered(member: MemberWorld) -> None:
    member.spend(1, 2)
    member.say()
    note = cosigned(member, member.log.host.store)
    with member.client() as log:
        member.receipts().collect(log, note)
    included = member.folder.included()
    assert included == member.ledger().tip
    assert member.kept.owed(100) == []
    for sequence in range(1, 5):
        proof = member.kept.proof(sequence)
        assert proof is not None
        assert proof.note == note
    assert member.folder.findings() == []


def test_without_a_quorum_nothing_is_proved(member: MemberWorld) -> None:
    member.spend(1)
    member.say()
    with member.client() as log, pytest.raises(SignatureError, match="quorum"):
        member.receipts().collect(log, member.log.host.store.checkpoint())
    assert member.folder.included() is None


def test_an_entry_that_was_dropped_is_a_finding_with_its_evidence(member: MemberWorld) -> None:
    """The coordinator promised, then shows a tree without the entry that a quorum of fooled witnesses cosigned."""
    member.spend(1)
    member.say()
    without = member.other_log("without.db")
    without.extend([Entry("example", b'{"n":%d}' % n) for n in range(5)])
    member.log.host.store = without
    note = cosigned(member, without)
    for _ in range(2):
        with member.client() as log:
            member.receipts().collect(log, note)
    findings = member.folder.findings()
    assert [(found["code"], found["sequence"]) for found in findings] == [("promise_broken", 1), ("promise_broken", 2)]
    promise = Promise.decode(findings[0]["promise"].encode())
    verify_promise(promise, promise.leaf_hash, member.log_key, time.time())
    checkpoint = open_checkpoint(findings[0]["note"].encode(), member.log_key)
    assert checkpoint.size > promise.index
    path = without.inclusion(Entry("example", b'{"n":0}').hash, checkpoint.size).path
    with pytest.raises(ProofError):
        check_kept(promise, checkpoint, path)
    assert member.folder.included() is None


def test_a_promise_whose_time_is_over_is_a_finding(member: MemberWorld) -> None:
    member.spend(1)
    member.say()
    receipts = member.receipts()
    receipts._clock = lambda: time.time() + 7200
    early = member.other_log("early.db")
    member.log.host.store = early
    with member.client() as log:
        receipts.collect(log, cosigned(member, early))
    assert [found["code"] for found in member.folder.findings()] == ["promise_overdue"] * 2


def test_a_fact_cannot_take_the_place_of_the_time(member: MemberWorld) -> None:
    """The place of an entry, called `at`, stood for the time: every look at the same one was a new finding."""
    with pytest.raises(ValueError, match="at"):
        member.folder.find("roster_refused", at=7)
    assert member.folder.findings() == []


def test_a_log_that_makes_up_findings_fills_no_disk_and_hides_no_other(
    member: MemberWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_OF_ONE", 5)
    for index in range(20):
        member.folder.find("roster_refused", index=index)
    member.folder.find("log_forked", note="x")
    found = [(found["code"], found.get("of")) for found in member.folder.findings()]
    assert found == [("roster_refused", None)] * 5 + [("findings_full", "roster_refused"), ("log_forked", None)]


def test_findings_are_lines_that_can_be_read(member: MemberWorld) -> None:
    member.folder.find("promise_broken", sequence=1, promise="{}", note="x")
    member.folder.find("promise_broken", sequence=1, promise="{}", note="x")
    file = member.folder.path / "findings.jsonl"
    assert len(file.read_text().splitlines()) == 1
    file.write_text(file.read_text() + '{"torn')
    assert [found["code"] for found in member.folder.findings()] == ["promise_broken"]
    assert json.loads(file.read_text().splitlines()[0])["at"]
