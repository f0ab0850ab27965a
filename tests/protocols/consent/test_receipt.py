"""Receipts and revocations: one form, one signature, and nothing of the person in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from consent_world import NOW, SCOPE, Person, drawn_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.canonical import canonical, digest
from protocols.consent.receipt import (
    MAX_BYTES,
    Inquiry,
    Receipt,
    Revocation,
    Scope,
    SignedReceipt,
    SignedRevocation,
    Subject,
)
from protocols.errors import EncodingError, MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey

MARY = Person(b"DE|4711")
OTHER = SigningKey.from_seed(bytes(32))
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=64)


@given(
    querier=NAMES.filter(str.isprintable),
    purpose=NAMES.filter(str.isprintable),
    inquiry=st.sampled_from(Inquiry),
    serial=st.binary(min_size=16, max_size=16),
    issued=st.integers(0, 2**40),
    lasts=st.integers(1, 2**40),
)
@settings(max_examples=25, deadline=None)
def test_what_is_encoded_is_decoded(
    querier: str, purpose: str, inquiry: Inquiry, serial: bytes, issued: int, lasts: int
) -> None:
    signed = MARY.signed(
        querier=querier, purpose=purpose, inquiry=inquiry, serial=serial.hex(), issued=issued, expires=issued + lasts
    )
    again = SignedReceipt.decode(signed.encode())
    assert again == signed
    assert type(again.receipt.inquiry) is Inquiry
    again.verify(MARY.key.public)


@given(position=st.integers(0, 10**6), flip=st.integers(1, 255))
@settings(max_examples=40, deadline=None)
def test_no_altered_byte_passes(position: int, flip: int) -> None:
    data = bytearray(MARY.signed().encode())
    data[position % len(data)] ^= flip
    with pytest.raises(ProtocolError):
        SignedReceipt.decode(bytes(data)).verify(MARY.key.public)


def test_the_bytes_of_a_receipt_are_written_down() -> None:
    """Computed from the documented form, by hand: what a wallet in another language has to give."""
    receipt = MARY.receipt()
    text = (
        f'{{"catalogue":"taiwan","catalogue_hash":"{SCOPE.hash.hex()}","expires":1792592000,"inquiry":"hard",'
        f'"issued":1789913600,"purpose":"credit-application","querier":"bank-a","serial":"{receipt.serial}",'
        f'"subject":"{receipt.subject.hex()}","subject_key":"{MARY.key.public.hex}","version":1}}'
    )
    assert canonical(receipt.to_json()) == text.encode()
    signature = MARY.key.sign("fedscore/v1/consent/receipt", text.encode())
    assert MARY.signed().encode() == f'{{"receipt":{text},"signature":"{signature.hex()}"}}'.encode()
    assert receipt.subject == digest("fedscore/v1/consent/subject", MARY.subject().salt + b"DE|4711")


def test_every_changed_field_breaks_the_signature() -> None:
    signed = MARY.signed()
    changes: dict[str, Any] = {
        "subject_key": OTHER.public,
        "subject": bytes(32),
        "querier": "bank-b",
        "purpose": "credit-review",
        "scope": replace(SCOPE, hash=bytes(32)),
        "inquiry": Inquiry.SOFT,
        "serial": "00" * 16,
        "issued": NOW,
        "expires": NOW + 1,
    }
    assert set(changes) == set(Receipt.__dataclass_fields__)
    signed.verify(MARY.key.public)
    for name, value in changes.items():
        with pytest.raises(SignatureError):
            replace(signed, receipt=replace(signed.receipt, **{name: value})).verify(MARY.key.public)


def test_a_receipt_and_a_revocation_are_signed_by_the_key_they_name() -> None:
    with pytest.raises(SignatureError, match="the key it names"):
        MARY.receipt().sign(OTHER)
    with pytest.raises(SignatureError, match="the key it names"):
        Revocation(MARY.key.public, "00" * 16).sign(OTHER)


def test_nothing_of_the_person_is_in_a_receipt() -> None:
    signed, subject = MARY.signed(), MARY.subject()
    for secret in (MARY.identifier, MARY.identifier.hex().encode(), subject.salt.hex().encode()):
        assert secret not in signed.encode()
    assert "4711" not in repr(subject)
    assert subject.salt.hex() not in repr(subject)
    assert MARY.subject(0).commitment != MARY.subject(1).commitment


def test_without_a_salt_the_person_would_be_found_by_trying() -> None:
    unsalted = digest("fedscore/v1/consent/subject", MARY.identifier)
    guesses = [f"DE|{number}".encode() for number in range(10_000)]
    assert [guess for guess in guesses if digest("fedscore/v1/consent/subject", guess) == unsalted] == [b"DE|4711"]
    known = MARY.subject().commitment
    assert not [guess for guess in guesses if digest("fedscore/v1/consent/subject", guess) == known]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": b"short"}, "receipt.subject"),
        ({"querier": ""}, "receipt.querier"),
        ({"querier": "x" * 65}, "receipt.querier"),
        ({"purpose": "a\nb"}, "receipt.purpose"),
        ({"serial": "00"}, "receipt.serial"),
        ({"serial": "AB" * 16}, "receipt.serial"),
        ({"issued": -1}, "receipt.issued"),
        ({"issued": True}, "receipt.issued"),
        ({"expires": NOW - 86_400}, "receipt.expires"),
        ({"inquiry": "medium"}, "receipt.inquiry"),
    ],
)
def test_a_field_of_another_form_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(MessageError) as caught:
        MARY.receipt(**change)
    assert caught.value.field == field


def test_a_subject_and_a_scope_of_another_form_are_refused() -> None:
    for identifier, salt in ((b"", bytes(32)), (b"x" * 257, bytes(32)), (b"x", b"short")):
        with pytest.raises(MessageError):
            Subject(identifier, salt)
    with pytest.raises(MessageError):
        Scope("", bytes(32))
    with pytest.raises(MessageError):
        Scope("taiwan", bytes(31))


def test_documents_of_another_form_are_refused() -> None:
    document = MARY.receipt().to_json()
    values: list[Any] = [{**document, "version": 2}, {**document, "version": True}, {**document, "extra": 1}, [], None]
    for value in values:
        with pytest.raises(MessageError):
            Receipt.from_json(value)
    with pytest.raises(MessageError, match="at most"):
        SignedReceipt.decode(b" " * (MAX_BYTES + 1))
    with pytest.raises(EncodingError):
        SignedReceipt.decode(b" " + MARY.signed().encode())
    with pytest.raises(MessageError):
        SignedReceipt.decode(SignedRevocation.encode(Revocation(MARY.key.public, "00" * 16).sign(MARY.key)))


def test_a_revocation_survives_encoding_and_no_change() -> None:
    signed = Revocation(MARY.key.public, MARY.receipt().serial).sign(MARY.key)
    again = SignedRevocation.decode(signed.encode())
    assert again == signed
    again.verify()
    with pytest.raises(SignatureError):
        replace(signed, revocation=replace(signed.revocation, serial=drawn_bytes("x", 16).hex())).verify()
    with pytest.raises(SignatureError):
        replace(signed, revocation=replace(signed.revocation, subject_key=OTHER.public)).verify()
