"""Sealed notices from the side of whoever carries, forwards, replaces or reads them."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup.seal import open_sealed
from protocols.notices import (
    MAX_LEAVES,
    SEALED_BYTES,
    Change,
    Letter,
    NoticeKey,
    check_receipt,
    letter_name,
    sign_receipt,
)
from protocols.notices.letter import _INFO, empty_letter
from protocols.signing import SigningKey

SENDER, RECIPIENT, OTHER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
PRIVATE = X25519PrivateKey.from_private_bytes(bytes([7]) * 32)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
LEAF = bytes([5]) * 32
LETTER = Letter("bank-a", "bank-b", Change.CORRECTED, (LEAF,), 3, 20_000, bytes(16))
BOTH = {"sender": "bank-a", "recipient": "bank-b"}


def test_a_letter_says_what_was_written_to_its_recipient() -> None:
    sealed = LETTER.seal(SENDER, PUBLIC)
    assert Letter.open(sealed, PRIVATE, SENDER.public, **BOTH) == LETTER


@settings(max_examples=20)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=MAX_LEAVES), st.integers(0, 2**40))
def test_all_letters_are_of_one_size(leaves: list[bytes], epoch: int) -> None:
    sealed = replace(LETTER, leaves=tuple(leaves), after_epoch=epoch).seal(SENDER, PUBLIC)
    empty = empty_letter("bank-a", "bank-b", os.urandom).seal(SENDER, PUBLIC)
    assert len(sealed) == len(empty) == SEALED_BYTES
    assert Letter.open(sealed, PRIVATE, SENDER.public, **BOTH).leaves == tuple(leaves)
    assert LEAF not in sealed


def test_the_longest_letter_fits() -> None:
    longest = Letter("a" * 64, "b" * 64, Change.CORRECTED, (LEAF,) * MAX_LEAVES, 2**53 - 1, 2**53 - 1, bytes(16))
    assert len(longest.seal(SENDER, PUBLIC)) == SEALED_BYTES


def test_the_carrier_cannot_write_in_a_members_name() -> None:
    forged = LETTER.seal(OTHER, PUBLIC)
    with pytest.raises(SignatureError):
        Letter.open(forged, PRIVATE, SENDER.public, **BOTH)


def test_a_letter_is_not_passed_on_as_another_members_or_to_another() -> None:
    sealed = LETTER.seal(SENDER, PUBLIC)
    for names in ({"sender": "bank-c", "recipient": "bank-b"}, {"sender": "bank-a", "recipient": "bank-c"}):
        with pytest.raises(MessageError):
            Letter.open(sealed, PRIVATE, SENDER.public, **names)
    # A recipient that opens it and seals it again, for a third, under the first sender's signature:
    plain = open_sealed(PRIVATE, sealed, _INFO + b'["bank-a","bank-b"]')
    from protocols.lookup.seal import seal

    again = seal(PUBLIC, plain, _INFO + b'["bank-a","bank-c"]')
    with pytest.raises(MessageError, match="bank-a to bank-c"):
        Letter.open(again, PRIVATE, SENDER.public, sender="bank-a", recipient="bank-c")


def test_who_has_another_key_reads_nothing_and_a_changed_byte_opens_nothing() -> None:
    sealed = bytearray(LETTER.seal(SENDER, PUBLIC))
    with pytest.raises(MessageError):
        Letter.open(bytes(sealed), X25519PrivateKey.generate(), SENDER.public, **BOTH)
    for place in (0, 40, SEALED_BYTES - 1):
        changed = sealed.copy()
        changed[place] ^= 1
        with pytest.raises(MessageError):
            Letter.open(bytes(changed), PRIVATE, SENDER.public, **BOTH)
    with pytest.raises(MessageError):
        Letter.open(bytes(sealed[:-1]), PRIVATE, SENDER.public, **BOTH)


def test_hostile_plaintext_of_a_member_raises_a_typed_error() -> None:
    from protocols.lookup.seal import seal
    from protocols.notices.letter import PLAIN_BYTES

    for plain in (b"\xff" * PLAIN_BYTES, bytes(PLAIN_BYTES), b"\0\0\0\x02{}" + bytes(PLAIN_BYTES - 6)):
        sealed = seal(PUBLIC, plain, _INFO + b'["bank-a","bank-b"]')
        with pytest.raises(ProtocolError):
            Letter.open(sealed, PRIVATE, SENDER.public, **BOTH)


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": ()},
        {"change": Change.NONE},
        {"leaves": (LEAF,) * 25},
        {"leaves": (b"x",)},
        {"name": b""},
        {"sender": ""},
    ],
)
def test_a_letter_of_another_form_is_none(change: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(MessageError):
        replace(LETTER, **change)


def test_the_carrier_cannot_put_its_own_key_in_a_members_place() -> None:
    """With the check off, letters to bank-b are sealed to the carrier."""
    mine = NoticeKey.sign("bank-b", PUBLIC, OTHER)
    with pytest.raises(SignatureError, match="somebody else"):
        NoticeKey.decode(mine.encode()).verify(RECIPIENT.public)
    sealed = LETTER.seal(SENDER, mine.public)  # what a sender that does not verify does
    assert Letter.open(sealed, PRIVATE, SENDER.public, **BOTH).leaves == (LEAF,)
    good = NoticeKey.sign("bank-b", PUBLIC, RECIPIENT)
    NoticeKey.decode(good.encode()).verify(RECIPIENT.public)
    with pytest.raises(SignatureError):
        replace(good, institution="bank-c").verify(RECIPIENT.public)


def test_a_receipt_is_for_one_letter_by_its_recipient() -> None:
    name = letter_name(LETTER.seal(SENDER, PUBLIC))
    receipt = sign_receipt(name, RECIPIENT)
    check_receipt(name, receipt, RECIPIENT.public, "bank-b")
    with pytest.raises(SignatureError):
        check_receipt(name, sign_receipt(name, OTHER), RECIPIENT.public, "bank-b")
    with pytest.raises(SignatureError):
        check_receipt(letter_name(b"another"), receipt, RECIPIENT.public, "bank-b")
