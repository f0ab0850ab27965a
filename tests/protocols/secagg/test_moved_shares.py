"""Shares that are replayed in another round, of another kind, to another member; and one key for two rounds.

Each attack is carried out with the protection off, and shows a member's vector; with it on it is refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from coordinator_attacks import Attacker
from secagg_world import Words, World, plan_of

from protocols.errors import MessageError
from protocols.secagg import Fault, Member
from protocols.secagg import member as member_module
from protocols.secagg.advert import Advert
from protocols.secagg.secrets import Kind
from protocols.secagg.sharing import Place, open_share

VICTIM = "bank-00"


def whatever_it_is(place: Place, channel: bytes, cell: bytes) -> bytes:
    """`open_share` where a cell is not bound to its place: the share, of any round and kind."""
    for number, kind in product(range(1, place.setup.plan.rounds + 1), Kind):
        try:
            return open_share(replace(place, round=number, kind=kind), channel, cell)
        except Fault:
            continue
    raise AssertionError("no cell of this dealer and receiver")


def survived_then_dropped(world: World) -> tuple[dict[str, Words], dict[str, Words], Attacker, Attacker]:
    """The vectors of round 1 and what was sent; who attacks round 1, all survivors asked, and round 2, nobody yet.

    The victim survives round 1 and drops in round 2.
    """
    vectors = world.vectors(8)
    masked = world.mask(1, vectors)
    first = Attacker(world, 1)
    for name in world.plan.names:
        first.ask(name, world.plan.names)
    world.mask(2, world.vectors(8, world.plan.names[1:]))
    return vectors, masked, first, Attacker(world, 2)


def test_a_share_of_the_other_kind_opens_a_vector_where_cells_are_not_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """One true list, asked twice: once with the cells it calls for, once with the victim's mask key for its seed."""
    world = World(plan_of(4, 1))
    vectors = world.vectors(8)
    masked = world.mask(1, vectors)
    attacker = Attacker(world, 1)

    def swapped(dealer: str, kind: Kind) -> tuple[int, Kind]:
        return (1, Kind.MASK) if dealer == VICTIM else (1, kind)

    for name in world.plan.names[1:]:
        attacker.ask(name, world.plan.names)
        with pytest.raises(Fault, match=r"^sealed share from bank-00: got one that does not open") as fault:
            world.reveal(name, attacker.unmasking(name, world.plan.names, swapped))
        assert fault.value.party == VICTIM
    assert attacker.opened(masked, [VICTIM]) is None
    with monkeypatch.context() as off:
        off.setattr(member_module, "open_share", whatever_it_is)
        for name in world.plan.names[1:]:
            revealed = world.reveal(name, attacker.unmasking(name, world.plan.names, swapped))
            attacker.keep(revealed, {VICTIM: Kind.MASK})
    found = attacker.opened(masked, [VICTIM])
    assert found is not None
    assert (found == vectors[VICTIM]).all()


def test_a_share_replayed_in_the_next_round_opens_the_last_where_cells_are_not_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The victim survives round 1 and drops in round 2, where its mask key of round 1 is asked for."""
    world = World(plan_of(4, 1, rounds=2))
    vectors, masked, first, second = survived_then_dropped(world)
    others = world.plan.names[1:]

    def replayed(dealer: str, kind: Kind) -> tuple[int, Kind]:
        return (1, Kind.MASK) if dealer == VICTIM else (2, kind)

    for name in others:
        with pytest.raises(Fault, match=r"^sealed share from bank-00: got one that does not open"):
            world.reveal(name, second.unmasking(name, others, replayed))
    with monkeypatch.context() as off:
        off.setattr(member_module, "open_share", whatever_it_is)
        for name in others:
            first.keep(world.reveal(name, second.unmasking(name, others, replayed)))
    found = first.opened(masked, [VICTIM])
    assert found is not None
    assert (found == vectors[VICTIM]).all()


def test_shares_of_another_dealer_or_for_another_receiver_do_not_open() -> None:
    world = World(plan_of(4, 1))
    world.mask(1, world.vectors(8))
    asked = Attacker(world, 1).unmasking(VICTIM, world.plan.names)
    cell = world.collector._dealt["bank-01"].cell("bank-02", 1, Kind.SEED)
    for cells in (
        {**asked.cells, "bank-01": asked.cells["bank-02"]},
        {**asked.cells, "bank-01": cell},
        {**asked.cells, "bank-01": bytes(len(cell))},
    ):
        with pytest.raises(Fault, match=r"^sealed share from bank-01: got one that does not open"):
            world.reveal(VICTIM, replace(asked, cells=cells))
    with pytest.raises(MessageError, match=r"unmasking\.cells: got other members"):
        world.reveal(VICTIM, replace(asked, cells={name: asked.cells[name] for name in world.plan.names[1:]}))
    flipped = bytes([*asked.cells["bank-01"][:-1], asked.cells["bank-01"][-1] ^ 1])
    with pytest.raises(Fault, match=r"^sealed share from bank-01: got another share, expected the one committed to"):
        world.reveal(VICTIM, replace(asked, cells={**asked.cells, "bank-01": flipped}))


class OneKey(Member):
    """A member that draws its secrets once, and masks every round with them."""

    @classmethod
    def start(cls, plan, name, key, random):
        state, _ = Member.start(plan, name, key, random)
        secrets = dict.fromkeys(state.secrets, state.secrets[1])
        made = cls(plan, name, key, state.channel, secrets)
        return made, Advert.of(plan, name, state.channel, secrets).sign(key)


def survives_then_drops(world: World) -> bool:
    """Whether the coordinator opens the victim's vector of round 1 with what the victim's absence in round 2 opens."""
    vectors, masked, attacker, later = survived_then_dropped(world)
    for name in world.plan.names[1:]:
        later.ask(name, world.plan.names[1:])
    attacker.held[VICTIM, Kind.MASK] |= later.held[VICTIM, Kind.MASK]
    assert attacker.secret(VICTIM, Kind.MASK) is not None
    assert attacker.secret(VICTIM, Kind.SEED) is not None
    found = attacker.opened(masked, [VICTIM])
    return found is not None and bool((found == vectors[VICTIM]).all())


def test_a_survivor_that_drops_in_the_next_round_keeps_the_last_one_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 45 of the threat model: with one mask key for both rounds its absence opens what it sent before."""
    assert not survives_then_drops(World(plan_of(4, 1, rounds=2)))
    with monkeypatch.context() as off:
        off.setattr(Advert, "check", lambda self, plan, member: None)
        assert survives_then_drops(World(plan_of(4, 1, rounds=2), member=OneKey))
    with pytest.raises(Fault, match=r"^advert from bank-00: got advert.keys: one that comes twice"):
        World(plan_of(4, 1, rounds=2), member=OneKey)
