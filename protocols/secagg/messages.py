"""Messages on the wire: protobuf inside signed envelopes; every mistake is a typed error that names its party."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from protocols.envelope import open_envelope
from protocols.errors import EncodingError, MessageError, ProtocolError, SignatureError
from protocols.lookup.fault import Fault
from protocols.secagg.plan import SecaggPlan

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def open_from(plan: SecaggPlan, member: str, role: str, data: bytes, kind: type[M], read: Callable[[M], T]) -> T:
    """What `read` makes of the message that `member` signed with its enrolled key.

    Raises Fault naming `member` and `role` for bytes that are not that, whoever made them.
    """
    plan.place(member)
    try:
        return read(open_envelope(data, kind, plan.members[member]))
    except (EncodingError, MessageError, SignatureError) as error:
        raise blame(member, role, error) from error


def blame(party: str, role: str, error: ProtocolError) -> Fault:
    """`error`, as what `party` is to answer for."""
    return Fault(party, role, f"{error.field}: {error.got}", expected=error.expected)


def parse(data: bytes, kind: type[M], most: int) -> M:
    """A message that rides inside another party's envelope. Raises MessageError for size, form or encoding."""
    if len(data) > most:
        raise MessageError(kind.DESCRIPTOR.name, got=f"{len(data)} bytes", expected=f"at most {most}")
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MessageError(kind.DESCRIPTOR.name, got="unreadable bytes", expected="the message") from error
    return message


def same(field: str, got: bytes, expected: bytes) -> None:
    """Raises MessageError for the id of something else."""
    if got != expected:
        raise MessageError(field, got=got.hex()[:16], expected=expected.hex()[:16])


def cells(values: Sequence[bytes], field: str, count: int, length: int) -> tuple[bytes, ...]:
    """`count` byte strings of `length` bytes each, or a MessageError."""
    if len(values) != count:
        raise MessageError(field, got=f"{len(values)} of them", expected=count)
    for value in values:
        if len(value) != length:
            raise MessageError(field, got=f"{len(value)} bytes", expected=f"{length} bytes")
    return tuple(values)
