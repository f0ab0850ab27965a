"""A coordinator that lies in the key ceremony, or in the roster it makes of it: the joint key stays nobody's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lying_coordinator import Coordinator

from clients.institution.lookup import ceremony, joining
from clients.institution.lookup.ceremony import (
    Ceremony,
    accept_roster,
    context_of,
    encode_opening,
    own_ceremony,
    own_share,
)
from clients.institution.lookup.enrolment_count import EnrolmentCount
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.roster_approval import RosterApproval, RosterNotApproved
from federation.errors import ConfigurationError, Refused
from federation.runtime.database import open_engine
from protocols.errors import MessageError, ProofError
from protocols.lookup.proposal import roster_fingerprint
from protocols.lookup.roster import Roster
from protocols.oprf.group import base, random_scalar, subtract
from protocols.oprf.joint_key import Opening
from protocols.signing import SigningKey

MINE = random_scalar(os.urandom)
"""The whole joint key k, if the coordinator has its way: then every pseudonym is its to compute."""


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    made = Coordinator(tmp_path)
    approve(made)
    return made


def approve(coordinator: Coordinator) -> None:
    proposal = coordinator.record.body("propose", "relay")
    coordinator.folders.approval.approve(proposal, roster_fingerprint(proposal), 0.0)


def own(coordinator: Coordinator) -> Ceremony:
    return own_ceremony(coordinator.folders, coordinator.record, os.urandom)


def with_a_rogue_key(coordinator: Coordinator, *, revealed: bool) -> Roster:
    """bank-c's share is K' = k G - K_a - K_b, made once these are known: opened so, or written into the roster so."""
    victim, played = own(coordinator), coordinator.play()
    key = subtract(subtract(base(MINE), victim.share.public), played["bank-b"].share.public)
    if revealed:
        return coordinator.ceremony(victim, played=played, opened={"bank-c": Opening(key, bytes(64), bytes(32))})
    return coordinator.ceremony(victim, played=played, named={"bank-c": key})


@pytest.mark.parametrize(("revealed", "check"), [(True, "open_all"), (False, "_check_shares")])
def test_without_its_check_a_rogue_share_makes_the_joint_key_the_coordinators(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch, revealed: bool, check: str
) -> None:
    monkeypatch.setattr(ceremony, check, lambda *_: None)
    with_a_rogue_key(coordinator, revealed=revealed)
    assert accept_roster(coordinator.folders, coordinator.record).pseudonym_public == base(MINE)


def test_a_share_that_was_not_committed_to_is_refused_by_name(coordinator: Coordinator) -> None:
    roster = with_a_rogue_key(coordinator, revealed=True)
    with pytest.raises(ProofError, match="key of bank-c: got another opening"):
        accept_roster(coordinator.folders, coordinator.record)
    assert coordinator.folders.roster(roster.id).roster is None


def test_a_share_that_was_not_revealed_is_refused_by_name(coordinator: Coordinator) -> None:
    roster = with_a_rogue_key(coordinator, revealed=False)
    with pytest.raises(MessageError, match="pseudonym key of bank-c: got another, expected the revealed one"):
        accept_roster(coordinator.folders, coordinator.record)
    assert coordinator.folders.roster(roster.id).roster is None


def test_nothing_is_revealed_before_all_have_committed(coordinator: Coordinator) -> None:
    """Who commits last chooses the sum, if it has seen the others' shares: the victim opens nothing until then."""
    victim, played = own(coordinator), coordinator.play()
    keys = {"bank-a": coordinator.victim, **coordinator.played}
    for name, each in {"bank-a": victim, **played}.items():
        with pytest.raises(ConfigurationError, match=r"reveal: got no commitment of .*bank-c"):
            joining.reveal(coordinator.part())
        coordinator.say("commit", name, {"commitment": each.commitment.hex()}, keys[name])
    assert joining.reveal(coordinator.part()) == {"opening": encode_opening(victim.opening)}


CHANGED: dict[str, Callable[[Roster], dict[str, Any]]] = {
    "members": lambda roster: {"members": (*roster.members[:2], replace(roster.members[2], customers=9))},
    "parameters": lambda roster: {"parameters": replace(roster.parameters, daily_tickets=10**9)},
    "log_key": lambda roster: {"log_key": SigningKey.generate().public},
    "coordinator_key": lambda roster: {"coordinator_key": SigningKey.generate().public},
    "oversight": lambda roster: {"oversight": None},
    "authorities": lambda roster: {"authorities": ()},
}


@pytest.mark.parametrize("name", CHANGED)
def test_the_roster_says_what_people_here_approved(coordinator: Coordinator, name: str) -> None:
    """What was approved is the proposal; the roster comes after, and everything else hangs on it."""
    honest, changed = own(coordinator), CHANGED[name]
    coordinator.ceremony(honest, change=changed)
    with pytest.raises(MessageError, match=rf"roster\.{name}: got something else, expected what was proposed"):
        accept_roster(coordinator.folders, coordinator.record)


def test_the_coordinator_of_a_roster_is_the_pinned_one(tmp_path: Path) -> None:
    """Proposed under the pinned key, approved, and yet of another: its signatures would stand in every ticket."""
    made = Coordinator(tmp_path)
    other = SigningKey.generate().public
    made.record = EpochRecord(made.key.public, "bank-a", made.victim.public)
    made.say("propose", "relay", made.proposal | {"coordinator_key": other.hex}, made.key)
    approve(made)
    made.ceremony(own(made), change=lambda roster: {"coordinator_key": other})
    with pytest.raises(MessageError, match=rf"roster\.coordinator_key: got {other.key_id}"):
        accept_roster(made.folders, made.record)


def test_a_share_that_was_lost_or_is_another_is_not_drawn_anew(coordinator: Coordinator) -> None:
    """The roster's K_a has one secret: without it this institution would hold up every ticket, and with another too."""
    honest = own(coordinator)
    coordinator.ceremony(honest)
    [file] = coordinator.home.keys.iterdir()
    kept = file.read_bytes()
    file.write_bytes(Ceremony.make("bank-a", context_of(coordinator.record), os.urandom).encode())
    with pytest.raises(MessageError, match="pseudonym key of bank-a: got another, expected its own"):
        accept_roster(coordinator.folders, coordinator.record)
    file.unlink()
    with pytest.raises(ConfigurationError, match="pseudonym key: got none for this roster"):
        accept_roster(coordinator.folders, coordinator.record)
    file.write_bytes(kept)
    file.chmod(0o600)
    roster = accept_roster(coordinator.folders, coordinator.record)
    assert own_share(coordinator.folders, roster) == honest.share
    file.unlink()
    with pytest.raises(ConfigurationError, match="pseudonym key: got none, expected one made with this roster"):
        own_share(coordinator.folders, roster)


def second_ceremony(coordinator: Coordinator) -> None:
    """The next epoch's proposal: the same members and terms, and a new joint key."""
    coordinator.record = EpochRecord(coordinator.key.public, "bank-a", coordinator.victim.public)
    coordinator.say("propose", "relay", coordinator.proposal | {"auditors": ["bank-c"]}, coordinator.key)


def test_another_joint_key_under_one_approval_waits_for_a_person(coordinator: Coordinator) -> None:
    coordinator.ceremony(own(coordinator))
    first = accept_roster(coordinator.folders, coordinator.record)
    assert own(coordinator).share.public == first.member("bank-a").pseudonym_key  # this very ceremony goes on
    second_ceremony(coordinator)
    for _ in range(2):
        with pytest.raises(RosterNotApproved, match="a new joint key of the same members"):
            own(coordinator)
        approve(coordinator)  # by a script, as every night: what was approved stays so
    proposal = coordinator.record.body("propose", "relay")
    coordinator.folders.approval.approve(proposal, roster_fingerprint(proposal), 0.0, new_key=True)
    coordinator.ceremony(own(coordinator))
    second = accept_roster(coordinator.folders, coordinator.record)
    assert second.id != first.id
    with pytest.raises(RosterNotApproved):
        coordinator.folders.approval.check_key(first.id.hex(), proposal)


def test_unchecked_a_new_joint_key_lets_a_member_enrol_everybody_once_more(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attested number caps what one key evaluates: with a key an epoch it caps nothing."""
    monkeypatch.setattr(RosterApproval, "check_key", lambda *_: None)
    counted = EnrolmentCount(open_engine(f"sqlite:///{coordinator.home.path}/lookup.db"))
    for number in range(2):
        coordinator.ceremony(own(coordinator))
        roster = accept_roster(coordinator.folders, coordinator.record)
        everybody = roster.member("bank-b")
        counted.charge(roster.id, everybody, b"%d" % number, everybody.customers)
        with pytest.raises(Refused):
            counted.charge(roster.id, everybody, b"more", 1)
        second_ceremony(coordinator)
