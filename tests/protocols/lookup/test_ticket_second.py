"""The second step opens a pad: for the request of this epoch, while it is open, over what this member made itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tickets_world import NOW, Asked, World

from protocols.errors import MessageError, StageError
from protocols.lookup.fault import RELAY, Fault
from protocols.lookup.leaf import SignedLeaf, blinded_hash, tag_bond
from protocols.lookup.statement import SEALED_PAD_BYTES, STATEMENT_BYTES, Bond, Role, check_signed, prove, signed
from protocols.lookup.ticket import FirstOrder, TicketRefused
from protocols.oprf.group import multiply, sum_of

HONEST = "bank-01"


def colluding(world: World, asked: Asked) -> tuple[dict[str, bytes], bytes]:
    """Evaluations and combination for `asked` in the epoch of `world`, by all but HONEST, who is asked for nothing."""
    context, leaf_hash = world.context, asked.leaf.hash
    evaluations, elements = {}, []
    for name, party in world.parties.items():
        bond = Bond(Role.EVALUATION, name, context.epoch_id, leaf_hash)
        public = context.roster.member(name).pseudonym_key
        element, proven = prove(bond, party.share, public, asked.blinded, world.random)
        elements.append(element)
        evaluations[name] = signed(bond, proven, party.key) if name != HONEST else element.ljust(STATEMENT_BYTES, b"\0")
    bond = Bond(Role.COMBINATION, RELAY, context.epoch_id, leaf_hash)
    _, proven = prove(bond, world.z, context.relay_public, sum_of(elements), world.random)
    return evaluations, signed(bond, proven, world.relay_key)


def second(world: World, asked: Asked, evaluations: dict[str, bytes], combination: bytes, now: float = NOW) -> bytes:
    return world.member(HONEST).second(asked.leaf.encode(), asked.blinded, evaluations, combination, now)


def moved(asked: Asked) -> tuple[World, dict[str, bytes], bytes]:
    """Everybody but HONEST, and the relay, go on with a request of the epoch before in this one."""
    later = World(epoch=2)
    later.parties[HONEST].guard.leaves[asked.leaf.hash] = ("bank-00", 0, "charged in the epoch before")
    return later, *colluding(later, asked)


def test_a_ticket_of_the_epoch_before_opens_no_pad_of_this_one() -> None:
    asked = World().ask(b"person")
    later, evaluations, combination = moved(asked)
    with pytest.raises(MessageError, match=r"leaf\.epoch_id"):
        second(later, asked, evaluations, combination)


def test_without_the_check_one_question_would_be_answered_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = World().ask(b"person")
    later, evaluations, combination = moved(asked)
    monkeypatch.setattr(SignedLeaf, "check_epoch", lambda leaf, context: None)
    assert len(second(later, asked, evaluations, combination)) == SEALED_PAD_BYTES


def test_no_pad_is_opened_once_the_time_of_the_epoch_is_over() -> None:
    world = World()
    asked = world.ask(b"person")
    evaluations = world.first(asked)
    combination, end = world.combine(asked, evaluations), world.context.signed.epoch.closes_at
    assert second(world, asked, evaluations, combination, end - 1)
    with pytest.raises(TicketRefused, match="a request after it closed"):
        second(world, asked, evaluations, combination, end)


def test_a_member_is_shown_what_it_made_itself() -> None:
    """Another Z under its name would be proved to nobody, and the querier told that this member made it."""
    world = World()
    asked = world.ask(b"person")
    evaluations = world.first(asked)
    combination = world.combine(asked, evaluations)
    other = multiply(world.parties["bank-00"].share, asked.blinded)
    with pytest.raises(Fault, match="another element than bank-01 made") as fault:
        second(world, asked, evaluations | {HONEST: other + evaluations[HONEST][32:]}, combination)
    assert fault.value.party == RELAY


def test_a_batch_with_an_element_that_is_none_is_answered_all_the_same() -> None:
    """Its hash was logged, and a promise given: what cannot be multiplied spoils no other order."""
    world = World()
    good, bad = world.ask(b"person"), world.start(b"person")
    none = b"\xff" * 32
    leaf = replace(bad.leaf.leaf, blinded_hash=blinded_hash(none)).sign(world.parties["bank-00"].key)
    orders = [
        FirstOrder(leaf.encode(), world.promise(leaf.encode()), none),
        FirstOrder(good.leaf.encode(), good.promise, good.blinded),
    ]
    refused, answered = world.member(HONEST).first_all(orders, NOW)
    assert isinstance(refused, MessageError)
    assert refused.field == "blinded"
    assert isinstance(answered, bytes)


def test_a_request_that_was_given_up_is_not_logged_afterwards() -> None:
    world = World()
    asked = world.start(b"person")
    promise = world.promise(asked.leaf.encode())
    asked.state.forget()
    with pytest.raises(StageError, match="nothing after the end"):
        asked.state.logged(promise, NOW)


def test_what_a_statement_belongs_to_is_in_its_bytes() -> None:
    """Known answer: the label to the first zero byte, two parts of 32 bytes, the maker."""
    bond = Bond(Role.PAD, "bank-01", b"e" * 32, b"l" * 32)
    assert bond.bytes == b"fedscore/v1/lookup/ticket/pad\x00" + b"e" * 32 + b"l" * 32 + b"bank-01"
    for name in ("epoch_id", "leaf_hash"):
        with pytest.raises(MessageError, match="got 33 bytes, expected 32 bytes"):
            replace(bond, **{name: bytes(33)})
    tags = {tag_bond(who, epoch * 32, qid * 16) for who in "ab" for epoch in (b"e", b"f") for qid in (b"i", b"j")}
    assert len(tags) == 8


def test_a_statement_of_another_size_is_its_carriers_fault() -> None:
    """Signed or not: a sealed pad with more in it would carry word from a member to a querier, past the relay."""
    world = World()
    bond, key = Bond(Role.PAD, HONEST, b"e" * 32, b"l" * 32), world.parties[HONEST].key
    longer = signed(bond, bytes(SEALED_PAD_BYTES - 63), key)
    with pytest.raises(Fault, match=f"{SEALED_PAD_BYTES + 1} bytes for {HONEST}") as fault:
        check_signed(bond, longer, SEALED_PAD_BYTES, key.public, RELAY)
    assert fault.value.party == RELAY
