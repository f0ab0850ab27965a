"""An opening on its way: read by the regulator alone, for the draw, leaf and querier it was sealed for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bank_world import BANK, log
from consent_world import Person
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocols.consent.opening import SignedOpening
from protocols.consent.sealed import MAX_BYTES, SealedOpening
from protocols.errors import EncodingError, MessageError

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
DRAW = bytes(31) + b"\1"
PERSON = Person(b"4711")


def sealed() -> tuple[SignedOpening, SealedOpening]:
    answer = log(PERSON, PERSON.signed()).answer
    return answer, SealedOpening.of(answer, draw=DRAW, querier="bank-a", key=PUBLIC)


def test_the_regulator_reads_what_the_querier_signed() -> None:
    answer, made = sealed()
    again = SealedOpening.decode(made.encode())
    assert again == made
    assert again.open(KEY) == answer
    again.open(KEY).verify(BANK.public)
    assert PERSON.identifier.hex().encode() in answer.encode()
    assert PERSON.identifier.hex().encode() not in made.sealed
    assert "4711" not in repr(made) + repr(answer)


def test_nobody_else_does_and_nothing_of_it_can_be_exchanged() -> None:
    _, made = sealed()
    with pytest.raises(MessageError):
        made.open(X25519PrivateKey.generate())
    changed = made.sealed[:-1] + bytes([made.sealed[-1] ^ 1])
    for field, value in (("draw", bytes(32)), ("leaf_hash", bytes(32)), ("querier", "bank-b"), ("sealed", changed)):
        with pytest.raises(MessageError):
            replace(made, **{field: value}).open(KEY)  # type: ignore[arg-type]


def test_a_key_of_small_order_seals_nothing() -> None:
    answer, _ = sealed()
    with pytest.raises(MessageError, match="sealing key"):
        SealedOpening.of(answer, draw=DRAW, querier="bank-a", key=bytes(32))


@given(st.binary(max_size=200) | st.just(b"{" * (MAX_BYTES + 1)) | st.just(b'{"version":1}'))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((MessageError, EncodingError)):
        SealedOpening.decode(data)
