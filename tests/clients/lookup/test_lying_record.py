"""A relay that lies in the record: what an institution replicates is in order, of this epoch, and its maker's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lying_coordinator import Coordinator

from clients.institution.lookup.epoch_record import EpochRecord
from federation.errors import ConfigurationError
from protocols.errors import MessageError, SignatureError
from protocols.lookup.bound import MAX_STEP_BYTES
from protocols.signing import SigningKey
from protocols.wire import lookup_pb2 as wire

COMMITMENT = {"commitment": "11" * 32}


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path)


def test_no_step_is_left_out_or_shown_twice(coordinator: Coordinator) -> None:
    key = coordinator.played["bank-b"]
    for skipped in (1, -1):
        with pytest.raises(MessageError, match=f"record: got sequence {2 + skipped}, expected 2"):
            coordinator.say("commit", "bank-b", COMMITMENT, key, skipped=skipped)
    assert not coordinator.record.has("commit", "bank-b")


def test_a_step_of_another_epoch_is_none_of_this_one(coordinator: Coordinator) -> None:
    """Signed by the member, and true when it was said: the relay shows it where the member said something else."""
    with pytest.raises(MessageError, match=r"step\.counter: got 2, expected 1"):
        coordinator.say("commit", "bank-b", COMMITMENT, coordinator.played["bank-b"], counter=2)
    assert not coordinator.record.has("commit", "bank-b")


def test_a_record_stays_with_its_epoch(coordinator: Coordinator) -> None:
    with pytest.raises(MessageError, match=r"view\.counter: got 2, expected 1"):
        coordinator.record.take(wire.EpochView(counter=2, phase="open"))
    assert (coordinator.record.counter, coordinator.record.phase) == (1, "keys")


def test_a_member_that_says_two_things_is_believed_once(coordinator: Coordinator) -> None:
    key = coordinator.played["bank-b"]
    coordinator.say("commit", "bank-b", COMMITMENT, key)
    with pytest.raises(MessageError, match="a second commit of bank-b"):
        coordinator.say("commit", "bank-b", {"commitment": "22" * 32}, key)
    assert coordinator.record.body("commit", "bank-b") == COMMITMENT


def test_nobody_is_heard_who_is_not_in_the_epoch(coordinator: Coordinator) -> None:
    with pytest.raises(MessageError, match=r"step\.party: got mallory"):
        coordinator.say("commit", "mallory", COMMITMENT, SigningKey.generate())


def test_a_body_has_the_room_of_a_step_and_no_more(coordinator: Coordinator) -> None:
    key = coordinator.played["bank-b"]
    with pytest.raises(MessageError, match=rf"step\.body: got {MAX_STEP_BYTES + 1} bytes"):
        coordinator.say("commit", "bank-b", b"0" * (MAX_STEP_BYTES + 1), key)
    coordinator.say("commit", "bank-b", b"0" * MAX_STEP_BYTES, key)


def test_each_party_speaks_under_its_own_key(coordinator: Coordinator) -> None:
    """The coordinator speaks for no member, one member not for another, nobody but the coordinator for who left."""
    pool, relay = SigningKey.generate(), coordinator.key
    other = Coordinator.__new__(Coordinator)
    vars(other).update(vars(coordinator))
    other.record = EpochRecord(relay.public, "bank-a", coordinator.victim.public)
    other.say("propose", "relay", coordinator.proposal | {"pool_key": pool.public.hex}, relay)
    member = coordinator.played["bank-b"]
    for kind, party, forger in (
        ("commit", "bank-b", relay),
        ("commit", "bank-a", member),
        ("stored", "pool", relay),
        ("roster", "relay", member),
        ("left", "bank-b", member),
    ):
        with pytest.raises(SignatureError, match=r"envelope\.signer"):
            other.say(kind, party, {}, forger)
    other.say("stored", "pool", {}, pool)
    other.say("left", "bank-b", {}, relay)
    assert other.record.has("stored", "pool")
    assert other.record.has("left", "bank-b")


def proposed(coordinator: Coordinator, members: dict[str, Any]) -> EpochRecord:
    """A record that begins with another proposal."""
    coordinator.record = EpochRecord(coordinator.key.public, "bank-a", coordinator.victim.public)
    coordinator.say("propose", "relay", coordinator.proposal | {"members": members}, coordinator.key)
    return coordinator.record


def test_nobody_takes_the_place_of_this_institution(coordinator: Coordinator) -> None:
    """Under its name and another key the coordinator would enrol, report and build a table in its place."""
    members = coordinator.proposal["members"]
    own = {"key": SigningKey.generate().public.hex, "customers": 10}
    with pytest.raises(ConfigurationError, match="key of bank-a: got another in the epoch"):
        proposed(coordinator, {**members, "bank-a": own})
    without = proposed(coordinator, {name: each for name, each in members.items() if name != "bank-a"})
    assert not without.takes_part
