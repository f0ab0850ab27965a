"""The regulator at work over a real log: it verifies, cosigns, reveals, draws; and is killed in between."""

from __future__ import annotations

import pytest
from oversight_federation import honest
from oversight_world import BANKS, RUN, key_of, policy_values, root_of, witness_key
from regulator_world import LATER
from watch_scene import Scene, scene, turns

from clients.regulator.mirror import LogReader, MirrorStore
from clients.regulator.watch.replays import Drawable, drawn
from clients.regulator.watch.thorough import verify_copy
from federation.oversight import Roster
from federation.oversight.replay import BeaconStatement, Draw, Place
from protocols.replay import check_preimage, first_covering
from protocols.transparency import (
    Entry,
    Promise,
    attach,
    cosign,
    cosignature_time,
    leaf_hash,
    read_entry,
    split_note,
)
from server.log import Which

__all__ = ["scene"]


def test_an_honest_log_is_cosigned_and_raises_no_alert(scene: Scene) -> None:
    watcher = scene.watcher(rate=0.0)
    watcher.turn()
    assert watcher.store.alerts() == []
    note = scene.log.host.note(Which.CANDIDATE)
    assert note is not None
    assert cosignature_time(note, witness_key("regulator").public) == LATER
    assert scene.home.anchor.read_bytes().split(b"\n\n")[0] == note.split(b"\n\n")[0]


def test_a_beacon_follows_the_quorum_and_never_comes_before_it(scene: Scene) -> None:
    watcher = scene.watcher(rate=0.0)
    watcher.turn()
    assert len(scene.logged("beacon")) == 2  # three of four are needed, and only the regulator has cosigned
    scene.log.witness(("bank-a",))
    watcher.turn()
    assert len(scene.logged("beacon")) == 2
    scene.log.witness(("bank-b",))
    watcher.turn()
    *before, entry = scene.logged("beacon")
    said = BeaconStatement.read(entry, scene.home.signing_key.public)
    check_preimage(bytes.fromhex(scene.home.registration.beacon_anchor), said.index, bytes.fromhex(said.preimage))
    # Two are in the log, though this home's database has never heard of them: an element is revealed once.
    assert (said.index, said.size, bytes.fromhex(said.root)) == (
        3,
        len(scene.world.entries),
        root_of(scene.world.entries),
    )
    anchor = bytes.fromhex(scene.home.registration.beacon_anchor)
    beacons = [BeaconStatement.read(each, scene.home.signing_key.public).beacon for each in [*before, entry]]
    assert first_covering(anchor, beacons, len(scene.world.entries) - 1) == said.beacon
    turns(scene, watcher)
    assert len(scene.logged("beacon")) == 3  # nothing new was committed


def test_a_beacon_is_for_the_first_of_two_checkpoints_with_a_quorum(scene: Scene) -> None:
    """Both met before this process looked: it was away between its cosignatures and the others'."""
    watcher, host, size = scene.watcher(rate=0.0), scene.log.host, len(scene.world.entries)
    watcher.turn()
    scene.log.witness()
    scene.log.grow(Entry("example", b"{}").data)
    note = host.note(Which.CANDIDATE)
    assert note is not None
    host.cosign(attach(note, [cosign(split_note(note)[0], witness_key("regulator"), LATER)]))
    scene.log.witness()
    assert host.size_of(Which.COSIGNED) == size + 1
    watcher.turn()
    said = BeaconStatement.read(scene.logged("beacon")[-1], scene.home.signing_key.public)
    assert (said.index, said.size) == (3, size)
    turns(scene, watcher)
    assert len(scene.logged("beacon")) == 3


def test_the_first_checkpoint_is_known_again_where_the_copy_came_from_a_backup(scene: Scene) -> None:
    """It goes straight to the log's last checkpoint, and has no note of the one that its beacon is owed for."""
    watcher, size = scene.watcher(rate=0.0), len(scene.world.entries)
    watcher.turn()
    scene.log.witness()
    scene.log.grow(Entry("example", b"{}").data)
    for file in scene.home.path.glob("regulator.db*"):
        file.unlink()
    turns(scene, scene.watcher(rate=0.0))
    said = BeaconStatement.read(scene.logged("beacon")[-1], scene.home.signing_key.public)
    assert (said.index, said.size) == (3, size)


def test_rounds_are_drawn_by_chance_once_and_only_if_committed_to(scene: Scene) -> None:
    watcher = scene.watcher(rate=1.0)
    turns(scene, watcher)
    said = [Draw.read(entry, scene.home.signing_key.public) for entry in scene.logged("draw")]
    places = {Place(RUN, "train", round, 1) for round in (1, 2)}  # the evaluation was not committed to
    assert {(each.institution, each.place) for each in said} == {(name, place) for name in BANKS for place in places}
    assert {each.deadline for each in said} == {LATER + 14 * 86_400}
    turns(scene, scene.watcher(rate=1.0), 2)  # another process
    assert len(scene.logged("draw")) == 6
    assert scene.watcher(rate=0.0).store.said(unanswered=True) == []


def test_no_round_is_drawn_at_rate_nought(scene: Scene) -> None:
    turns(scene, scene.watcher(rate=0.0))
    assert scene.logged("draw") == []


def test_coins_fall_as_often_as_the_rate_says_and_depend_on_the_secret() -> None:
    updates = [Drawable("bank-a", Place(RUN, "train", n, 1), n, leaf_hash(b"%d" % n)) for n in range(1, 4001)]
    by_one, by_other = ([drawn(secret, each, 0.2) for each in updates] for secret in (bytes(32), bytes(31) + b"\1"))
    assert 700 < sum(by_one) < 900  # 800, standard deviation 25
    assert by_one != by_other
    assert all(drawn(bytes(32), each, 1.0) for each in updates)
    assert not any(drawn(bytes(32), each, 0.0) for each in updates)


@pytest.mark.parametrize("when", ["say", "answered"])
def test_killed_around_sending_nothing_is_said_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    watcher = scene.watcher()
    watcher.turn()
    scene.log.witness()

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    target = LogReader if when == "say" else MirrorStore
    with monkeypatch.context() as patch:
        patch.setattr(target, when, die)
        with pytest.raises(Killed):
            watcher.turn()
    turns(scene, scene.watcher())
    assert len(scene.logged("beacon")) == 3
    assert len(scene.logged("draw")) == 6
    assert all(said.promise is not None for said in scene.watcher().store.said())


def test_what_is_kept_is_sent_when_the_log_is_back(scene: Scene) -> None:
    watcher = scene.watcher(rate=0.0)
    entry = Draw("bank-b", RUN, "train", 2, 1, LATER).entry(scene.home.signing_key)
    watcher.store.keep("by hand", entry, 0.0)
    watcher.turn()
    (said,) = watcher.store.said()
    assert said.promise is not None
    assert Promise.decode(said.promise).leaf_hash == entry.hash


def test_the_copy_verifies_completely_and_remembers_what_was_cosigned(scene: Scene) -> None:
    watcher = scene.watcher(rate=0.0)
    turns(scene, watcher, 2)
    watcher = scene.watcher(rate=0.0)  # what is found at the start is verified at once
    watcher.turn()
    assert watcher.verify_if_due()
    verdict = watcher.store.verdict()
    assert verdict is not None
    assert verdict[1]["holds"], [step["first"] for step in verdict[1]["steps"]]
    assert not watcher.verify_if_due()
    scene.home.anchor.write_bytes(honest().note(9))  # another history was cosigned before
    broken = verify_copy(scene.home, watcher.store, LATER)
    assert broken.step(5).findings


def test_documents_come_by_themselves_once_their_entries_are_cosigned(scene: Scene) -> None:
    watcher = scene.watcher(rate=0.0)
    watcher.turn()
    assert list(scene.home.documents.rglob("*.json")) == []  # no quorum yet
    turns(scene, watcher, 1)
    published = dict(scene.world.documents)  # the plan too, which the log holds itself
    files = scene.home.documents.rglob("*.json")
    assert {str(path.relative_to(scene.home.documents)): path.read_bytes() for path in files} == published
    path, data = published.popitem()
    (scene.home.documents / path).write_bytes(b"{}")
    turns(scene, scene.watcher(rate=0.0), 1)  # the next process looks after what is there
    assert (scene.home.documents / path).read_bytes() == data


def test_a_document_of_other_bytes_is_not_kept_and_fails_the_verification(scene: Scene) -> None:
    """A log may give anything; without the hash the forged model would be the one that is shown."""
    model = f"runs/{RUN}/model.json"
    true = scene.world.documents[model]

    class Lying(LogReader):
        def document(self, sha256: str) -> bytes | None:
            data = super().document(sha256)
            return true.replace(b'"run_id":"spring"', b'"run_id":"summer"') if data == true else data

    watcher = scene.watcher(rate=0.0)
    watcher.log = Lying(scene.url)
    turns(scene, watcher, 1)
    assert (scene.home.documents / f"runs/{RUN}/evaluation.json").exists()
    assert not (scene.home.documents / model).exists()
    assert verify_copy(scene.home, watcher.store, LATER).step(9).findings
    watcher.log = LogReader(scene.url)  # asked again
    watcher.turn()
    assert (scene.home.documents / model).read_bytes() == true
    assert verify_copy(scene.home, watcher.store, LATER).holds


def test_the_roster_and_the_policy_agree_on_who_witnesses(scene: Scene) -> None:
    """The beacon's quorum is the roster's, which institutions see; step 6 holds to the policy's."""
    roster = Roster(key_of("coordinator").public)
    for index, data in enumerate(scene.world.entries):
        roster = roster.after(read_entry(data), index)
    named = {witness["key"] for witness in policy_values()["witnesses"]}
    assert {witness.key.hex for witness in roster.witnesses} == named
    assert len(named) == 1 + len(BANKS)
