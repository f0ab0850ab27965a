"""What the watch finds wrong as it comes: lies, forks, broken promises, another regulator; each an alert, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from oversight_federation import audited, honest
from oversight_world import RUN, World, key_of, log_key, witness_key
from regulator_world import LATER, RealLog, regulator_home, served
from watch_scene import Scene, scene, turns

from clients.regulator.mirror import Alarm, LogReader, LogUnreachable
from clients.regulator.steps.base import MAX_FINDINGS
from clients.regulator.steps.rounds import RoundStep
from clients.regulator.verify import verify
from clients.regulator.watch.judge import Judge
from federation.oversight.replay import Draw, ReplayCommitment
from protocols.transparency import (
    Entry,
    Statement,
    cosignature_time,
    open_checkpoint,
)
from server.log import Which

__all__ = ["scene"]


def test_a_promise_of_another_entry_is_an_alert(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    other = scene.log.store.append("example", b"{}")
    watcher = scene.watcher(rate=0.0)
    watcher.store.keep("by hand", Draw("bank-b", RUN, "train", 2, 1, LATER).entry(scene.home.signing_key), 0.0)
    monkeypatch.setattr(LogReader, "say", lambda self, entry: other)
    with pytest.raises(LogUnreachable):
        watcher.turn()
    assert [alert.code for alert in watcher.store.alerts()] == ["bad_promise"]


LIES = {
    "signatures": lambda world: world.resaid(world.find("round"), signer="bank-a"),
    "chains": lambda world: world.without(world.ledger("bank-b")[2][0]),
    "caps": lambda world: world.inserted(len(world.entries), audited("bank-a", passed=False)),
    "rounds": lambda world: world.inserted(len(world.entries), world.entries[world.find("round")]),
}


@pytest.mark.parametrize("code", sorted(LIES))
def test_a_lie_is_an_alert_at_its_entry_as_it_comes(code: str) -> None:
    """Told line by line; the log accepts anything of the coordinator's, so what it holds must be judged."""
    world: World = LIES[code](honest())
    steps = {"signatures": 2, "chains": 3, "caps": 8, "rounds": 9}
    judge, found = Judge(honest().policy()), []
    for data in world.entries:
        found += judge.take(data)[1]
    assert steps[code] in {step for step, _ in found}
    assert all(finding.place for _, finding in found)
    honest_judge = Judge(honest().policy())
    assert [found for data in honest().entries for found in honest_judge.take(data)[1]] == []


def flooded(count: int) -> World:
    """bank-b commits to one attempt again and again; then the coordinator says another second round."""
    world = honest()
    told = [
        ReplayCommitment("bank-b", "later", "train", 1, 1, f"{number:02x}" * 32, "22" * 32, "33" * 32)
        for number in range(count)
    ]
    world = world.inserted(len(world.entries), *(each.entry(key_of("bank-b")).data for each in told))
    said = {**world.content(world.find("round")), "result_hash": "99" * 32}
    return world.inserted(len(world.entries), Statement.sign("round", said, key_of("coordinator")).entry.data)


def test_nobody_fills_the_list_in_front_of_anothers_lie() -> None:
    world, judge = flooded(100), Judge(honest().policy())
    found = [told for data in world.entries for told in judge.take(data)[1]]
    assert found[-1][1].index == len(world.entries) - 1  # the coordinator's
    assert found[-1][1].institution is None
    of_bank = [finding for _, finding in found if finding.institution == "bank-b"]
    # Ninety-nine failures are twenty alerts, and one each time that their number has doubled.
    assert len(of_bank) == MAX_FINDINGS + 2
    assert [finding.got for finding in of_bank[-2:]] == ["40 in this step", "80 in this step"]


def test_a_verdict_lists_everybodys_failures(tmp_path: Path) -> None:
    world = flooded(100)
    step = verify(world.export(tmp_path / "export.zip"), world.policy(), [RoundStep]).step(9)
    assert step.failures >= 100
    assert [finding.institution for finding in step.findings].count("bank-b") == MAX_FINDINGS
    assert any(finding.index == len(world.entries) - 1 for finding in step.findings)


def test_alerts_reach_the_store_once(scene: Scene) -> None:
    lie = LIES["caps"](scene.world).entries[-1]
    scene.log.grow(lie)
    scene.log.host.tick()
    for _ in range(2):
        watcher = scene.watcher()
        turns(scene, watcher, 2)
    assert [alert.code for alert in watcher.store.alerts()] == ["caps"]


def test_a_fork_ends_in_an_alarm_and_in_no_cosignature(scene: Scene, tmp_path: Path) -> None:
    watcher = scene.watcher(rate=0.0)
    watcher.turn()
    forked = scene.world.changed(5, scene.world.entries[6]).inserted(len(scene.world.entries), scene.world.entries[5])
    other = RealLog(f"sqlite:///{tmp_path / 'forked.db'}", dict.fromkeys(forked.entries))
    extra = [Entry("example", b'{"n":%d}' % number).data for number in range(3)]
    other.grow(*extra)
    with served(other) as url:
        lied_to = Scene(scene.home, forked, other, url).watcher()
        with pytest.raises(Alarm):
            lied_to.turn()
        note = other.host.note(Which.CANDIDATE)
    assert note is not None
    assert cosignature_time(note, witness_key("regulator").public) is None
    assert {alert.code for alert in lied_to.store.alerts()} == {"log_forked"}
    assert open_checkpoint(scene.home.anchor.read_bytes(), log_key().public).size == len(scene.world.entries)


def test_a_log_that_names_another_regulator_is_an_alert_and_gets_nothing(tmp_path: Path) -> None:
    home = regulator_home(tmp_path)
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", honest().entries)  # names another beacon chain
    with served(log) as url:
        watcher = Scene(home, honest(), log, url).watcher()
        watcher.store.keep("by hand", Draw("bank-b", RUN, "train", 2, 1, LATER).entry(home.signing_key), 0.0)
        watcher.turn()
    assert [alert.code for alert in watcher.store.alerts()] == ["registration"]
    assert watcher.store.said(unanswered=True) != []
