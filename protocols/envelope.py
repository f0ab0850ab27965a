"""The signed envelope in which every message of the training plane travels.

>>> from protocols.wire.training_pb2 import HelloRequest
>>> key = SigningKey.from_seed(bytes(32))
>>> sealed = seal(HelloRequest(challenge=b"once"), key)
>>> open_envelope(sealed, HelloRequest, key.public).challenge
b'once'

The signature covers version, kind, signer and body, so an envelope cannot be passed off as one of another kind.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.wire.training_pb2 import Envelope

VERSION = 1
MAX_BYTES = 64 * 2**20  # one flat model of 16 million float32 parameters

M = TypeVar("M", bound=Message)


def seal(message: Message, key: SigningKey) -> bytes:
    """`message` in a serialised Envelope signed by `key`."""
    body = message.SerializeToString(deterministic=True)
    kind = message.DESCRIPTOR.name
    signature = key.sign(_label(kind), _signed_bytes(key.public.key_id, body))
    return Envelope(
        version=VERSION, kind=kind, body=body, signer=key.public.key_id, signature=signature
    ).SerializeToString(deterministic=True)


def read_envelope(data: bytes) -> Envelope:
    """The envelope in `data`, NOT yet verified. Raises MessageError for size, form, encoding or version."""
    if len(data) > MAX_BYTES:
        raise MessageError("envelope", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
    envelope = Envelope()
    try:
        envelope.ParseFromString(data)
    except DecodeError as error:
        raise MessageError("envelope", got="unreadable bytes", expected="a serialised Envelope") from error
    _check_canonical(envelope, data)
    if envelope.version != VERSION:
        raise MessageError("envelope.version", got=envelope.version, expected=VERSION)
    return envelope


def open_envelope(data: bytes, message_type: type[M], signer: VerifyingKey) -> M:
    """The verified message. Raises MessageError (form, version, kind) or SignatureError (signer, signature)."""
    return verify_envelope(read_envelope(data), message_type, signer)


def verify_envelope(envelope: Envelope, message_type: type[M], signer: VerifyingKey) -> M:
    """As `open_envelope`, for an envelope whose kind was needed to choose `message_type`."""
    expected = message_type.DESCRIPTOR.name
    if envelope.kind != expected:
        raise MessageError("envelope.kind", got=envelope.kind[:64], expected=expected)
    if not envelope.signature:
        raise SignatureError("envelope.signature", got="none", expected=f"a signature by key {signer.key_id}")
    if envelope.signer != signer.key_id:
        raise SignatureError("envelope.signer", got=envelope.signer[:64], expected=signer.key_id)
    signer.verify(_label(expected), _signed_bytes(envelope.signer, envelope.body), envelope.signature)
    message = message_type()
    try:
        message.ParseFromString(envelope.body)
    except DecodeError as error:
        raise MessageError("envelope.body", got="unreadable bytes", expected=f"a serialised {expected}") from error
    return message


def _check_canonical(envelope: Envelope, data: bytes) -> None:
    """One envelope has one form: no unknown, repeated or reordered field, so a hash of the bytes names the message."""
    known = Envelope()
    known.CopyFrom(envelope)
    known.DiscardUnknownFields()
    if known.SerializeToString(deterministic=True) != data:
        raise MessageError("envelope", got="another form of it", expected="the deterministic encoding")


def _label(kind: str) -> str:
    return f"fedscore/v{VERSION}/envelope/{kind}"


def _signed_bytes(signer: str, body: bytes) -> bytes:
    return len(signer).to_bytes(4, "big") + signer.encode() + body
