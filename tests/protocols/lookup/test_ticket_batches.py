"""What comes to a member together: charged before any of it is evaluated, and nobody's fault but its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tickets_world import NOW, Asked, MemoryGuard, World

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError, SignatureError, StageError
from protocols.lookup.fault import Fault
from protocols.lookup.leaf import LABEL
from protocols.lookup.ticket import Charge, FirstOrder, SecondOrder, TicketRefused
from protocols.oprf.group import BASE

MEMBER = "bank-01"


def firsts(asked: Sequence[Asked]) -> list[FirstOrder]:
    return [FirstOrder(one.leaf.encode(), one.promise, one.blinded) for one in asked]


def asked_together(world: World, count: int) -> list[Asked]:
    return [world.ask(b"person-%d" % number) for number in range(count)]


def test_all_are_answered_and_open_the_right_pads() -> None:
    world = World()
    asked = asked_together(world, 4)
    evaluated = {name: world.member(name).first_all(firsts(asked), NOW) for name in world.parties}
    of = [{name: bytes(found[number]) for name, found in evaluated.items()} for number in range(4)]  # type: ignore[arg-type]
    combined = [world.combine(one, own) for one, own in zip(asked, of, strict=True)]
    seconds = [
        SecondOrder(one.leaf.encode(), one.blinded, own, d) for one, own, d in zip(asked, of, combined, strict=True)
    ]
    for one, own, d, second in zip(asked, of, combined, seconds, strict=True):
        alone = world.second(one, own, d)
        together = world.member(MEMBER).second_all(seconds, NOW)[seconds.index(second)]
        assert isinstance(together, bytes)
        assert len(together) == len(alone[MEMBER])
        assert one.state.finish(type(world.reply(one))(own, d, alone | {MEMBER: together})).leaf_hash == one.leaf.hash


def test_one_bad_order_spoils_no_other() -> None:
    world = World()
    asked = asked_together(world, 5)
    orders = firsts(asked)
    orders[0] = FirstOrder(b"{}", orders[0].promise, orders[0].blinded)
    orders[1] = FirstOrder(orders[1].leaf, orders[2].promise, orders[1].blinded)
    orders[3] = FirstOrder(orders[3].leaf, orders[3].promise, BASE)
    found = world.member(MEMBER).first_all(orders, NOW)
    assert [type(one) for one in found] == [MessageError, SignatureError, bytes, MessageError, bytes]
    assert set(world.parties[MEMBER].guard.leaves) == {asked[2].leaf.hash, asked[4].leaf.hash}


def test_a_text_that_a_database_refuses_spoils_no_other() -> None:
    """PostgreSQL stores no zero character: charged together with others, such a serial would lose them all."""
    world = World()
    asked = asked_together(world, 2)
    key = world.parties["bank-00"].key
    said = canonical({**asked[0].leaf.leaf.to_json(), "receipt_serial": "a\0b"})
    body = canonical({"leaf": parse_canonical(said), "signature": key.sign(LABEL, said).hex()})
    orders = [FirstOrder(body, world.promise(body), asked[0].blinded), *firsts(asked[1:])]
    assert [type(one) for one in world.member(MEMBER).first_all(orders, NOW)] == [MessageError, bytes]


def test_the_quota_ends_within_what_comes_together() -> None:
    world = World(daily_tickets=3)
    found = world.member(MEMBER).first_all(firsts(asked_together(world, 5)), NOW)
    assert [isinstance(one, bytes) for one in found] == [True] * 3 + [False] * 2
    assert {one.code for one in found if isinstance(one, TicketRefused)} == {"quota"}


def test_nothing_is_evaluated_that_could_not_be_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The charge of all comes first: where it fails, no element of any of them is made, let alone leaves."""
    world = World()
    made: list[bytes] = []
    monkeypatch.setattr("protocols.lookup.ticket_member.prove", lambda *of: made.append(of[3]) or (b"", b""))

    def full(self: MemoryGuard, charges: Sequence[Charge]) -> list[TicketRefused | None]:
        raise OSError("no space left")

    orders = firsts(asked_together(world, 3))
    with monkeypatch.context() as patch:
        patch.setattr(MemoryGuard, "charge", full)
        with pytest.raises(OSError, match="space"):
            world.member(MEMBER).first_all(orders, NOW)
        assert made == []
    world.member(MEMBER).first_all(orders, NOW)  # with a charge, all three are
    assert len(made) == 3


def test_second_steps_stand_each_on_its_own_first() -> None:
    world = World()
    asked = asked_together(world, 3)
    replies = [world.first(one) for one in asked]
    orders = [
        SecondOrder(one.leaf.encode(), one.blinded, own, world.combine(one, own))
        for one, own in zip(asked, replies, strict=True)
    ]
    del world.parties[MEMBER].guard.leaves[asked[0].leaf.hash]
    orders[1] = SecondOrder(orders[1].leaf, orders[1].blinded, orders[1].evaluations, orders[2].combination)
    found = world.member(MEMBER).second_all(orders, NOW)
    assert [type(one) for one in found] == [StageError, Fault, bytes]
