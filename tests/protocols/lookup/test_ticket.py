"""A ticket opens the pads of one subject in one epoch, and every step happens in its order."""

from __future__ import annotations

import numpy as np
import pytest
from tickets_world import NOW, World, opens

from protocols.errors import MessageError, ProofError, SignatureError, StageError
from protocols.lookup.elgamal import make_tag
from protocols.lookup.leaf import MAX_AGE_S, SignedLeaf
from protocols.lookup.ticket import MemberTickets, QuerierTicket, TicketRefused, check_evaluation
from protocols.oprf.group import base, hash_to_group, multiply, random_scalar, subtract

PERSON = b"DE|4711"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("institutions", [3, 8])
def test_a_ticket_is_what_the_secrets_say(institutions: int) -> None:
    world = World(institutions)
    ticket = world.ticket(PERSON)
    assert ticket.pads.dtype == np.uint32
    assert opens(world, ticket, PERSON)
    assert not opens(world, ticket, b"somebody else")


def test_tickets_of_one_person_agree_and_their_requests_do_not(world: World) -> None:
    first, second = world.ask(PERSON), world.ask(PERSON, "bank-01")
    one, two = (each.state.finish(world.reply(each)) for each in (first, second))
    assert one.element == two.element
    assert np.array_equal(one.pads, two.pads)
    assert not np.array_equal(one.pads, world.ticket(b"somebody else").pads)
    a, b = first.leaf.leaf, second.leaf.leaf
    for field in ("qid", "receipt_hash", "blinded_hash", "tag", "ephemeral"):
        assert getattr(a, field) != getattr(b, field)


def test_messages_have_one_size_and_nothing_of_the_person(world: World) -> None:
    asked = world.ask(PERSON)
    reply = world.reply(asked)
    assert {len(each) for each in reply.evaluations.values()} == {160}
    assert {len(each) for each in reply.pads.values()} == {208}
    assert len(reply.combination) == 160
    ticket = asked.state.finish(reply)
    seen = b"".join([asked.leaf.encode(), asked.blinded, *reply.evaluations.values(), reply.combination])
    seen += b"".join(reply.pads.values())
    for secret in (PERSON, hash_to_group(PERSON), ticket.element, PERSON.hex().encode()):
        assert secret not in seen


def test_asking_again_is_free_and_says_the_same(world: World) -> None:
    asked = world.ask(PERSON)
    before = len(world.parties["bank-01"].guard.leaves)
    replies = [world.reply(asked), world.reply(asked)]
    assert len(world.parties["bank-01"].guard.leaves) == before + 1
    for name in world.parties:
        assert replies[0].evaluations[name][:32] == replies[1].evaluations[name][:32]
    asked.state.finish(replies[1])


def test_the_leaf_comes_back_from_its_bytes(world: World) -> None:
    leaf = world.start(PERSON).leaf
    again = SignedLeaf.decode(leaf.encode())
    assert again == leaf
    assert again.hash == leaf.hash


def test_steps_out_of_order(world: World) -> None:
    early = world.start(PERSON)
    with pytest.raises(StageError):
        early.state.finish(world.reply(world.ask(PERSON)))
    asked = world.ask(PERSON)
    with pytest.raises(StageError):
        asked.state.logged(asked.promise, NOW)
    reply = world.reply(asked)
    asked.state.finish(reply)
    for again in (
        lambda: asked.state.finish(reply),
        lambda: asked.state.logged(asked.promise, NOW),
        lambda: asked.state.opening,
    ):
        with pytest.raises(StageError):
            again()


def test_no_second_step_without_a_first(world: World) -> None:
    asked = world.ask(PERSON)
    evaluations = world.first(asked)
    combination = world.combine(asked, evaluations)
    world.parties["bank-01"].guard.leaves.clear()
    with pytest.raises(StageError, match="second step"):
        world.member("bank-01").second(asked.leaf.encode(), asked.blinded, evaluations, combination, NOW)


def test_secrets_are_forgotten_and_never_printed(world: World) -> None:
    asked = world.ask(PERSON)
    opening = asked.state.opening
    shown = f"{asked.state!r} {opening!r} {world.member('bank-00')!r}"
    reply = world.reply(asked)
    ticket = asked.state.finish(reply)
    shown += f"{ticket!r} {asked.state.__dict__!r}"
    for secret in (opening.blind, opening.nonce, ticket.element, world.parties["bank-00"].share):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert asked.state.__dict__["_secrets"] is None


def test_a_member_starts_with_the_secrets_that_its_epoch_names() -> None:
    world = World()
    party, other = world.parties["bank-00"], world.parties["bank-01"]
    fresh = random_scalar(world.random)
    for share, pad_key, key, name in (
        (fresh, party.pad, party.key, "pseudonym key"),
        (party.share, fresh, party.key, "pad key"),
        (party.share, party.pad, other.key, "signing key"),
    ):
        with pytest.raises(MessageError, match=name):
            MemberTickets(world.context, "bank-00", share, pad_key, key, party.guard, world.random)


def test_requests_of_the_wrong_moment_or_purpose(world: World) -> None:
    asked = world.ask(PERSON)
    member, body = world.member("bank-01"), asked.leaf.encode()
    with pytest.raises(StageError, match="epoch"):
        member.first(body, asked.promise, asked.blinded, NOW - 2 * 86_400)
    with pytest.raises(TicketRefused, match="epoch") as over:
        member.first(body, asked.promise, asked.blinded, NOW + 7 * 86_400)
    assert over.value.code == "closed"
    for moment in (NOW - 3600, NOW + MAX_AGE_S + 1):
        with pytest.raises(TicketRefused, match="issued_at"):
            member.first(body, asked.promise, asked.blinded, moment)
    with pytest.raises(MessageError, match="purpose"):
        QuerierTicket.start(
            PERSON,
            world.context,
            world.parties["bank-00"].key,
            "bank-00",
            purpose="curiosity",
            receipt=b"",
            receipt_serial="1",
            random=world.random,
            now=NOW,
        )


def test_who_is_not_of_the_roster_asks_nothing(world: World) -> None:
    with pytest.raises(MessageError, match="institution"):
        QuerierTicket.start(
            PERSON,
            world.context,
            world.relay_key,
            "relay",
            purpose="credit-application",
            receipt=b"",
            receipt_serial="1",
            random=world.random,
            now=NOW,
        )
    with pytest.raises(SignatureError):
        QuerierTicket.start(
            PERSON,
            world.context,
            world.relay_key,
            "bank-00",
            purpose="credit-application",
            receipt=b"",
            receipt_serial="1",
            random=world.random,
            now=NOW,
        )


def test_a_spot_check_opens_the_leaf_and_nothing_else_does(world: World) -> None:
    asked = world.start(PERSON)
    opening, leaf, oversight = asked.state.opening, asked.leaf.leaf, world.context.oversight
    opening.check(leaf, PERSON, oversight)
    with pytest.raises(ProofError, match="blind"):
        opening.check(leaf, b"somebody else", oversight)
    other = world.start(PERSON)
    with pytest.raises(ProofError, match="receipt"):
        type(opening)(opening.blind, other.state.opening.nonce, opening.receipt).check(leaf, PERSON, oversight)
    with pytest.raises(ProofError, match="receipt"):
        type(opening)(opening.blind, opening.nonce, b"made out afterwards").check(leaf, PERSON, oversight)
    with pytest.raises(ProofError, match="tag"):
        opening.check(leaf, PERSON, base(random_scalar(world.random)))


def test_only_the_oversight_key_opens_a_tag(world: World) -> None:
    tag = make_tag(hash_to_group(PERSON), b"n" * 32, base(world.oversight))
    assert subtract(tag[32:], multiply(world.oversight, tag[:32])) == hash_to_group(PERSON)
    assert subtract(tag[32:], multiply(random_scalar(world.random), tag[:32])) != hash_to_group(PERSON)


def test_a_statement_is_checked_alone_as_it_comes_in(world: World) -> None:
    """The relay asks this of each member's answer as it arrives."""
    asked = world.ask(PERSON)
    data = world.first(asked)["bank-01"]
    element = check_evaluation(world.context, asked.leaf.hash, "bank-01", asked.blinded, data, "bank-01")
    assert element == multiply(world.parties["bank-01"].share, asked.blinded)
