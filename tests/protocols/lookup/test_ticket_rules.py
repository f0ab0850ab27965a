"""Who may ask, how often, and only on the log: each rule broken, with its check and without."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tickets_world import NOW, Asked, World, passes

from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup import ticket_member
from protocols.lookup.elgamal import prove_tag
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.seal import open_sealed
from protocols.lookup.statement import Bond, Role
from protocols.lookup.ticket import TicketRefused
from protocols.transparency import LogKey, Promise

ASKED, VICTIM = b"applicant", b"victim"
LIAR = "bank-01"


@pytest.fixture
def world() -> World:
    return World()


def framed(world: World) -> Asked:
    """The relay writes a leaf in the name of bank-02, with a tag that it made, and signs it itself."""
    asked = world.start(ASKED)
    leaf = replace(asked.leaf.leaf, querier="bank-02")
    proof = prove_tag(leaf.tag, leaf.tag_bond, asked.state.opening.nonce, world.random)
    asked.leaf = replace(leaf, tag_proof=proof).sign(world.relay_key)
    asked.promise = world.promise(asked.leaf.encode())
    return asked


def test_a_leaf_in_anothers_name(world: World) -> None:
    with pytest.raises(SignatureError, match="bank-02"):
        world.first(framed(world))


def test_a_leaf_in_anothers_name_without_the_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SignedLeaf, "check_signature", passes)
    world.first(framed(world))
    assert {who for who, _, _ in world.parties[LIAR].guard.leaves.values()} == {"bank-02"}


def test_a_stolen_signature_does_not_move_to_another_leaf(world: World) -> None:
    """The signature of one leaf under the fields of another: what replaying parts of recorded traffic comes to."""
    one, two = world.start(ASKED), world.start(VICTIM)
    one.leaf = SignedLeaf(one.leaf.leaf, two.leaf.signature)
    one.promise = world.promise(one.leaf.encode())
    with pytest.raises(SignatureError):
        world.first(one)


def test_a_replayed_leaf_gives_its_replayer_nothing_new(world: World) -> None:
    """The relay asks again with recorded bytes: the same element comes back, sealed to the querier as before."""
    asked = world.ask(ASKED)
    once, again = world.reply(asked), world.reply(asked)
    assert once.evaluations[LIAR][:32] == again.evaluations[LIAR][:32]
    assert len(world.parties[LIAR].guard.leaves) == 1
    thief = X25519PrivateKey.from_private_bytes(world.random(32))
    bond = Bond(Role.PAD, LIAR, world.context.epoch_id, asked.leaf.hash)
    with pytest.raises(MessageError, match="do not open"):
        open_sealed(thief, again.pads[LIAR][:-64], bond.bytes)


def test_a_receipt_serves_once(world: World) -> None:
    world.first(world.ask(ASKED, serial="one receipt"))
    with pytest.raises(TicketRefused, match="receipt") as refused:
        world.first(world.ask(VICTIM, serial="one receipt"))
    assert refused.value.code == "conflict"
    world.first(world.ask(VICTIM, "bank-02", serial="one receipt"))  # another querier's numbers are its own


def test_a_receipt_serves_twice_without_the_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickets_world.check_charge", passes)
    world.first(world.ask(ASKED, serial="one receipt"))
    world.first(world.ask(VICTIM, serial="one receipt"))
    assert len(world.parties[LIAR].guard.leaves) == 2


def test_the_quota_of_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(daily_tickets=2)
    for number in range(2):
        world.first(world.ask(b"%d" % number))
    with pytest.raises(TicketRefused) as refused:
        world.first(world.ask(VICTIM))
    assert refused.value.code == "quota"
    world.first(world.ask(VICTIM, "bank-02"))
    tomorrow, late = NOW + 86_400, world.ask(b"tomorrow")
    world.member(LIAR).first(late.leaf.encode(), late.promise, late.blinded, tomorrow)
    monkeypatch.setattr("tickets_world.check_charge", passes)
    world.first(world.ask(VICTIM))
    assert len(world.parties[LIAR].guard.leaves) == 5


# ---- the log's promise ----


def unpromised(world: World) -> dict[str, bytes]:
    """Promises that are none: of another log, for another leaf, changed, absent."""
    leaf = world.start(ASKED).leaf
    stranger = LogKey.from_seed(world.log_key.name, bytes(32))
    true = Promise.decode(world.promise(leaf.encode()))
    return {
        "another log's": Promise.make(
            stranger, leaf_hash=leaf.hash, index=0, issued_at=int(NOW), merge_delay_s=60
        ).encode(),
        "for another leaf": world.ask(VICTIM).promise,
        "changed": replace(true, index=true.index + 1).encode(),
        "absent": b"",
    }


@pytest.mark.parametrize("which", ["another log's", "for another leaf", "changed", "absent"])
def test_no_evaluation_without_the_logs_promise(world: World, which: str) -> None:
    asked = world.start(ASKED)
    asked.promise = unpromised(world)[which]
    with pytest.raises(ProtocolError):
        world.first(asked)
    assert asked.leaf.hash not in world.parties[LIAR].guard.leaves
    with pytest.raises(ProtocolError):
        asked.state.logged(asked.promise, NOW)


def test_an_evaluation_off_the_log_without_the_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_member, "verify_promise", passes)
    asked = world.start(ASKED)
    asked.promise = unpromised(world)["another log's"]
    logged = list(world.log)
    assert len(world.first(asked)) == 3
    assert world.log == logged
    assert asked.leaf.encode() not in world.log
