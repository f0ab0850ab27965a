"""Whatever bytes arrive, at a member or at the coordinator: a typed error that names the sender, never a crash.

Bytes are random, or those of a good message with something changed; some are signed by a member that means ill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from secagg_world import World, plan_of

from protocols.envelope import read_envelope, seal
from protocols.errors import MessageError, ProtocolError
from protocols.secagg import Collector, Fault, RoundSum, Unmasking, from_wire
from protocols.wire import secagg_pb2 as pb

LIAR, ME = "bank-01", "bank-00"
NUMBERS = st.sampled_from([0, 1, 2, 2**31, 2**32 - 1])
TEXTS = st.one_of(st.sampled_from(["", LIAR, ME, "bank-99", "\0", "\n" * 40]), st.text(max_size=9))
BYTES = st.one_of(st.sampled_from([b"", bytes(32), bytes(33), bytes(81), b"\xff" * 32]), st.binary(max_size=90))


@cache
def world() -> tuple[World, RoundSum, bytes]:
    """A round in its second exchange, and LIAR's honest reveal."""
    made = World(plan_of(4, 1))
    total = made.offered(1, made.vectors(5))
    return made, total, made.reveal(LIAR, total.unmasking(LIAR))


def at_collector(step: str) -> Callable[[bytes], object]:
    made, _, _ = world()
    collector = Collector(made.plan)
    if step == "shares":
        for name, advert in made.collector.adverts.items():
            collector.advert(name, advert)
    return lambda data: getattr(collector, step)(LIAR, data)


def at_member(data: bytes) -> object:
    made, _, _ = world()
    return replace(made.states[ME], setup=None).share({**made.collector.adverts, LIAR: data})


def at_round(data: bytes) -> object:
    return world()[1].reveal(LIAR, data)


ENTRANCES: dict[str, tuple[type[Message], Callable[[bytes], object]]] = {
    "advert": (pb.SecaggAdvert, lambda data: at_collector("advert")(data)),
    "advert passed on": (pb.SecaggAdvert, at_member),
    "shares": (pb.SecaggShares, lambda data: at_collector("shares")(data)),
    "reveal": (pb.SecaggReveal, at_round),
}


def good(entrance: str) -> bytes:
    made, _, reveal = world()
    collector = made.collector
    return {"reveal": reveal, "shares": collector._shares[LIAR]}.get(entrance, collector.adverts[LIAR])


@pytest.mark.parametrize("entrance", ENTRANCES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bytes_that_nobody_signed(entrance: str, data: st.DataObject) -> None:
    whole = good(entrance)
    at = data.draw(st.integers(0, len(whole) - 1))
    hostile = data.draw(
        st.one_of(
            st.binary(max_size=200),
            st.just(whole[:at]),
            st.just(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]),
            st.just(whole + whole),
        )
    )
    with pytest.raises(Fault) as fault:
        ENTRANCES[entrance][1](hostile)
    assert fault.value.party == LIAR


def changed(data: st.DataObject, message: Message) -> None:
    """One field set to something else, of its type."""
    field = data.draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
    values = {field.TYPE_BYTES: BYTES, field.TYPE_STRING: TEXTS, field.TYPE_UINT32: NUMBERS}[field.type]
    if not field.is_repeated:
        setattr(message, field.name, data.draw(values))
        return
    items = getattr(message, field.name)
    match data.draw(st.sampled_from(["none", "fewer", "more", "other"])):
        case "none":
            del items[:]
        case "fewer" if items:
            items.pop()
        case "other" if items:
            items[data.draw(st.integers(0, len(items) - 1))] = data.draw(values)
        case _:
            items.append(data.draw(values))


@pytest.mark.parametrize("entrance", ENTRANCES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_messages_that_a_member_signed(entrance: str, data: st.DataObject) -> None:
    """What does not come through is refused naming the member: what does may be sent, and is found out later."""
    made, _, _ = world()
    kind, enter = ENTRANCES[entrance]
    message = kind.FromString(read_envelope(good(entrance)).body)
    changed(data, message)
    blamed = LIAR
    try:
        enter(seal(message, made.keys[LIAR]))
    except ProtocolError as error:
        blamed = error.party if isinstance(error, Fault) else f"nobody by {error!r}"
    assert blamed == LIAR


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_an_unmasking_that_says_anything(data: st.DataObject) -> None:
    made, total, _ = world()
    whole = total.unmasking(ME).encode()
    message = pb.SecaggUnmasking.FromString(whole)
    changed(data, message)
    at = data.draw(st.integers(0, len(whole) - 1))
    hostile = data.draw(
        st.one_of(st.just(message.SerializeToString()), st.binary(max_size=300), st.just(whole[:at] + whole[at + 1 :]))
    )
    try:
        asked = Unmasking.decode(made.plan, hostile)
        made.states[ME].reveal(asked)
    except ProtocolError:
        return
    assert asked == total.unmasking(ME)


def test_an_unmasking_survives_its_encoding() -> None:
    made, total, _ = world()
    asked = total.unmasking(ME)
    assert Unmasking.decode(made.plan, asked.encode()) == asked
    assert made.reveal(ME, Unmasking.decode(made.plan, asked.encode()))
    with pytest.raises(MessageError, match="SecaggUnmasking: got 5000 bytes, expected at most"):
        Unmasking.decode(made.plan, bytes(5000))


@given(st.binary(max_size=40), st.integers(1, 6))
def test_a_vector_of_any_bytes(data: bytes, width: int) -> None:
    try:
        assert from_wire(data, width).dtype == np.uint64
    except MessageError:
        assert len(data) != 8 * width


def test_a_coordinators_record_with_anything_changed_is_refused() -> None:
    made, _, _ = world()
    record = pb.SecaggSetup.FromString(made.collector.to_bytes())
    for change, match in (
        (lambda each: each.adverts.pop(LIAR), "secagg.adverts: got none of bank-01"),
        (lambda each: each.shares.__setitem__("mallory", b""), "a member of the plan"),
        (lambda each: each.adverts.__setitem__("mallory", b""), "a member of the plan"),
        (lambda each: each.shares.__setitem__(LIAR, record.shares[ME]), "shares from bank-01"),
        (lambda each: each.adverts.__setitem__(LIAR, record.adverts[ME]), "advert from bank-01"),
    ):
        other = pb.SecaggSetup()
        other.CopyFrom(record)
        change(other)
        with pytest.raises(ProtocolError, match=match):
            Collector.from_bytes(made.plan, other.SerializeToString())
    with pytest.raises(MessageError, match="unreadable bytes"):
        Collector.from_bytes(made.plan, b"\xff")
