"""At the end of an epoch, evaluations and leaves must match; what does not is named."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tickets_world import World

from protocols.canonical import canonical
from protocols.errors import MessageError
from protocols.lookup.reconcile import Finding, Kind, most_leaves, pack_leaves, reconcile, unpack_leaves

_DAY = 86_400
START_OF_A_DAY = 20_000 * _DAY


@pytest.fixture
def world() -> World:
    world = World(daily_tickets=3)
    for number in range(3):
        world.reply(world.ask(b"%d" % number))
    return world


def reports(world: World) -> dict[str, frozenset[bytes]]:
    return {name: frozenset(party.guard.leaves) for name, party in world.parties.items()}


def kinds(findings: tuple[Finding, ...]) -> list[tuple[Kind, str]]:
    return [(finding.kind, finding.party) for finding in findings]


def test_nothing_to_find(world: World) -> None:
    assert reconcile(world.context, reports(world), world.log) == ()


def test_evaluated_off_the_log(world: World) -> None:
    """The log dropped an entry it had promised, or a member served a friend without one."""
    findings = reconcile(world.context, reports(world), world.log[1:])
    assert kinds(findings) == [(Kind.EVALUATED_NOT_LOGGED, name) for name in world.parties]
    only = reports(world) | {"bank-01": reports(world)["bank-01"] | {b"f" * 32}}
    [finding] = reconcile(world.context, only, world.log)
    assert (finding.kind, finding.party, finding.leaf_hash) == (Kind.EVALUATED_NOT_LOGGED, "bank-01", b"f" * 32)


def test_logged_but_not_evaluated_by_all(world: World) -> None:
    told = reports(world)
    hidden = min(told["bank-01"])
    [finding] = reconcile(world.context, told | {"bank-01": told["bank-01"] - {hidden}}, world.log)
    assert (finding.kind, finding.party, finding.leaf_hash) == (Kind.LOGGED_NOT_EVALUATED, "bank-01", hidden)


def test_a_request_given_up_before_anybody_evaluated_is_no_finding() -> None:
    world = World()
    world.ask(b"given up")
    assert reconcile(world.context, reports(world), world.log) == ()


def test_a_member_that_reports_nothing(world: World) -> None:
    told = reports(world)
    del told["bank-02"]
    assert kinds(reconcile(world.context, told, world.log)) == [(Kind.NOTHING_REPORTED, "bank-02")]


def test_more_leaves_than_the_quota(world: World) -> None:
    world.ask(b"one too many")
    [finding] = reconcile(world.context, reports(world), world.log)
    assert (finding.kind, finding.party) == (Kind.OVER_QUOTA, "bank-00")
    assert "4 tickets" in finding.detail


@pytest.mark.parametrize(("opens_at", "days"), [(0, 1), (1, 2), (_DAY - 1, 2)])
def test_no_member_has_evaluated_more_than_all_queriers_could_ask(opens_at: int, days: int) -> None:
    """An epoch of a day touches one day, or two; its last second is the one before it closes."""
    world = World(daily_tickets=3)
    signed = world.context.signed
    times = {"opens_at": START_OF_A_DAY + opens_at, "closes_at": START_OF_A_DAY + opens_at + _DAY}
    context = SimpleNamespace(
        institutions=world.context.institutions,
        daily_tickets=3,
        signed=replace(signed, epoch=replace(signed.epoch, **times)),
    )
    assert most_leaves(context) == len(world.context.institutions) * 3 * days  # type: ignore[arg-type]


def test_a_receipt_that_served_twice() -> None:
    world = World()
    for number in range(2):
        for party in world.parties.values():
            party.guard.leaves = {leaf: (who, day, "") for leaf, (who, day, _) in party.guard.leaves.items()}
        world.reply(world.ask(b"%d" % number, serial="twice"))
    assert kinds(reconcile(world.context, reports(world), world.log)) == [(Kind.RECEIPT_SERVED_TWICE, "bank-00")]


def test_leaves_that_the_log_should_not_hold(world: World) -> None:
    asked = world.start(b"framed")
    framed = replace(asked.leaf.leaf, querier="bank-02").sign(world.relay_key).encode()
    earlier = World(epoch=2).start(b"earlier").leaf.encode()
    findings = reconcile(world.context, reports(world), [*world.log, framed, earlier, canonical({"no": "leaf"}), b"x"])
    assert kinds(findings) == [(Kind.INVALID_LEAF, "log")] * 4


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=20))
def test_reports_have_one_form(leaves: set[bytes]) -> None:
    assert unpack_leaves(pack_leaves(leaves)) == leaves
    if len(leaves) > 1:
        with pytest.raises(MessageError):
            unpack_leaves(b"".join(sorted(leaves, reverse=True)))
    for data in (pack_leaves(leaves) + b"x", bytes(64)):
        with pytest.raises(MessageError):
            unpack_leaves(data)
