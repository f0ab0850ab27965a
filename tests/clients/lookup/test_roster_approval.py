"""A coordinator that makes the other members up gets nothing: no key share, no signature, before a person approves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from lying_coordinator import OTHERS, Coordinator
from pydantic import ValidationError

from clients.institution.lookup import joining, publishing
from clients.institution.lookup.ceremony import accept_roster, own_ceremony
from clients.institution.lookup.roster_approval import RosterApproval, RosterNotApproved
from clients.institution.lookup.roster_cli import describe
from clients.institution.lookup.settings import LookupSettings
from federation.errors import ConfigurationError
from protocols.errors import MessageError
from protocols.lookup.proposal import roster_fingerprint
from protocols.signing import SigningKey


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path, cadence_s=1, daily_tickets=10**9)


def test_members_that_the_coordinator_made_up_get_no_share_of_a_key(coordinator: Coordinator) -> None:
    with pytest.raises(RosterNotApproved, match=roster_fingerprint(coordinator.proposal)):
        own_ceremony(coordinator.folders, coordinator.record, os.urandom)
    with pytest.raises(RosterNotApproved):
        accept_roster(coordinator.folders, coordinator.record)
    with pytest.raises(RosterNotApproved):
        joining.secrets(coordinator.part())
    assert not list(coordinator.home.keys.iterdir())
    assert not list((coordinator.home.path / "lookup").rglob("*.key"))


def test_without_the_approval_the_coordinator_would_have_its_roster(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RosterApproval, "check", lambda approval, proposal: None)
    roster = coordinator.ceremony(own_ceremony(coordinator.folders, coordinator.record, os.urandom))
    accepted = accept_roster(coordinator.folders, coordinator.record)
    assert accepted == roster
    assert (accepted.parameters.cadence_s, accepted.parameters.daily_tickets) == (1, 10**9)


def test_who_publishes_without_an_approval_says_nothing_and_why(coordinator: Coordinator) -> None:
    heard: list[RosterNotApproved] = []
    for wait in (False, True):
        published = publishing.publish(coordinator.part(), wait=wait, timeout=0.0, on_unapproved=heard.append)
        assert published.unapproved is not None
        assert published.to_json()["unapproved"] == roster_fingerprint(coordinator.proposal)
    assert coordinator.submitted == []
    assert heard[0].changes == ("no roster was approved before",)


def test_an_approved_roster_goes_on_and_needs_no_other_approval(coordinator: Coordinator) -> None:
    fingerprint = roster_fingerprint(coordinator.proposal)
    published = publishing.publish(coordinator.part(), wait=True, timeout=0.0, approve=fingerprint.replace(" ", ""))
    assert published.unapproved is None
    assert coordinator.submitted == ["commit"]
    coordinator.ceremony(own_ceremony(coordinator.folders, coordinator.record, os.urandom))
    assert accept_roster(coordinator.folders, coordinator.record).institutions == ("bank-a", *OTHERS)
    later = coordinator.proposal | {"auditors": ["bank-c"], "model": "11" * 32, "new_keys": False}
    RosterApproval(coordinator.folders.path, "opaque").check(later)  # a new object: what counts is on disk


def test_a_fingerprint_of_another_roster_approves_nothing(coordinator: Coordinator) -> None:
    other = coordinator.proposal | {"pool_key": SigningKey.generate().public.hex}
    with pytest.raises(ConfigurationError, match="fingerprint"):
        publishing.publish(coordinator.part(), wait=True, timeout=0.0, approve=roster_fingerprint(other))
    short = roster_fingerprint(coordinator.proposal)[:19]  # a prefix can be searched for
    with pytest.raises(ConfigurationError, match="fingerprint"):
        coordinator.folders.approval.approve(coordinator.proposal, short, 0.0)
    with pytest.raises(ConfigurationError) as refused:
        coordinator.folders.approval.approve(coordinator.proposal, "00" * 32, 0.0)
    assert roster_fingerprint(coordinator.proposal) not in str(refused.value)  # or nobody would compare
    assert coordinator.folders.approval.approved is None
    assert coordinator.submitted == []


def test_who_writes_identifiers_in_another_way_than_the_roster_takes_no_part(coordinator: Coordinator) -> None:
    """Its customers would be missing from everybody's sums, and nobody told. Wrong from the start, or changed since."""
    approval, proposal = coordinator.folders.approval, coordinator.proposal
    with pytest.raises(ConfigurationError, match=r"lookup\.identifiers: got us-tin, expected opaque"):
        replace(approval, identifiers="us-tin").approve(proposal, roster_fingerprint(proposal), 0.0)
    assert approval.approved is None
    approval.approve(proposal, roster_fingerprint(proposal), 0.0)
    assert joining.commit(coordinator.part())["commitment"]
    coordinator.home.settings.lookup = LookupSettings(identifiers="us-tin")
    with pytest.raises(ConfigurationError, match=r"lookup\.identifiers: got us-tin, expected opaque"):
        joining.commit(coordinator.part())


def test_a_scheme_that_nobody_knows_is_refused_where_it_is_set() -> None:
    with pytest.raises(ValidationError, match="one of opaque, br-cpf"):
        LookupSettings(identifiers="es-dmi")


def test_whatever_changes_is_named_and_waits_again(coordinator: Coordinator) -> None:
    approval, proposal = coordinator.folders.approval, coordinator.proposal
    approval.approve(proposal, roster_fingerprint(proposal), 0.0)
    members = proposal["members"]
    joined = {**members, "bank-d": {"key": SigningKey.generate().public.hex, "customers": 7}}
    left = {name: members[name] for name in ("bank-a", "bank-b")}
    replaced = {**members, "bank-b": members["bank-b"] | {"key": SigningKey.generate().public.hex}}
    more = {**members, "bank-b": members["bank-b"] | {"customers": 9}}
    cases = {
        "bank-d joins": {"members": joined},
        "bank-c leaves": {"members": left},
        "key of bank-b": {"members": replaced},
        "customers of bank-b: 9 for 10000000000": {"members": more},
        "identifiers: us-tin for opaque": {"parameters": proposal["parameters"] | {"identifiers": "us-tin"}},
        "cadence_s: 2 for 1": {"parameters": proposal["parameters"] | {"cadence_s": 2}},
        "log_key": {"log_key": SigningKey.generate().public.hex},
        "pool_key": {"pool_key": SigningKey.generate().public.hex},
        "oversight": {"oversight": ""},
        "identity authority e-id: ": {"authorities": {"e-id": SigningKey.generate().public.hex}},
        "identity authority police: ": {
            "authorities": proposal["authorities"] | {"police": coordinator.key.public.hex}
        },
    }
    for told, change in cases.items():
        with pytest.raises(RosterNotApproved) as reason:
            approval.check(proposal | change)
        assert len(reason.value.changes) == 1
        assert told in reason.value.changes[0]
        assert reason.value.fingerprint in str(reason.value)
    approval.check(proposal)


def test_that_consent_is_no_longer_needed_is_told_in_words(coordinator: Coordinator) -> None:
    without = coordinator.proposal | {"authorities": {}}
    for approved, proposed, told in (
        (coordinator.proposal, without, "questions need NO consent any more"),
        (without, coordinator.proposal, "questions need consent from now on"),
    ):
        coordinator.folders.approval.approve(approved, roster_fingerprint(approved), 0.0)
        with pytest.raises(RosterNotApproved) as reason:
            coordinator.folders.approval.check(proposed)
        assert told in reason.value.changes


def test_a_roster_with_another_authority_than_was_approved_is_not_accepted(coordinator: Coordinator) -> None:
    """The relay names its own key in the roster, to state whose key is whose; the proposal names the true one."""
    proposal = coordinator.proposal
    coordinator.folders.approval.approve(proposal, roster_fingerprint(proposal), 0.0)
    coordinator.authority = SigningKey.generate()
    coordinator.ceremony(own_ceremony(coordinator.folders, coordinator.record, os.urandom))
    with pytest.raises(MessageError, match=r"roster\.authorities"):
        accept_roster(coordinator.folders, coordinator.record)


def test_a_person_sees_whom_and_what_the_fingerprint_stands_for(coordinator: Coordinator) -> None:
    shown = describe(coordinator.folders, coordinator.proposal)
    assert shown["fingerprint"] == roster_fingerprint(coordinator.proposal)
    assert not shown["approved"]
    assert shown["members"]["bank-b"] == {"key": coordinator.played["bank-b"].public.key_id, "customers": 10**10}
    assert shown["parameters"]["cadence_s"] == 1
    assert shown["oversight"] == coordinator.oversight.hex()
    assert shown["authorities"] == {"e-id": coordinator.authority.public.key_id}
    assert {shown[name] for name in ("log_key", "pool_key")} == {
        coordinator.log.public.key_id,
        coordinator.key.public.key_id,
    }
