"""Liars in front of honest nodes: what they change in an answer to a round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rounds_world import (
    Handler,
    key_of,
    model_size,
)

from federation.rounds.averaging import model_to_bytes
from protocols.envelope import read_envelope, seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Envelope, RoundReply


def is_round(envelope: bytes) -> bool:
    return read_envelope(envelope).kind == "RoundRequest"


def reply_of(data: bytes) -> RoundReply:
    return RoundReply.FromString(read_envelope(data).body)


def changed(name: str, key: SigningKey | None = None, **changes: object) -> Callable[[Handler], Handler]:
    """A node that answers rounds with a changed reply, signed by `key` (its own by default)."""

    def liar(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = honest(envelope)
            if not is_round(envelope):
                return answer
            reply = reply_of(answer)
            for field, value in changes.items():
                setattr(reply, field, value)
            return seal(reply, key or key_of(name))

        return handle

    return liar


def answering(make: Callable[[bytes, bytes], bytes]) -> Callable[[Handler], Handler]:
    """A node whose answer to a round is `make(request, honest answer)`."""

    def liar(honest: Handler) -> Handler:
        return lambda envelope: make(envelope, honest(envelope)) if is_round(envelope) else honest(envelope)

    return liar


def unsigned(_request: bytes, answer: bytes) -> bytes:
    envelope = Envelope.FromString(answer)
    envelope.signature = b""
    return envelope.SerializeToString()


def replaying() -> Callable[[Handler], Handler]:
    """Answers every round with the first round's bytes."""
    first: list[bytes] = []

    def make(_request: bytes, answer: bytes) -> bytes:
        first.append(answer)
        return first[0]

    return answering(make)


def vector(value: float) -> bytes:
    return model_to_bytes(np.full(model_size(), value, dtype=np.float32))


BAD = "bank-b"
