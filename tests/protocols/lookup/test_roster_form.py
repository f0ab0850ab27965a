"""What a roster may name, and that its id covers whoever looks after a person's rights."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from world import World

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.roster import Authority, Roster, authority_name
from protocols.oprf.group import IDENTITY, base, random_scalar
from protocols.signing import SigningKey

MORE: dict[str, Any] = {
    "oversight": base(random_scalar(os.urandom)),
    "authorities": (Authority("e-id", SigningKey.generate().public),),
    "log_key": SigningKey.generate().public,
    "coordinator_key": SigningKey.generate().public,
}


@pytest.fixture(scope="module")
def roster() -> Roster:
    return World(subjects=3).roster


@pytest.mark.parametrize("name", MORE)
def test_whoever_is_changed_it_is_another_roster(roster: Roster, name: str) -> None:
    """Under the same id the oversight key could be exchanged for one that finds nobody's requests."""
    other = replace(roster, **{name: MORE[name]})
    assert other.id != roster.id
    assert Roster.decode(other.encode()) == other


def test_an_oversight_key_is_a_key(roster: Roster) -> None:
    with pytest.raises(MessageError, match="oversight key: got the identity"):
        replace(roster, oversight=IDENTITY)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"institution": ""}, r"roster\.institution"),
        ({"institution": "b" * 65}, r"roster\.institution"),
        ({"pseudonym_key": IDENTITY}, "pseudonym key of bank-00"),
        ({"customers": -1}, "customers of bank-00"),
        ({"customers": 10**10 + 1}, "customers of bank-00"),
    ],
)
def test_a_member_has_a_name_a_share_and_a_number(roster: Roster, change: dict[str, Any], match: str) -> None:
    with pytest.raises(MessageError, match=match):
        replace(roster.members[0], **change)
    assert replace(roster.members[0], institution="b" * 64)


def test_a_name_of_an_authority_can_be_read() -> None:
    authority_name("e" * 64, "authority")
    for name in ("", "e" * 65, "e-id\n"):
        with pytest.raises(MessageError, match="authority: got"):
            authority_name(name, "authority")


def test_a_document_of_another_form_is_no_roster(roster: Roster) -> None:
    document = parse_canonical(roster.encode())
    changes: list[dict[str, Any]] = [{"version": 2}, {"members": {}}, {"more": 1}]
    for change in changes:
        with pytest.raises(MessageError):
            Roster.decode(canonical({**document, **change}))
