"""Attacks on tickets, each twice: refused, and succeeding once the one check that stops it is off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tickets_world import NOW, Asked, World, lie, opens, passes, true_ticket

from protocols.errors import MessageError, ProofError
from protocols.lookup import leaf as leaf_module
from protocols.lookup import ticket_member, ticket_querier, ticket_relay
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.pads import pad
from protocols.lookup.parameters import MODULUS
from protocols.lookup.seal import open_sealed
from protocols.lookup.statement import Bond, Role
from protocols.lookup.ticket import Fault, Ticket, TicketReply
from protocols.oprf.group import (
    IDENTITY,
    ORDER,
    add,
    hash_to_group,
    invert,
    multiply,
    random_scalar,
    subtract,
)

ASKED, VICTIM = b"applicant", b"victim"
LIAR = "bank-01"


@pytest.fixture
def world() -> World:
    return World()


# ---- B logged for one person, pads for another ----


def log_one_ask_another(world: World) -> Asked:
    """The leaf and its receipt are the applicant's; what is sent to be evaluated is the victim's element."""
    asked = world.ask(ASKED)
    asked.blinded = multiply(asked.state.opening.blind, hash_to_group(VICTIM))
    asked.state.blinded = asked.blinded
    return asked


def test_logging_one_person_and_opening_another(world: World) -> None:
    asked = log_one_ask_another(world)
    with pytest.raises(MessageError, match="whose hash was logged"):
        world.reply(asked)
    with pytest.raises(MessageError, match="whose hash was logged"):
        world.combine(asked, {})


def test_logging_one_person_and_opening_another_without_the_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_member, "check_blinded", passes)
    monkeypatch.setattr(ticket_relay, "check_blinded", passes)
    asked = log_one_ask_another(world)
    assert opens(world, asked.state.finish(world.reply(asked)), VICTIM)


def test_the_swap_between_the_two_steps(world: World) -> None:
    """First step as logged; then evaluations of the victim's element, made by friends, in the second."""
    asked = world.ask(ASKED)
    world.first(asked)
    swapped = log_one_ask_another(world)
    swapped.leaf = asked.leaf
    forged = {name: lie(world, Role.EVALUATION, name, swapped, party.share) for name, party in world.parties.items()}
    combination = lie(world, Role.COMBINATION, "relay", swapped, world.z)
    with pytest.raises(MessageError, match="whose hash was logged"):
        world.second(swapped, forged, combination)
    swapped.blinded = asked.blinded
    with pytest.raises(Fault):
        world.second(swapped, forged, combination)


@pytest.mark.parametrize("where", ["first", "second"])
def test_the_relay_shows_different_elements_to_different_members(world: World, where: str) -> None:
    asked = world.ask(ASKED)
    evaluations = world.first(asked)
    combination = world.combine(asked, evaluations)
    other = multiply(random_scalar(world.random), asked.blinded)
    member, body = world.member(LIAR), asked.leaf.encode()
    steps = {
        "first": lambda: member.first(body, asked.promise, other, NOW),
        "second": lambda: member.second(body, other, evaluations, combination, NOW),
    }
    with pytest.raises(MessageError, match="whose hash was logged"):
        steps[where]()


@pytest.mark.parametrize("element", [IDENTITY, b"\xff" * 32, bytes(31), ORDER.to_bytes(32, "little")])
def test_elements_that_are_none(world: World, element: bytes) -> None:
    asked = world.ask(ASKED)
    with pytest.raises(MessageError):
        world.member(LIAR).first(asked.leaf.encode(), asked.promise, element, NOW)


# ---- combinations, epochs, recorded traffic ----


def test_a_combination_of_tickets_opens_nobody_and_does_not_survive_a_spot_check(world: World) -> None:
    """B = r (H(u) + H(v)) is a valid element and may be logged. It costs a ticket, and opens neither u nor v."""
    asked = world.start(ASKED)
    both = add(hash_to_group(ASKED), hash_to_group(VICTIM))
    opening = asked.state.opening
    asked.blinded = asked.state.blinded = multiply(opening.blind, both)
    changed = replace(asked.leaf.leaf, blinded_hash=leaf_module.blinded_hash(asked.blinded))
    asked.leaf = asked.state.leaf = changed.sign(world.parties["bank-00"].key)
    asked.promise = world.promise(asked.leaf.encode())
    asked.state.logged(asked.promise, NOW)
    mixed = asked.state.finish(world.reply(asked))
    one, two = true_ticket(world, ASKED), true_ticket(world, VICTIM)
    assert mixed.element == add(one.element, two.element)
    for guess in (one.pads, two.pads, (one.pads + two.pads) % MODULUS):
        assert not np.array_equal(mixed.pads, guess)
    for identifier in (ASKED, VICTIM):
        with pytest.raises(ProofError, match="blind"):
            opening.check(asked.leaf.leaf, identifier, None)


def test_without_the_hash_in_the_pads_a_combination_would_open_the_sum_of_two(world: World) -> None:
    """What the hash is for: the group elements behind the pads ARE linear."""
    one, two = true_ticket(world, ASKED).element, true_ticket(world, VICTIM).element
    secret = world.parties[LIAR].pad
    assert subtract(multiply(secret, add(one, two)), multiply(secret, one)) == multiply(secret, two)


def test_an_old_epochs_request_in_a_new_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = World(epoch=1), World(epoch=2)
    asked = old.ask(ASKED)
    ticket = asked.state.finish(old.reply(asked))
    with pytest.raises(MessageError, match="epoch_id"):
        new.first(asked)
    assert not opens(new, ticket, ASKED)
    monkeypatch.setattr(SignedLeaf, "check", passes)  # with the checks off, a request paid once is paid for ever
    monkeypatch.setattr(SignedLeaf, "check_epoch", passes)
    ephemeral = X25519PrivateKey.from_private_bytes(new.random(32))
    lasting = replace(asked.leaf.leaf, ephemeral=ephemeral.public_key().public_bytes_raw())
    asked.leaf = lasting.sign(old.parties["bank-00"].key)
    asked.promise = old.promise(asked.leaf.encode())
    reply = new.reply(asked)
    read = open_sealed(
        ephemeral, reply.pads[LIAR][:-64], Bond(Role.PAD, LIAR, new.context.epoch_id, asked.leaf.hash).bytes
    )
    assert read[:32] == multiply(new.parties[LIAR].pad, reply.combination[:32])


def test_statements_of_an_old_epoch_in_a_new_one() -> None:
    old, new = World(epoch=1), World(epoch=2)
    earlier, asked = old.ask(ASKED), new.ask(ASKED)
    evaluations = old.first(earlier)
    with pytest.raises(Fault):
        new.combine(asked, evaluations)


def recorded(world: World) -> tuple[Asked, TicketReply, bytes]:
    """All traffic of a ticket, and the blinding scalar, stolen later."""
    asked = world.ask(ASKED)
    blind = asked.state.opening.blind
    reply = world.reply(asked)
    asked.state.finish(reply)
    return asked, reply, blind


def test_recorded_traffic_and_the_blinding_scalar_open_nothing(world: World) -> None:
    asked, reply, blind = recorded(world)
    combined = reply.combination[:32]
    assert multiply(invert(blind), combined) == true_ticket(world, ASKED).element  # where the person stands leaks
    traffic = b"".join([*reply.pads.values(), *reply.evaluations.values(), reply.combination, asked.leaf.encode()])
    for name, party in world.parties.items():
        assert multiply(party.pad, combined) not in traffic, name


def test_recorded_traffic_and_the_blinding_scalar_open_the_record_without_the_seal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_member, "seal", lambda public, plaintext, info: plaintext + bytes(48))
    monkeypatch.setattr(ticket_querier, "open_sealed", lambda key, sealed, info: sealed[:-48])
    asked, reply, blind = recorded(world)
    element = multiply(invert(blind), reply.combination[:32])
    total = sum(
        pad(world.context.epoch_id, name, element, multiply(invert(blind), data[:32])).astype(np.uint64)
        for name, data in reply.pads.items()
    )
    assert opens(world, Ticket(element, (total % MODULUS).astype(np.uint32), asked.leaf.hash), ASKED)
