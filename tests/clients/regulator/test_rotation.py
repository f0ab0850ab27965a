"""The regulator hands its witness key over, under a watch that goes on; killed anywhere, one key holds in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oversight_world import RUN, key_of, witness_key
from regulator_world import LATER
from watch_scene import Scene, scene, turns

from clients.regulator import rotation
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import LogReader, LogUnreachable, MirrorStore
from clients.regulator.mirror.roster import roster_of
from clients.regulator.rotation import begin, conclude
from clients.regulator.saying import say
from clients.regulator.verify import verify
from clients.regulator.watch import Watcher
from clients.regulator.watch.thorough import verify_copy
from federation.errors import ConfigurationError
from federation.oversight.handover import HANDOVER, Handover, hand_over
from federation.oversight.members import MemberStatement
from federation.oversight.replay import Draw
from federation.runtime.private_files import draft_of
from protocols.transparency import Entry, Succession, WitnessKey
from server.log import Which

__all__ = ["scene"]
OLD = witness_key("regulator")


def rotate(scene: Scene) -> Handover:
    """As the command does it, beside a watch."""
    home = scene.watcher(rate=0.0).home
    store = MirrorStore.open(home.database_url)
    kept = begin(home, store, 1.0)
    entry = say(home, store, kept.slot, kept.entry)
    return Handover.read(entry, home.policy.coordinator)


def watching(scene: Scene) -> Watcher:
    """A watch under which a quorum has met."""
    watcher = scene.watcher(rate=0.0)
    turns(scene, watcher)
    return watcher


def keys_on_disk(home: RegulatorHome) -> set[bytes]:
    """Everything in the folder of keys that is a witness's."""
    return {path.read_bytes() for path in (home.path / "keys").iterdir() if "witness" in path.name}


def test_the_watch_goes_on_under_the_new_key_and_the_old_one_is_gone(scene: Scene) -> None:
    watcher = watching(scene)
    said = rotate(scene)
    assert said.old == OLD.public.key
    turns(scene, watcher)
    assert scene.home.witness_key.public.key == said.new
    assert keys_on_disk(scene.home) == {scene.home.witness_key.to_pem()}
    assert watcher.store.alerts() == []
    assert scene.log.host.size_of(Which.COSIGNED) == scene.log.store.size()
    assert scene.log.host.roster().regulator == scene.home.registration
    assert verify_copy(scene.home, watcher.store, 1.0).holds  # its policy names the old key
    scene.log.grow(Entry("example", b"{}").data)
    turns(scene, scene.watcher(rate=0.0))  # another process
    assert scene.log.host.size_of(Which.COSIGNED) == scene.log.store.size()


def test_a_key_is_handed_over_again_and_again(scene: Scene) -> None:
    watcher, seen = watching(scene), {OLD.public.key}
    for _ in range(3):
        said = rotate(scene)
        assert said.new not in seen
        seen.add(said.new)
        turns(scene, watcher)
        assert scene.home.witness_key.public.key == said.new
    assert verify_copy(scene.home, watcher.store, 1.0).holds


def test_the_old_key_is_kept_until_a_quorum_has_seen_the_handover(scene: Scene) -> None:
    watcher = watching(scene)
    said = rotate(scene)
    for _ in range(3):
        watcher.turn()  # the members are away
        scene.log.host.tick()
    assert scene.home.witness_key.public == OLD.public
    assert scene.home.next_witness_key is not None
    turns(scene, watcher)
    assert scene.home.witness_key.public.key == said.new


def test_called_again_before_it_holds_it_says_the_same(scene: Scene) -> None:
    watcher = watching(scene)
    assert rotate(scene) == rotate(scene)
    turns(scene, watcher)
    assert len(scene.logged(HANDOVER)) == 1


def rotate_and_watch(scene: Scene) -> None:
    rotate(scene)
    turns(scene, scene.watcher(rate=0.0))


class Killed(BaseException):
    pass


def dying(at: int, *, after: bool, real: Callable[..., Any]) -> Callable[..., Any]:
    """Dies at call number `at`, before or after it is done."""
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise Killed
        found = real(*arguments, **named)
        if calls == at:
            raise Killed
        return found

    return call


STEPS = [
    (rotation, "replace_private", 1),  # makes the next key
    (MirrorStore, "keep", 1),
    (LogReader, "say", 1),
    (MirrorStore, "answered", 1),
    (LogReader, "cosign", 1),  # under the new key
    (rotation, "replace_private", 2),  # the next key becomes the key
    (rotation, "erase_private", 1),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "at"), STEPS, ids=[f"{name} {at}" for _, name, at in STEPS])
def test_killed_at_any_step_it_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, at: int, after: bool
) -> None:
    watching(scene)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, dying(at, after=after, real=getattr(where, name)))
        with pytest.raises(Killed):
            rotate_and_watch(scene)
    watcher = scene.watcher(rate=0.0)
    turns(scene, watcher)
    if scene.home.witness_key.public == OLD.public or scene.home.next_witness_key is not None:
        rotate(scene)
    turns(scene, watcher)
    assert len(scene.logged(HANDOVER)) == 1
    assert scene.home.witness_key.public != OLD.public
    assert keys_on_disk(scene.home) == {scene.home.witness_key.to_pem()}
    assert scene.log.host.roster().regulator == scene.home.registration
    assert scene.log.host.size_of(Which.COSIGNED) == scene.log.store.size()
    assert [alert.text for alert in watcher.store.alerts()] == []


def test_a_draft_that_was_torn_is_no_key(scene: Scene) -> None:
    """Killed while the next key was written: what lies there is not read."""
    watcher = watching(scene)
    draft_of(scene.home.next_witness_file).write_bytes(b"-----BEGIN")
    draft_of(scene.home.next_witness_file).chmod(0o600)
    rotate(scene)
    turns(scene, watcher)
    assert keys_on_disk(scene.home) == {scene.home.witness_key.to_pem()}


def test_a_handover_whose_key_is_lost_is_not_said(scene: Scene) -> None:
    """Keys from a backup, the database as it was: to say it would leave the log without a witness that it requires."""
    watcher = watching(scene)
    begin(scene.home, watcher.store, 1.0)
    scene.home.next_witness_file.unlink()
    turns(scene, watcher)
    assert scene.logged(HANDOVER) == []
    assert {alert.code for alert in watcher.store.alerts()} == {"handover"}
    assert scene.log.host.size_of(Which.COSIGNED) == scene.log.store.size()  # it cosigns as before


def test_a_handover_that_was_promised_stays_the_only_one(scene: Scene) -> None:
    watching(scene)
    rotate(scene)
    scene.home.next_witness_file.unlink()
    with pytest.raises(ConfigurationError, match=r"witness\.next\.pem"):
        begin(scene.home, MirrorStore.open(scene.home.database_url), 1.0)
    assert not scene.home.next_witness_file.exists()


def test_a_handover_that_the_log_refuses_keeps_nothing_back_and_makes_way(scene: Scene) -> None:
    """A member came under the heir's key, by chance or by malice: that handover never comes to be."""
    watcher = watching(scene)
    begin(scene.home, watcher.store, 1.0)
    following = scene.home.next_witness_key
    assert following is not None
    public = key_of("bank-z").public.hex, following.public.key.hex
    scene.log.grow(MemberStatement("bank-z", *public, 1000, "admitted").entry(key_of("coordinator")).data)
    later = Draw("bank-b", RUN, "train", 2, 1, LATER).entry(scene.home.signing_key)
    watcher.store.keep("by hand", later, 2.0)
    turns(scene, watcher)
    assert {(alert.code, alert.place) for alert in watcher.store.alerts()} == {
        ("statement_refused", f"handover/{following.public.key.hex}")
    }
    assert "handover.new" in watcher.store.alerts()[0].text
    assert scene.logged("draw")[-1] == later
    assert scene.logged(HANDOVER) == []
    scene.home.next_witness_file.unlink()
    said = rotate(scene)
    turns(scene, watcher)
    assert scene.home.witness_key.public.key == said.new != following.public.key
    assert scene.log.host.size_of(Which.COSIGNED) == scene.log.store.size()


def test_a_home_that_the_log_does_not_name_hands_nothing_over(scene: Scene, tmp_path: Path) -> None:
    watcher = scene.watcher(rate=0.0)
    for store in (MirrorStore.open(f"sqlite:///{tmp_path / 'empty.db'}"), watching(scene).store):
        if roster_of(store, watcher.policy.coordinator).regulator is not None:
            scene.home.witness_file.unlink()
            scene.home.witness_file.write_bytes(WitnessKey.generate().to_pem())
            scene.home.witness_file.chmod(0o600)
        with pytest.raises(ConfigurationError, match="copy of the log: regulator"):
            begin(scene.home, store, 1.0)
        assert not scene.home.next_witness_file.exists()


def test_a_handover_that_this_home_did_not_make_is_an_alert(scene: Scene) -> None:
    """By whoever has stolen the key: it holds, and the regulator is told in the same turn."""
    watcher = watching(scene)
    thief = hand_over(key_of("coordinator").public, key_of("witness regulator"), key_of("witness evil"))
    with LogReader(scene.url) as log:
        log.say(thief)
    scene.log.host.tick()
    with pytest.raises(LogUnreachable):
        watcher.turn()  # the log takes no cosignature of this home any more
    assert {alert.code for alert in watcher.store.alerts()} == {"registration"}


def test_only_its_own_handover_is_concluded(scene: Scene) -> None:
    watching(scene)
    begin(scene.home, MirrorStore.open(scene.home.database_url), 1.0)
    following = scene.home.next_witness_key
    assert following is not None
    evil = witness_key("evil").public
    for other in (Succession(OLD.public, evil, 3), Succession(evil, following.public, 3)):
        assert not conclude(scene.home, [other], 99)
    own = Succession(OLD.public, following.public, 7)
    assert not conclude(scene.home, [own], 7)  # a checkpoint of seven entries does not cover entry 7
    assert conclude(scene.home, [own], 8)
    assert not conclude(scene.home, [own], 8)
    assert scene.home.witness_key.public == following.public


def test_an_export_that_spans_the_change_verifies_under_any_key_of_the_chain(scene: Scene, tmp_path: Path) -> None:
    from clients.regulator.export import write_export
    from clients.regulator.watch.thorough import trail_of

    watcher = watching(scene)
    said = rotate(scene)
    turns(scene, watcher)
    write_export(tmp_path / "export.zip", trail_of(scene.home, watcher.store))
    old, policy = OLD.public.key.hex, scene.home.path / "policy.toml"
    assert verify(tmp_path / "export.zip", scene.home.policy).holds
    policy.write_text(policy.read_text().replace(old, said.new.hex))
    assert verify(tmp_path / "export.zip", scene.home.policy).holds
    policy.write_text(policy.read_text().replace(said.new.hex, witness_key("evil").public.key.hex))
    verdict = verify(tmp_path / "export.zip", scene.home.policy)
    assert [step.number for step in verdict.steps if step.findings] == [6]
