"""Commitments, beacons, draws and replays that do not fit together: signed by whom they should be, and witnessed.

`judge` holds each lie to step 9, and shows that without it the export passes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import Federation, honest, make_plan
from oversight_lies import first, judge
from oversight_replays import CHAIN, Replayed, replayed
from oversight_world import NOW, World, key_of, witness_key

from clients.regulator.export import write_export
from clients.regulator.findings import Finding
from clients.regulator.recent_trees import RecentTrees
from clients.regulator.replays import Replays
from clients.regulator.steps.rounds import RoundStep
from clients.regulator.verify import verify
from federation.oversight import RegulatorStatement
from federation.oversight.replay import ReplayCommitment
from protocols.transparency import Entry, Frontier, leaf_hash


def at_nine(federation: Federation, folder: Path, **changes: Any) -> Finding:
    """The first finding of step 9, the only one that fails."""
    world = World(tuple(federation.entries), federation.documents)
    return first(judge(world, folder, {9}, **changes), 9)


def test_honest_replays_hold(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-a", deadline=NOW + 20_000)
    federation.replay("bank-a")
    world = federation.world(earlier=(8,))
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy(replays_required=True))
    assert verdict.holds, verdict.first
    facts = verdict.step(9).facts
    assert "6 updates from committed seeds, 2 beacons" in facts
    assert "1 draws; 1 replays match bit for bit" in facts
    assert "1 beacons name checkpoints whose quorum this export shows" in facts  # of 8 entries


# Commitments.


def test_a_round_without_a_commitment(tmp_path: Path) -> None:
    """The plan that everybody signed says that all can be replayed."""
    found = at_nine(replayed(skip=("bank-b",)), tmp_path)
    assert (found.where, found.institution) == ("replay of spring, train round 1, attempt 1, bank-b", "bank-b")


def test_a_member_that_commits_to_some_of_its_rounds(tmp_path: Path) -> None:
    federation = Replayed()
    federation.enrol()
    federation.commit("bank-a", 1)
    federation.skip = ("bank-a", "bank-b", "bank-c")
    federation.run(make_plan())  # a plan that promises no replay
    found = at_nine(federation, tmp_path)
    assert found.where == "replay of spring, train round 2, attempt 1, bank-a"


def test_a_run_that_nobody_can_replay(tmp_path: Path) -> None:
    """Where the policy insists; otherwise it is the plan's to say."""
    found = first(judge(honest(), tmp_path, {9}, replays_required=True), 9)
    assert found.got == "a round that nobody can replay"


def test_a_choice_of_two_seeds(tmp_path: Path) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, seed="44")
    assert "a second commitment" in at_nine(federation, tmp_path).got


def test_a_commitment_after_its_reservation(tmp_path: Path) -> None:
    federation = replayed(skip=("bank-c",))
    federation.commit("bank-c", 1)
    found = at_nine(federation, tmp_path)
    assert found.got == "reserved without a commitment that is logged before"


def test_attempts_that_were_given_up_are_told(tmp_path: Path) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    world = federation.world()
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds
    assert "bank-a: 1 commitments without an update: given up, or under way" in verdict.step(9).notes


# Beacons.


def test_an_update_handed_out_before_its_beacon(tmp_path: Path) -> None:
    """Its noise cannot have come from the beacon."""
    assert at_nine(replayed(late=True), tmp_path).got == "an update that was handed out before its beacon"


def test_an_update_without_any_beacon(tmp_path: Path) -> None:
    assert at_nine(replayed(dark=True), tmp_path).got == "an update that was handed out before its beacon"


@pytest.mark.parametrize(
    ("lies", "where"),
    [
        ({"root": "ab" * 32}, "beacon.root"),  # of another log
        ({"index": 4, "preimage": CHAIN.preimage(4).hex()}, "beacon"),  # an element skipped: a choice of two
        ({"preimage": "ab" * 32}, "beacon"),  # no element of the chain
        ({"size": 9}, "beacon"),  # an older checkpoint again
        ({"size": 1_000, "root": "ab" * 32}, "beacon.size"),  # a checkpoint of entries that are still to come
    ],
)
def test_a_beacon_that_was_chosen(tmp_path: Path, lies: dict[str, Any], where: str) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    federation.reveal(**lies)
    found = at_nine(federation, tmp_path)
    assert found.where == where
    assert found.index == len(federation.entries) - 1


def test_beacons_of_another_chain_than_the_log_names(tmp_path: Path) -> None:
    federation = replayed()
    public = (key_of("regulator").public.hex, witness_key("regulator").public.key.hex)
    other = RegulatorStatement("regulator", *public, "cd" * 32, 100)
    federation.entries[0] = other.entry(key_of("coordinator")).data
    assert at_nine(federation, tmp_path).where == "beacon"


def test_a_chain_that_is_known_already(tmp_path: Path) -> None:
    """Back to a chain whose elements anybody can read in the log: beacons that the institution knows beforehand."""
    federation = replayed()
    public = (key_of("regulator").public.hex, witness_key("regulator").public.key.hex)
    for anchor in ("cd" * 32, CHAIN.anchor.hex()):
        federation.say(RegulatorStatement("regulator", *public, anchor, 100).entry(key_of("coordinator")).data)
    assert at_nine(federation, tmp_path).got == "a chain that was used before"


def skipped() -> World:
    """A quorum has cosigned 5 entries, the commitment at 4 among them; the beacon is for 6."""
    federation = Replayed()
    federation.enrol()
    federation.commit("bank-a", 1)
    federation.commit("bank-b", 1)
    federation.reveal()
    return federation.world(earlier=(5,), promised=())


def test_a_beacon_for_a_later_checkpoint_is_a_choice(tmp_path: Path) -> None:
    found = first(judge(skipped(), tmp_path, {9}), 9)
    assert (found.where, found.index) == ("beacon_not_first", 6)
    assert found.expected == "5, the first that a quorum cosigned with the commitment at 4"


def test_a_smaller_checkpoint_without_a_quorum_is_none_to_skip(tmp_path: Path) -> None:
    world = skipped()
    alone = replace(world, cosigners=("regulator", "bank-a"))
    trail = world.trail(checkpoints=(alone.note(5),))
    path = tmp_path / "e.zip"
    write_export(path, trail)
    assert verify(path, world.policy()).holds


def test_unchecked_whoever_reveals_may_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replays, "_met", lambda self, quorum, note: False)
    world = skipped()
    assert verify(world.export(tmp_path / "e.zip"), world.policy()).holds


# A commitment that waits.


def test_roots_are_known_while_a_commitment_waits_and_cost_a_hash_for_each_entry() -> None:
    """A member can commit and let the log grow: what is kept of every entry since is its leaf hash."""
    tree, recent, roots = Frontier(), RecentTrees(), {}
    for number in range(2000):
        leaf = leaf_hash(b"%d" % number)
        tree, _ = tree.append(leaf)
        recent.take(tree, leaf)
        roots[tree.size] = tree.root
    assert len(recent._leaves) == 32 * 1999
    for size in (1, 7, 7, 1024, 1999, 2000):
        assert recent.advance(size) == roots[size]
    assert len(recent._leaves) == 0
    assert recent.advance(1999) is recent.advance(2001) is None


def test_a_beacon_of_another_tree_long_after_the_commitment(tmp_path: Path) -> None:
    federation = replayed()
    late = ReplayCommitment("bank-a", "summer", "train", 1, 1, "11" * 32, "22" * 32, "33" * 32)
    federation.say(late.entry(key_of("bank-a")).data)
    for number in range(300):
        federation.say(Entry("example", b'{"n":%d}' % number).data)
    federation.reveal(size=len(federation.entries) - 17)
    world = federation.world(earlier=())
    assert verify(world.export(tmp_path / "e.zip"), world.policy(), [RoundStep]).holds
    lied = world.resaid(len(world.entries) - 1, signer="regulator", root="aa" * 32)
    step = verify(lied.export(tmp_path / "lied.zip"), lied.policy(), [RoundStep]).step(9)
    assert [finding.where for finding in step.findings] == ["beacon.root"]
