"""A wrong Z_j, D or W_j names its maker; what is damaged on the way, the relay. Also with the checks off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tickets_world import NOW, Asked, World, lie, opens, passes, true_ticket

from protocols.lookup import statement, ticket_member, ticket_querier, ticket_relay
from protocols.lookup.pads import pad
from protocols.lookup.parameters import MODULUS
from protocols.lookup.seal import open_sealed
from protocols.lookup.statement import Bond, Role, prove, signed
from protocols.lookup.ticket import Fault, Ticket, TicketReply
from protocols.oprf.group import Element, multiply, random_scalar

ASKED, VICTIM = b"applicant", b"victim"
LIAR = "bank-01"


@pytest.fixture
def world() -> World:
    return World()


def test_a_wrong_evaluation_names_its_maker(world: World) -> None:
    asked = world.ask(ASKED)
    evaluations = world.first(asked) | {LIAR: lie(world, Role.EVALUATION, LIAR, asked, random_scalar(world.random))}
    honest = world.first(asked)
    for check in (
        lambda: world.combine(asked, evaluations),
        lambda: world.second(asked, evaluations, world.combine(asked, honest)),
        lambda: asked.state.finish(replace(world.reply(asked), evaluations=evaluations)),
    ):
        with pytest.raises(Fault) as fault:
            check()
        assert (fault.value.party, fault.value.role) == (LIAR, "evaluation")


def test_a_wrong_evaluation_moves_the_subject_unseen_without_the_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement.dleq, "verify", passes)
    asked = world.ask(ASKED)
    evaluations = world.first(asked) | {LIAR: lie(world, Role.EVALUATION, LIAR, asked, random_scalar(world.random))}
    combination = world.combine(asked, evaluations)
    monkeypatch.setattr(ticket_member, "check_evaluations", ignoring_own(ticket_relay.check_evaluations))
    ticket = asked.state.finish(TicketReply(evaluations, combination, world.second(asked, evaluations, combination)))
    assert ticket.element != true_ticket(world, ASKED).element


def ignoring_own(check: Callable[..., Element]) -> Callable[..., Element]:
    return lambda *args, known, **more: check(*args, known={}, **more)


def combination_for(world: World, asked: Asked, target: Element) -> bytes:
    """The relay signs D = a point of the public layout instead of z times the sum; its proof is about another z."""
    bond = Bond(Role.COMBINATION, "relay", world.context.epoch_id, asked.leaf.hash)
    one = (1).to_bytes(32, "little")
    _, proven = prove(bond, one, multiply(one, target), target, world.random)
    return signed(bond, proven, world.relay_key)


def test_a_relay_that_puts_a_layout_point_in_place_of_d(world: World) -> None:
    asked = world.ask(ASKED)
    evaluations = world.first(asked)
    forged = combination_for(world, asked, true_ticket(world, VICTIM).element)
    with pytest.raises(Fault) as fault:
        world.second(asked, evaluations, forged)
    assert (fault.value.party, fault.value.role) == ("relay", "combination")
    with pytest.raises(Fault) as fault:
        asked.state.finish(replace(world.reply(asked), combination=forged))
    assert (fault.value.party, fault.value.role) == ("relay", "combination")


def test_the_layout_point_in_place_of_d_opens_the_victim_without_the_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relay and querier together read whom they like, with one ticket for somebody else."""
    target = true_ticket(world, VICTIM).element
    asked = world.ask(ASKED)
    evaluations = world.first(asked)
    monkeypatch.setattr(ticket_member, "check_combination", lambda *_, **__: target)
    pads = world.second(asked, evaluations, b"")
    ephemeral = asked.state.__dict__["_secrets"].ephemeral
    total = np.zeros(8, np.uint64)
    for name, data in pads.items():
        bond = Bond(Role.PAD, name, world.context.epoch_id, asked.leaf.hash)
        evaluated = open_sealed(ephemeral, data[:-64], bond.bytes)[:32]
        total += pad(world.context.epoch_id, name, target, evaluated)
    assert opens(world, Ticket(target, (total % MODULUS).astype(np.uint32), bytes(32)), VICTIM)


def wrong_pad(world: World, asked: Asked, evaluations: dict[str, bytes], combination: bytes) -> dict[str, bytes]:
    """One member answers with another pad key: the record read would be shifted by noise of its choice."""
    pads = world.second(asked, evaluations, combination)
    bond = Bond(Role.PAD, LIAR, world.context.epoch_id, asked.leaf.hash)
    secret = random_scalar(world.random)
    element = combination[:32]
    _, proven = prove(bond, secret, multiply(secret, element), element, world.random)
    sealed = ticket_member.seal(asked.leaf.leaf.ephemeral, proven, bond.bytes)
    return pads | {LIAR: signed(bond, sealed, world.parties[LIAR].key)}


def test_a_wrong_pad_names_its_maker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = world.ask(ASKED)
    evaluations = world.first(asked)
    combination = world.combine(asked, evaluations)
    forged = TicketReply(evaluations, combination, wrong_pad(world, asked, evaluations, combination))
    with pytest.raises(Fault) as fault:
        asked.state.finish(forged)
    assert (fault.value.party, fault.value.role) == (LIAR, "pad")
    monkeypatch.setattr(ticket_querier, "check_proven", lambda bond, public, given, proven: proven[:32])
    ticket = asked.state.finish(forged)  # with the check off: a wrong record, and nobody to blame
    assert ticket.element == true_ticket(world, ASKED).element
    assert not opens(world, ticket, ASKED)


def test_a_pad_that_does_not_open_is_its_makers_fault(world: World) -> None:
    asked = world.ask(ASKED)
    reply = world.reply(asked)
    bond = Bond(Role.PAD, LIAR, world.context.epoch_id, asked.leaf.hash)
    junk = signed(bond, world.random(144), world.parties[LIAR].key)
    with pytest.raises(Fault) as fault:
        asked.state.finish(replace(reply, pads=dict(reply.pads) | {LIAR: junk}))
    assert fault.value.party == LIAR


@pytest.mark.parametrize("part", ["evaluations", "combination", "pads"])
def test_what_is_damaged_on_the_way_is_the_relays_fault(world: World, part: str) -> None:
    asked = world.ask(ASKED)
    reply = world.reply(asked)
    value = getattr(reply, part)
    if part == "combination":
        damaged: Any = bytes([value[0] ^ 1]) + value[1:]
    else:
        damaged = dict(value) | {LIAR: bytes([value[LIAR][0] ^ 1]) + value[LIAR][1:]}
    with pytest.raises(Fault) as fault:
        asked.state.finish(replace(reply, **{part: damaged}))
    assert fault.value.party == "relay"
    asked.state.finish(reply)  # the request is still good


@pytest.mark.parametrize("part", ["evaluations", "pads"])
def test_what_is_left_out_or_added(world: World, part: str) -> None:
    asked = world.ask(ASKED)
    reply = world.reply(asked)
    whole = dict(getattr(reply, part))
    missing = {name: data for name, data in whole.items() if name != LIAR}
    for changed in (missing, whole | {"stranger": whole[LIAR]}, missing | {"stranger": whole[LIAR]}):
        with pytest.raises(Fault) as fault:
            asked.state.finish(replace(reply, **{part: changed}))
        assert fault.value.party == "relay"
    if part == "evaluations":
        with pytest.raises(Fault) as fault:
            world.combine(asked, missing)
        assert fault.value.party == LIAR


def test_statements_do_not_serve_for_another_request(world: World) -> None:
    """Two requests with the SAME B: even then nothing of one passes for the other."""
    one = world.ask(ASKED)
    two = world.start(ASKED)
    two.leaf = replace(two.leaf.leaf, blinded_hash=one.leaf.leaf.blinded_hash).sign(world.parties["bank-00"].key)
    two.blinded, two.promise = one.blinded, world.promise(two.leaf.encode())
    evaluations = world.first(one)
    world.first(two)
    assert {name: data[:32] for name, data in evaluations.items()} == {
        name: data[:32] for name, data in world.first(two).items()
    }
    with pytest.raises(Fault):
        world.combine(two, evaluations)
    swapped = world.first(one)
    swapped["bank-00"], swapped[LIAR] = swapped[LIAR], swapped["bank-00"]
    with pytest.raises(Fault):
        world.combine(one, swapped)


def test_a_proof_without_its_signature_opens_the_same_pad_and_passes_nobody_who_hands_it_on(world: World) -> None:
    """A member neither keeps nor passes on what it is shown, so the proof is enough for it: it binds maker and leaf."""
    asked = world.ask(ASKED)
    true = world.first(asked)
    combination, bare = world.combine(asked, true), true | {LIAR: true[LIAR][:96] + bytes(64)}
    bond = Bond(Role.PAD, "bank-02", world.context.epoch_id, asked.leaf.hash)
    ephemeral = asked.state.__dict__["_secrets"].ephemeral
    opened = [
        open_sealed(ephemeral, world.second(asked, shown, d)["bank-02"][:-64], bond.bytes)[:32]
        for shown, d in ((true, combination), (true, combination[:96] + bytes(64)))
    ]
    member = world.member("bank-02")
    sealed = member.second(asked.leaf.encode(), asked.blinded, bare, combination, NOW)
    assert {*opened, open_sealed(ephemeral, sealed[:-64], bond.bytes)[:32]} == {opened[0]}
    with pytest.raises(Fault, match="no signature"):
        world.combine(asked, bare)
    with pytest.raises(Fault, match="no signature"):
        asked.state.finish(TicketReply(bare, combination, world.second(asked, true, combination)))
    moved = true | {LIAR: world.first(world.ask(VICTIM))[LIAR][:96] + true[LIAR][96:]}
    with pytest.raises(Fault, match="no signature") as fault:  # another request's proof is none for this one
        member.second(asked.leaf.encode(), asked.blinded, moved, combination, NOW)
    assert fault.value.party == "relay"
