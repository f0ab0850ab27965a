"""Whose key is whose: the authority's word, about this commitment, at this time; nobody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from consent_world import AUTHORITIES, AUTHORITY, DAY, NOW, Person, consent, drawn_bytes

from protocols.canonical import canonical, parse_canonical
from protocols.consent.identity import (
    CLOCK_SKEW_S,
    MAX_BYTES,
    IdentityRequest,
    IdentityStatement,
    SignedIdentity,
)
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup.roster import Authority
from protocols.signing import SigningKey

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")
BANK = SigningKey.from_seed(drawn_bytes("bank-a"))


def identity(**changes: Any) -> SignedIdentity:
    return consent(MARY, MARY.signed(), **changes).identity


def refused(signed: SignedIdentity, person: Person = MARY, at: int = NOW, by: Any = AUTHORITIES) -> None:
    with pytest.raises(ConsentRefused) as caught:
        signed.key_of(person.subject(), by, at)
    assert caught.value.rule is Rule.UNKNOWN_KEY
    assert "4711" not in str(caught.value)


def test_the_authority_states_whose_key_is_hers() -> None:
    assert identity().key_of(MARY.subject(), AUTHORITIES, NOW) == MARY.key.public


def test_a_statement_counts_within_its_dates() -> None:
    signed = identity(start=NOW, until=NOW + DAY)
    for at in (NOW - CLOCK_SKEW_S, NOW + DAY - 1):
        assert signed.key_of(MARY.subject(), AUTHORITIES, at) == MARY.key.public
    for at in (NOW - CLOCK_SKEW_S - 1, NOW + DAY):
        refused(signed, at=at)


def test_nobody_else_states_it() -> None:
    refused(identity(signer=BANK))  # signed by the bank in the authority's name
    refused(identity(signer=BANK, authority="bank"))  # under its own name, that the roster does not hold
    refused(identity(), by=())
    refused(replace(identity(), statement=replace(identity().statement, key=BANK.public)))
    named = (*AUTHORITIES, Authority("bank", BANK.public))  # the same, were the bank an authority
    assert identity(signer=BANK, authority="bank", key=BANK.public).key_of(MARY.subject(), named, NOW) == BANK.public


def test_a_statement_about_one_person_is_none_about_another() -> None:
    refused(identity(), person=JOHN)
    assert identity(subject=JOHN.subject().commitment).key_of(JOHN.subject(), AUTHORITIES, NOW) == MARY.key.public


def test_a_statement_names_nobody_and_survives_encoding() -> None:
    signed = identity()
    assert SignedIdentity.decode(signed.encode()) == signed
    for secret in (MARY.identifier, MARY.identifier.hex().encode(), MARY.subject().salt.hex().encode()):
        assert secret not in signed.encode()


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"authority": ""}, {"authority": "a\n"}, {"subject": "00"}, {"key": "00" * 32}, {"until": 1}],
)
def test_a_statement_of_another_form_is_none(change: dict[str, Any]) -> None:
    outer = parse_canonical(identity().encode())
    with pytest.raises(ProtocolError):
        SignedIdentity.decode(canonical(outer | {"statement": outer["statement"] | change}))
    with pytest.raises(MessageError):
        SignedIdentity.decode(bytes(MAX_BYTES + 1))


def test_a_request_proves_that_the_wallet_has_the_key() -> None:
    request = IdentityRequest(MARY.subject(), MARY.key.public)
    data = request.sign(MARY.key)
    assert IdentityRequest.read(data) == request
    with pytest.raises(SignatureError):
        request.sign(JOHN.key)
    # John asks for a statement that Mary's key is his; were possession not proved, her receipts would be his.
    outer = parse_canonical(data)
    stolen = outer | {"request": outer["request"] | {"identifier": JOHN.identifier.hex()}}
    with pytest.raises(SignatureError):
        IdentityRequest.read(canonical(stolen))
    assert "4711" not in repr(request)
    assert MARY.subject().salt.hex() not in repr(request)


def test_a_statement_is_no_receipt_and_no_request() -> None:
    """One key, three kinds of document: a signature for one is worthless for another."""
    statement = IdentityStatement("e-id", MARY.subject().commitment, MARY.key.public, NOW, NOW + 1)
    payload = canonical(statement.to_json())
    for label in ("receipt", "identity-request", "revocation"):
        signed = SignedIdentity(statement, AUTHORITY.sign(f"fedscore/v1/consent/{label}", payload))
        refused(signed)
    statement.sign(AUTHORITY).verify(AUTHORITIES, NOW)
