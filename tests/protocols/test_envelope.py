"""Envelopes: what was sealed opens for the right key and kind, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import MAX_BYTES, open_envelope, read_envelope, seal
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Envelope, HelloReply, HelloRequest, PlanProposal

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes(31) + b"\1")


@given(st.binary(max_size=200))
def test_round_trip(challenge: bytes) -> None:
    assert open_envelope(seal(HelloRequest(challenge=challenge), KEY), HelloRequest, KEY.public).challenge == challenge


@given(st.data())
def test_one_flipped_bit_never_opens(data: st.DataObject) -> None:
    sealed = seal(HelloRequest(challenge=b"challenge"), KEY)
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError):
        open_envelope(bytes(flipped), HelloRequest, KEY.public)


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_with_an_error_of_the_tree(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_envelope(data, HelloRequest, KEY.public)


@pytest.mark.parametrize("tail", [b"\x98\x06\x01", b"\x08\x01", b"\x1a\x00"], ids=["unknown", "repeated", "overriding"])
def test_another_encoding_of_the_same_envelope_is_refused(tail: bytes) -> None:
    with pytest.raises(MessageError):
        read_envelope(seal(HelloRequest(challenge=b"c"), KEY) + tail)


def test_a_kind_cannot_be_passed_off_as_another() -> None:
    sealed = seal(HelloReply(institution="a"), KEY)
    with pytest.raises(MessageError, match=r"envelope\.kind"):
        open_envelope(sealed, HelloRequest, KEY.public)
    envelope = Envelope.FromString(sealed)
    envelope.kind = "HelloRequest"
    with pytest.raises(SignatureError):
        open_envelope(envelope.SerializeToString(deterministic=True), HelloRequest, KEY.public)


def test_a_signer_is_named() -> None:
    sealed = seal(HelloRequest(), OTHER)
    with pytest.raises(SignatureError, match=rf"envelope\.signer: got {OTHER.public.key_id}"):
        open_envelope(sealed, HelloRequest, KEY.public)
    envelope = Envelope.FromString(sealed)
    envelope.ClearField("signature")
    with pytest.raises(SignatureError, match="got none"):
        open_envelope(envelope.SerializeToString(deterministic=True), HelloRequest, OTHER.public)


def test_version_and_size_are_checked_first() -> None:
    with pytest.raises(MessageError, match=r"envelope\.version"):
        read_envelope(Envelope(version=2).SerializeToString())
    with pytest.raises(MessageError, match="at most"):
        read_envelope(bytes(MAX_BYTES + 1))


def test_a_signed_body_that_cannot_be_read_is_refused() -> None:
    body = b"\x0a\xff"
    signer = KEY.public.key_id
    signed = len(signer).to_bytes(4, "big") + signer.encode() + body
    signature = KEY.sign("fedscore/v1/envelope/PlanProposal", signed)
    data = Envelope(version=1, kind="PlanProposal", body=body, signer=signer, signature=signature).SerializeToString()
    with pytest.raises(MessageError, match=r"envelope\.body"):
        open_envelope(data, PlanProposal, KEY.public)
