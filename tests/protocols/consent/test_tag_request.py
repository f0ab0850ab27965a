"""Only the person herself has the holders look for leaves about her."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from consent_world import NOW, Person, drawn_bytes

from protocols.consent.check import CLOCK_SKEW_S
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.consent.tag_request import MAX_AGE_S, MAX_BYTES, SignedTagRequest, TagRequest
from protocols.errors import EncodingError, MessageError, SignatureError
from protocols.oprf.group import hash_to_group

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")
KEYS = {person.identifier: person.key.public for person in (MARY, JOHN)}
ASKED = TagRequest(MARY.key.public, MARY.identifier, drawn_bytes("session"), 0, 5_000, NOW)


def rule_of(signed: SignedTagRequest, now: int = NOW) -> Rule | None:
    try:
        signed.check(KEYS.get(signed.request.identifier), now)
    except ConsentRefused as refused:
        return refused.rule
    return None


def test_her_own_question_is_heard_for_a_day() -> None:
    signed = ASKED.sign(MARY.key)
    assert signed.check(MARY.key.public, NOW).person == hash_to_group(MARY.identifier)
    for now, rule in (
        (NOW - CLOCK_SKEW_S, None),
        (NOW - CLOCK_SKEW_S - 1, Rule.NOT_YET_VALID),
        (NOW + MAX_AGE_S - 1, None),
        (NOW + MAX_AGE_S, Rule.EXPIRED),
    ):
        assert rule_of(signed, now) is rule


def test_nobody_asks_about_another() -> None:
    johns = replace(ASKED, subject_key=JOHN.key.public).sign(JOHN.key)
    assert rule_of(johns) is Rule.UNKNOWN_KEY
    assert johns.check(johns.request.subject_key, NOW)  # were the request asked whose key is hers
    in_her_name = replace(ASKED.sign(MARY.key), signature=johns.signature)
    assert rule_of(in_her_name) is Rule.FORGED
    assert rule_of(replace(ASKED, identifier=b"DE|9").sign(MARY.key)) is Rule.UNKNOWN_KEY
    with pytest.raises(SignatureError):
        ASKED.sign(JOHN.key)


@pytest.mark.parametrize("change", [{"session": bytes(32)}, {"first": 1}, {"size": 9}, {"issued": NOW + 1}])
def test_every_changed_field_breaks_the_signature(change: dict[str, Any]) -> None:
    signed = ASKED.sign(MARY.key)
    assert rule_of(replace(signed, request=replace(ASKED, **change))) is Rule.FORGED


def test_a_receipts_signature_is_none_for_a_question() -> None:
    assert rule_of(SignedTagRequest(ASKED, MARY.signed().signature)) is Rule.FORGED


def test_a_question_survives_encoding_and_another_form_does_not() -> None:
    signed = ASKED.sign(MARY.key)
    assert SignedTagRequest.decode(signed.encode()) == signed
    assert "4711" not in repr(signed)
    with pytest.raises(EncodingError):
        SignedTagRequest.decode(b" " + signed.encode())
    with pytest.raises(MessageError):
        SignedTagRequest.decode(bytes(MAX_BYTES + 1))
    with pytest.raises(MessageError):
        TagRequest.from_json(ASKED.to_json() | {"version": 2})
    for change in ({"identifier": b""}, {"session": b"x"}, {"first": -1}, {"size": 0}, {"issued": -1}):
        with pytest.raises(MessageError):
            replace(ASKED, **change)
