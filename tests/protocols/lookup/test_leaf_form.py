"""What a logged request may be made of: anything else is refused by whoever reads it, before it means something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tickets_world import NOW, World
from world import START
from world import World as Unseen

from protocols.errors import MessageError
from protocols.lookup.fault import TicketRefused
from protocols.lookup.leaf import CLOCK_SKEW_S, MAX_AGE_S, MAX_BYTES, Leaf, SignedLeaf, receipt_hash
from protocols.oprf.group import BASE, IDENTITY

NO_ELEMENT = b"\xff" * 32


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def leaf(world: World) -> Leaf:
    return world.start(b"person").leaf.leaf


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("querier", ""),
        ("querier", "b" * 65),
        ("purpose", "credit\x00"),
        ("receipt_serial", "s" * 65),
        ("qid", bytes(15)),
        ("epoch_id", bytes(31)),
        ("receipt_hash", bytes(33)),
        ("blinded_hash", b""),
        ("ephemeral", bytes(31)),
        ("tag", BASE),
        ("tag", NO_ELEMENT + BASE),
        ("tag", BASE + NO_ELEMENT),
        ("tag", BASE + IDENTITY),
        ("tag_proof", bytes(63)),
        ("issued_at", -1),
        ("issued_at", 253_402_300_800),  # in the year 10000
    ],
)
def test_a_field_of_another_form_makes_no_leaf(leaf: Leaf, field: str, value: Any) -> None:
    """Half a tag, or one that is no point, would hide a request from whom it is about, and break the look-up of all."""
    name = "serial" if field == "receipt_serial" else field
    with pytest.raises(MessageError, match=rf"leaf\.{name}"):
        replace(leaf, **{field: value})


def test_names_have_their_room(leaf: Leaf) -> None:
    assert replace(leaf, querier="b", purpose="p" * 64, receipt_serial="s" * 64)


def test_nothing_is_read_that_is_larger_than_any_leaf(leaf: Leaf) -> None:
    with pytest.raises(MessageError, match=f"leaf: got {MAX_BYTES + 1} bytes, expected at most {MAX_BYTES}"):
        SignedLeaf.decode(b" " * (MAX_BYTES + 1))


def test_a_nonce_ends_where_the_receipt_begins() -> None:
    """Or one logged hash would open to two receipts: what is the end of the nonce begins the other one."""
    with pytest.raises(MessageError, match="nonce: got 33 bytes"):
        receipt_hash(b"n" * 32 + b"r", b"eceipt")
    assert receipt_hash(b"n" * 32, b"receipt") != receipt_hash(b"n" * 32, b"another")


def test_a_request_that_oversight_could_not_find_is_refused(world: World, leaf: Leaf) -> None:
    """Without a tag the person is never told of it; with one where nobody holds the key, it is a hidden channel."""
    key = world.parties["bank-00"].key
    with pytest.raises(MessageError, match=r"leaf\.tag: got none"):
        replace(leaf, tag=b"", tag_proof=b"").sign(key).check(world.context, NOW)
    plain = Unseen(subjects=3)  # names no oversight key
    context = plain.epoch().context
    assert context.oversight is None
    tagged = replace(leaf, epoch_id=context.epoch_id).sign(plain.signers["bank-00"])
    with pytest.raises(MessageError, match=r"leaf\.tag: got one"):
        tagged.check(context, START)


@pytest.mark.parametrize(
    ("at", "taken"), [(CLOCK_SKEW_S, True), (CLOCK_SKEW_S + 1, False), (-MAX_AGE_S, True), (-MAX_AGE_S - 1, False)]
)
def test_a_request_is_of_now(world: World, leaf: Leaf, at: int, taken: bool) -> None:
    """Dated otherwise it would be charged to another day than it is counted on."""
    dated = replace(leaf, issued_at=int(NOW) + at).sign(world.parties["bank-00"].key)
    if taken:
        dated.check(world.context, NOW)
        return
    with pytest.raises(TicketRefused, match=r"leaf\.issued_at"):
        dated.check(world.context, NOW)
