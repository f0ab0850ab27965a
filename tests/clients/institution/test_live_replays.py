"""Replays as a node has them, against a real log: what is waited for, what is given up, what is noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_member import member_world
from overseen_replays import CHAIN, FIRST, NOW, OVERSEER, Overseen, Running
from rounds_world import key_of, records

from clients.institution.replay.draws import keep_draw, open_draws
from federation.errors import Refused
from federation.oversight.replay import BeaconStatement, Draw, Place
from federation.rounds import Code
from protocols.errors import ProofError
from protocols.replay import Stage
from protocols.transparency import WitnessKey, attach, cosign, split_note


@pytest.fixture
def overseen(tmp_path: Path) -> Iterator[Overseen]:
    with member_world(tmp_path) as world:
        yield Overseen(world)


def test_an_attempt_is_ready_once_its_beacon_is_in_the_log(overseen: Overseen) -> None:
    overseen.replays.prepare(FIRST)
    overseen.turn()
    assert [said.place for said in overseen.commitments()] == [FIRST]
    overseen.turn()
    with pytest.raises(Refused) as refused:
        overseen.replays.ready(FIRST, 0.05)
    assert refused.value.code == Code.NO_BEACON
    overseen.reveal()
    overseen.turn()
    overseen.replays.ready(FIRST, 0.0)
    assert overseen.replays.fits(FIRST)


def test_a_process_that_died_says_the_same_commitment_again(overseen: Overseen) -> None:
    """Between the seed on disk and the log, and after it: one seed, one entry."""
    first = overseen.replays._randomness("train").commit(FIRST)
    for _ in range(2):
        overseen.restart()
        overseen.replays.prepare(FIRST)
        overseen.turn()
    assert overseen.commitments() == [first]


def test_only_the_chain_of_the_regulator_makes_ready(overseen: Overseen) -> None:
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.reveal(index=2)  # skips one: a choice
    overseen.beacons = 0
    overseen.reveal(key=key_of("coordinator"))
    overseen.turn()
    assert overseen.stage() is Stage.COMMITTED
    overseen.beacons = 0
    overseen.reveal()
    overseen.turn()
    assert overseen.stage() is Stage.READY


def test_a_beacon_before_the_commitment_is_not_its_beacon(overseen: Overseen) -> None:
    overseen.reveal()
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


def test_a_root_that_the_own_witness_cannot_reach_is_no_beacon(overseen: Overseen) -> None:
    """A regulator and a coordinator that made up a checkpoint: its root is not of the tree that was checked."""
    overseen.replays.prepare(FIRST)
    overseen.turn()
    size = overseen.world.log.store.size()
    made_up = BeaconStatement(size, "ab" * 32, 1, CHAIN.preimage(1).hex())
    overseen.world.log.store.extend([made_up.entry(OVERSEER)])
    note = overseen.world.log.store.checkpoint()
    with overseen.world.client() as log:
        overseen.world.witness().consider(log, note)
    with pytest.raises(Exception, match="consistency"):
        overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


@pytest.mark.parametrize("cosigners", [2, 1], ids=["a quorum", "one of two"])
def test_a_beacon_that_skips_what_a_quorum_cosigned_is_refused(overseen: Overseen, cosigners: int) -> None:
    """Whoever reveals later could choose among checkpoints."""
    overseen.replays.prepare(FIRST)
    overseen.turn()
    host = overseen.world.log.host
    keys = [WitnessKey.from_pem(key.to_pem()) for key in (overseen.world.home.witness_key, key_of("w"))]
    note = host.store.checkpoint()
    text, _ = split_note(note)
    lines = [cosign(text, key, time.time()) for key in keys[:cosigners]]
    assert len(host.cosign(attach(note, lines))) == cosigners
    host.store.append("example", b"{}")
    overseen.reveal()
    if cosigners == 1:
        overseen.turn()
        assert overseen.stage() is Stage.READY
        return
    with pytest.raises(ProofError, match="beacon_not_first"):
        overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


def test_a_seed_that_is_gone_or_of_other_records_is_given_up(overseen: Overseen) -> None:
    overseen.make_ready(FIRST)
    overseen.held = records(6, 400)
    overseen.restart()
    assert not overseen.replays.fits(FIRST)
    for file in (overseen.world.home.path / "replay").iterdir():
        file.unlink()
    overseen.restart()
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.replays.ready(FIRST, 0.0)
    assert not overseen.replays.fits(FIRST)
    assert len(overseen.commitments()) == 1  # no second one


def test_a_draw_of_this_institution_is_noticed_and_its_seed_kept(overseen: Overseen) -> None:
    world = Running(overseen)
    overseen.make_ready(FIRST)
    assert world.ask(1) is None
    deadline = int(NOW * 2)
    for name in ("bank-a", "bank-b"):
        said = Draw(name, "spring", "train", 1, 1, deadline).entry(OVERSEER)
        overseen.world.log.store.extend([said, said])
    for _ in range(2):
        overseen.turn()
        overseen.restart()
    assert [each.draw.institution for each in open_draws(overseen.world.home.path)] == ["bank-a"]
    sealed = overseen.replays._store.require(FIRST)
    assert (sealed.attempt.stage, sealed.until) == (Stage.DRAWN, deadline)


def test_a_draw_of_no_attempt_is_not_waited_for_until_there_is_one(overseen: Overseen) -> None:
    """A slip of the regulator's: another round, or one that was committed to and never begun."""
    home = overseen.world.home.path
    overseen.make_ready(FIRST)
    overseen.unreserved.add(FIRST)
    for place in (FIRST, Place("spring", "train", 99, 1)):
        said = Draw("bank-a", place.run_id, place.phase, place.round, place.attempt, int(NOW * 2)).entry(OVERSEER)
        overseen.world.log.store.extend([said])
        keep_draw(home, said)  # as it was kept before this was told apart
    overseen.turn()
    assert open_draws(home) == ()
    overseen.unreserved.clear()
    overseen.turn()
    assert [each.draw.place for each in open_draws(home)] == [FIRST]
