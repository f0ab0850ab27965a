"""The one file a wallet hands over: it covers its inquiry, and every way to bend it breaks a rule that is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from consent_world import AUTHORITIES, DAY, NOW, PURPOSE, SCOPE, Person, consent, drawn_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.canonical import canonical, parse_canonical
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent, check_consent, read_consent
from protocols.consent.receipt import MAX_BYTES, Inquiry, Receipt, Revocation
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.signing import SigningKey

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")
EVE = SigningKey.from_seed(drawn_bytes("an employee of the bank"))


def ask(given: Consent, person: Person = MARY, **changes: Any) -> Receipt:
    arguments: dict[str, Any] = {
        "identifier": person.identifier,
        "querier": "bank-a",
        "purpose": PURPOSE,
        "scope": SCOPE,
        "now": NOW,
        "authorities": AUTHORITIES,
        "revoked": Revocations(),
    }
    return check_consent(given, **(arguments | changes))


def rule_of(given: Consent, person: Person = MARY, **changes: Any) -> Rule:
    with pytest.raises(ConsentRefused) as caught:
        ask(given, person, **changes)
    assert "4711" not in str(caught.value)
    return caught.value.rule


@pytest.mark.parametrize("inquiry", list(Inquiry))
def test_what_she_permits_is_covered_hard_or_soft(inquiry: Inquiry) -> None:
    assert ask(consent(MARY, MARY.signed(inquiry=inquiry))).inquiry is inquiry


def test_what_she_does_not_permit_is_refused_by_its_rule() -> None:
    good = consent(MARY, MARY.signed())
    revocation = Revocation(MARY.key.public, good.serial).sign(MARY.key)
    assert ask(good)
    assert rule_of(good, querier="bank-b") is Rule.WRONG_QUERIER
    assert rule_of(good, purpose="credit-review") is Rule.WRONG_PURPOSE
    assert rule_of(good, scope=replace(SCOPE, catalogue="other")) is Rule.WRONG_SCOPE
    assert rule_of(good, now=NOW + 31 * DAY) is Rule.EXPIRED
    assert rule_of(consent(MARY, MARY.signed(issued=NOW + DAY))) is Rule.NOT_YET_VALID
    assert rule_of(good, revoked=Revocations.of([(revocation, NOW)])) is Rule.REVOKED
    assert rule_of(good, authorities=()) is Rule.UNKNOWN_KEY
    assert rule_of(good, JOHN) is Rule.WRONG_SUBJECT
    assert rule_of(replace(good, salt=bytes(32))) is Rule.WRONG_SUBJECT
    assert rule_of(replace(good, receipt=replace(good.receipt, signature=bytes(64)))) is Rule.FORGED


def test_a_statement_about_one_does_not_carry_a_receipt_about_another() -> None:
    """The bank's employee has an identity of her own, and signs a receipt in Mary's name with it."""
    about_mary = replace(MARY.receipt(), subject_key=EVE.public).sign(EVE)
    own_statement = consent(JOHN, about_mary, key=EVE.public).identity
    assert rule_of(Consent(about_mary, MARY.subject().salt, own_statement)) is Rule.UNKNOWN_KEY
    # Were the commitment in the statement not compared, its key would be taken for hers.
    claimed = consent(JOHN, about_mary, key=EVE.public, subject=MARY.subject().commitment).identity
    assert ask(Consent(about_mary, MARY.subject().salt, claimed))


def test_it_survives_encoding_and_shows_no_salt() -> None:
    good = consent(MARY, MARY.signed())
    assert Consent.decode(good.encode()) == good
    assert len(good.encode()) < 1500
    assert MARY.subject().salt.hex() not in repr(good)
    assert repr(MARY.subject().salt) not in repr(good)


@given(data=st.binary(min_size=1, max_size=300))
@settings(max_examples=30, deadline=None)
def test_other_bytes_are_malformed_and_none_are_missing(data: bytes) -> None:
    for given_bytes, rule in ((data, Rule.MALFORMED), (b"", Rule.MISSING), (bytes(MAX_BYTES + 1), Rule.MALFORMED)):
        with pytest.raises(ConsentRefused) as caught:
            read_consent(given_bytes)
        assert caught.value.rule is rule


@pytest.mark.parametrize("change", [{"version": 2}, {"salt": "00"}, {"identity": {}}, {"extra": 1}, {"receipt": 1}])
def test_a_document_of_another_form_is_malformed(change: dict[str, Any]) -> None:
    data = canonical(parse_canonical(consent(MARY, MARY.signed()).encode()) | change)
    with pytest.raises(ConsentRefused) as caught:
        read_consent(data)
    assert caught.value.rule is Rule.MALFORMED
