"""Messages changed by who knows their structure: an error of the protocol each time, never a crash, never a ticket."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tickets_world import NOW, Asked, World

from protocols.canonical import canonical
from protocols.errors import ProtocolError
from protocols.lookup.statement import PROVEN_BYTES, STATEMENT_BYTES
from protocols.lookup.ticket import Fault, SignedLeaf, TicketReply
from protocols.oprf.group import BASE, IDENTITY

WORLD = World()
ASKED = WORLD.ask(b"applicant")
OTHER = WORLD.ask(b"somebody else")
REPLY, OTHER_REPLY = WORLD.reply(ASKED), WORLD.reply(OTHER)
NAMES = sorted(WORLD.parties)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.text(max_size=70)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def elements() -> st.SearchStrategy[bytes]:
    """Valid elements of others, the identity, the base, and what is no element."""
    others = [OTHER.blinded, OTHER_REPLY.combination[:32], REPLY.combination[:32], BASE, IDENTITY]
    return st.sampled_from(others) | st.binary(min_size=32, max_size=32) | st.binary(max_size=40)


@st.composite
def statements(draw: st.DrawFn, true: bytes, alike: list[bytes]) -> bytes:
    """A statement with some parts (element, proof, signature) exchanged for those of another, or damaged."""
    other = draw(st.sampled_from(alike))
    cuts = [0, 32, 64, 96, 160]
    parts = [draw(st.sampled_from([true[a:b], other[a:b], bytes(b - a)])) for a, b in pairwise(cuts)]
    data = b"".join(parts)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    return data[: draw(st.sampled_from([len(data), len(data) - 1, 32, 0]))]


ALIKE = [*REPLY.evaluations.values(), REPLY.combination, *OTHER_REPLY.evaluations.values(), OTHER_REPLY.combination]


@given(st.data())
def test_leaves(data: st.DataObject) -> None:
    document = json.loads(ASKED.leaf.encode())
    target = data.draw(st.sampled_from([document, document["leaf"]]))
    field = data.draw(st.sampled_from([*target, "more"]))
    target[field] = data.draw(json_values)
    body = canonical(document)
    if body == ASKED.leaf.encode():
        return
    with pytest.raises(ProtocolError):
        WORLD.member("bank-01").first(body, ASKED.promise, ASKED.blinded, NOW)
    with pytest.raises(ProtocolError):
        WORLD.member("bank-01").second(body, ASKED.blinded, REPLY.evaluations, REPLY.combination, NOW)


@given(st.binary(max_size=500))
def test_bytes_that_are_no_leaf(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        SignedLeaf.decode(body)


@given(elements())
def test_elements(element: bytes) -> None:
    if element == ASKED.blinded:
        return
    body = ASKED.leaf.encode()
    with pytest.raises(ProtocolError):
        WORLD.member("bank-01").first(body, ASKED.promise, element, NOW)
    with pytest.raises(ProtocolError):
        WORLD.member("bank-01").second(body, element, REPLY.evaluations, REPLY.combination, NOW)


@settings(deadline=None)
@given(st.data())
def test_statements(data: st.DataObject) -> None:
    """A member answers only to the true Z_j and D, proven; and whatever else it is shown is somebody's fault."""
    name = data.draw(st.sampled_from(NAMES))
    evaluations = {**REPLY.evaluations, name: data.draw(statements(REPLY.evaluations[name], ALIKE))}
    combination = data.draw(st.just(REPLY.combination) | statements(REPLY.combination, ALIKE))
    if (evaluations, combination) == (REPLY.evaluations, REPLY.combination):
        return
    asker = data.draw(st.sampled_from([each for each in NAMES if each != name]))
    shown, true = (evaluations[name], combination), (REPLY.evaluations[name], REPLY.combination)
    if [one[:PROVEN_BYTES] for one in shown] == [one[:PROVEN_BYTES] for one in true] and {*map(len, shown)} == {
        STATEMENT_BYTES
    }:
        return  # only the signature is another
    with pytest.raises(Fault) as fault:
        WORLD.member(asker).second(ASKED.leaf.encode(), ASKED.blinded, evaluations, combination, NOW)
    assert fault.value.party == "relay"  # every true signature here is over something true


@settings(deadline=None)
@given(st.data())
def test_replies(data: st.DataObject) -> None:
    asked = Asked(ASKED.state, ASKED.leaf, ASKED.blinded)
    changed: dict[str, Any] = {
        "evaluations": dict(REPLY.evaluations),
        "combination": REPLY.combination,
        "pads": dict(REPLY.pads),
    }
    part = data.draw(st.sampled_from(sorted(changed)))
    if part == "combination":
        changed[part] = data.draw(statements(REPLY.combination, ALIKE))
    else:
        true = dict(getattr(REPLY, part))
        name = data.draw(st.sampled_from(NAMES))
        damage = st.sampled_from([OTHER_REPLY.pads[name], *REPLY.pads.values()]) | st.binary(max_size=220)
        changed[part][name] = data.draw(damage if part == "pads" else statements(true[name], ALIKE))
    reply = TicketReply(**changed)
    if reply == replace(REPLY, evaluations=dict(REPLY.evaluations), pads=dict(REPLY.pads)):
        return
    with pytest.raises(Fault):
        asked.state.finish(reply)
