"""Entries of the private query that say more than was signed: each is named by step 2, and passes without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inquiry_epoch import DAY, epoch_of, steps_of
from oversight_federation import honest
from oversight_lies import first, judge
from oversight_world import BANKS, NOW, World, key_of

from clients.regulator.verify import verify
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.lookup.bound import ENROL_KIND, enrol_body
from protocols.lookup.leaf import KIND, Leaf
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Roster, RosterMember
from protocols.oprf.group import BASE, multiply
from protocols.transparency import Entry
from protocols.wire import lookup_pb2 as wire
from server.lookup.relay import LOG_KIND, log_body, own_step

EPOCH = epoch_of(NOW - DAY)


def leaf(querier: str = "bank-a", signer: str = "bank-a", epoch: bytes = EPOCH.epoch_id) -> bytes:
    made = Leaf(querier, epoch, bytes(16), "credit", "7", bytes(32), bytes(32), b"", bytes(32), NOW)
    return Entry(KIND, made.sign(key_of(signer)).encode()).data


def enrolled(count: int = 2, signer: str = "bank-b") -> bytes:
    batch = seal(wire.EnrolBatch(roster_id=bytes(32), counter=1, points=bytes(64)), key_of(signer))
    return Entry(ENROL_KIND, enrol_body("bank-b", count, batch)).data


def step(kind: str, body: bytes, party: str = "relay", signer: str = "coordinator", counter: int = 1) -> bytes:
    return Entry(LOG_KIND, log_body(counter, own_step(key_of(signer), 1, kind, body, party=party))).data


def roster(stranger: str = "bank-c") -> bytes:
    """The members' own keys, or a stranger's for the last."""
    keys = dict(zip(BANKS, ("bank-a", "bank-b", stranger), strict=True))
    members = tuple(
        RosterMember(name, key_of(of).public, multiply(bytes([number]) + bytes(31), BASE), 10)
        for number, (name, of) in enumerate(keys.items(), 1)
    )
    return Roster(members, key_of("coordinator").public, key_of("log").public, Parameters(engine="mirror")).encode()


PROPOSED = canonical({"pool_key": key_of("pool").public.hex})


def with_lookups(*entries: bytes) -> World:
    return honest().inserted(28, *entries)


HONEST = (
    *steps_of(EPOCH),
    leaf(),
    enrolled(),
    step("secrets", b"{}", "bank-a", "bank-a"),
    step("left", b"{}", "bank-a"),
    step("roster", roster()),
    step("erased", b"{}", "pool", "pool"),
)


def test_honest_entries_hold(tmp_path: Path) -> None:
    world = with_lookups(*HONEST)
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds, verdict.first
    assert verdict.step(2).notes == ()


LIES: dict[str, tuple[Any, str]] = {
    "an inquiry in another's name": ((leaf("bank-b", "bank-a"),), "signature"),
    "an inquiry in an epoch that the log does not show": ((leaf(epoch=bytes(32)),), "leaf.epoch_id"),
    "an inquiry of a stranger": ((leaf("bank-x", "bank-x"),), "institution"),
    "more records than were enrolled": ((enrolled(count=3),), "count"),
    "records in another's name": ((enrolled(signer="bank-a"),), "signer"),
    "a step in another's name": ((step("secrets", b"{}", "bank-a", "bank-b"),), "signer"),
    "a relay that is none": ((step("propose", PROPOSED, signer="bank-a"),), "signer"),
    "a step of another epoch": ((step("secrets", b"{}", "bank-a", "bank-a", counter=2),), "lookup-step"),
    "a pool that nobody proposed": ((step("erased", b"{}", "pool", "pool"),), "party"),
    "another pool than was proposed": ((step("propose", PROPOSED), step("erased", b"{}", "pool", "bank-a")), "signer"),
    "a roster with a stranger's key": ((step("roster", roster("bank-x")),), "roster.bank-c"),
    "an epoch of no roster": ((step("open", canonical({"opening": {}, "signatures": {}})),), "opening"),
}


@pytest.mark.parametrize("name", LIES)
def test_what_was_not_signed_is_named(tmp_path: Path, name: str) -> None:
    entries, where = LIES[name]
    found = first(judge(with_lookups(*entries), tmp_path, {2}, accounting={"sample": 0}), 2)
    assert found.index == 27 + len(entries)
    assert found.where.startswith("lookup-")
    assert where in found.where or where in found.got + found.expected
