"""An honest querier is never blamed: each way to frame it works with its check off, and is refused with it on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bank_world import BANK, TERMS, Logged, log
from consent_world import NOW, Person, consent, drawn_bytes

from protocols.consent.opening import SignedOpening, judge
from protocols.consent.refusal import Rule
from protocols.errors import SignatureError
from protocols.signing import SigningKey

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")
REGULATOR = SigningKey.from_seed(drawn_bytes("regulator"))
RELAY = SigningKey.from_seed(drawn_bytes("relay"))


@pytest.fixture
def honest() -> Logged:
    logged = log(MARY, MARY.signed())
    assert judge(logged.leaf, BANK.public, logged.answer, TERMS).rule is None
    return logged


def test_a_regulator_cannot_make_up_a_false_opening(honest: Logged) -> None:
    false = replace(honest.opening, identifier=JOHN.identifier)
    with pytest.raises(SignatureError):
        judge(honest.leaf, BANK.public, false.sign(REGULATOR), TERMS)
    altered = replace(honest.answer, payload=false.encode())
    with pytest.raises(SignatureError):
        judge(honest.leaf, BANK.public, altered, TERMS)
    # Did openings bear no signature of the querier's, this one would blame it.
    assert judge(honest.leaf, BANK.public, false.sign(BANK), TERMS).rule is Rule.WRONG_PERSON


def test_an_opening_of_one_leaf_is_none_of_another(honest: Logged) -> None:
    other = log(JOHN, JOHN.signed(1), 1)
    with pytest.raises(SignatureError, match="another leaf"):
        judge(other.leaf, BANK.public, honest.answer, TERMS)
    with pytest.raises(SignatureError):  # nor with the leaf's name rewritten
        judge(other.leaf, BANK.public, replace(honest.answer, leaf_hash=other.leaf.hash), TERMS)
    # Did an opening not name its leaf, the same secrets would blame the querier.
    unnamed = replace(honest.opening, leaf_hash=other.leaf.hash).sign(BANK)
    assert judge(other.leaf, BANK.public, unnamed, TERMS).rule is Rule.WRONG_PERSON


def test_a_leaf_logged_in_its_name_by_the_relay_blames_nobody() -> None:
    framed = log(MARY, b"no receipt", key=RELAY)
    for answer in (None, framed.answer):
        with pytest.raises(SignatureError):
            judge(framed.leaf, BANK.public, answer, TERMS)
    assert judge(framed.leaf, RELAY.public, None, TERMS).rule is Rule.NOT_OPENED  # were the relay's key taken for it


def test_a_key_changed_afterwards_does_not_make_a_past_inquiry_forged() -> None:
    """Keys count as the authority stated them when the leaf was issued, not when it is opened."""
    for until, rule in ((NOW + 1, None), (NOW, Rule.UNKNOWN_KEY)):
        logged = log(MARY, consent(MARY, MARY.signed(), until=until))
        assert judge(logged.leaf, BANK.public, logged.answer, TERMS).rule is rule


def test_everybody_who_sees_an_opening_reaches_the_same_verdict(honest: Logged) -> None:
    again = SignedOpening.decode(honest.answer.encode())
    first, second = (judge(honest.leaf, BANK.public, each, TERMS) for each in (honest.answer, again))
    assert first == second
