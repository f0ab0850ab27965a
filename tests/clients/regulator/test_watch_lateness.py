"""What comes too late for the watch, and a watch that dies: alerts, red health, an error that ends the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from oversight_world import RUN, key_of, log_key
from regulator_world import LATER, RealLog, regulator_home, served, trained

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import LogReader, LogUnreachable, MirrorStore
from clients.regulator.settings import DrawSettings, RegulatorSettings, WatchSettings
from clients.regulator.watch import Watcher
from clients.regulator.watch.work import LAST_LOOK_S, Work
from federation.errors import ConfigurationError
from federation.observability.health import Part, check
from federation.oversight.replay import Draw
from federation.runtime.settings import parse_settings
from protocols.transparency import Promise

LIMITS = WatchSettings(wait_s=0.0, unreachable_after_s=600.0, stale_after_s=3600.0)


class Clock:
    def __init__(self) -> None:
        self.now = float(LATER)

    def __call__(self) -> float:
        return self.now


class Scene:
    def __init__(self, folder: Path, log: RealLog, url: str) -> None:
        home = regulator_home(folder)
        settings = home.settings.model_copy(update={"log_url": url, "watch": LIMITS, "draw": DrawSettings(rate=0.0)})
        self.home = RegulatorHome(home.path, settings, home.signing_key)
        self.log, self.clock = log, Clock()
        self.watcher = Watcher.open(self.home, clock=self.clock)

    def alerts(self) -> list[tuple[str, str]]:
        return [(alert.code, alert.place) for alert in self.watcher.store.alerts()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", trained().entries)
    with served(log) as url:
        yield Scene(tmp_path, log, url)
    log.store.close()


def test_a_log_that_is_long_away_is_an_alert_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.watcher.turn()

    def away(*_: object, **__: object) -> bytes:
        raise LogUnreachable("log", got="ConnectError", expected="a log that answers")

    monkeypatch.setattr(LogReader, "checkpoint", away)
    for later, expected in ((599, []), (601, ["log_unreachable"]), (2000, ["log_unreachable"])):
        scene.clock.now = LATER + later
        with pytest.raises(LogUnreachable):
            scene.watcher.turn()
        scene.watcher.look_at_clock()
        assert [code for code, _ in scene.alerts()] == expected
    monkeypatch.undo()
    scene.watcher.turn()  # heard again
    scene.clock.now += 599
    scene.watcher.look_at_clock()
    assert len(scene.alerts()) == 1


def test_a_quorum_that_no_longer_meets_is_an_alert_though_the_log_answers(scene: Scene) -> None:
    size = len(trained().entries)
    scene.watcher.turn()
    scene.log.witness()  # the members cosign at LATER
    scene.watcher.turn()
    assert scene.watcher.quorum_size == size
    scene.clock.now = LATER + 3599
    scene.watcher.turn()
    scene.watcher.look_at_clock()
    assert scene.alerts() == []
    scene.clock.now = LATER + 3601
    for _ in range(2):
        scene.watcher.turn()  # the log shows the very same checkpoint, as one would that hides what came since
        scene.watcher.look_at_clock()
    assert scene.alerts() == [("stale_checkpoint", f"checkpoint {size}")]


def test_a_quorum_that_has_never_met_is_waited_for_since_the_start(scene: Scene) -> None:
    scene.watcher.turn()
    scene.clock.now += 3601
    scene.watcher.look_at_clock()
    assert scene.alerts()[0] == ("stale_checkpoint", "checkpoint 0")


def said(scene: Scene, index: int, issued_at: int) -> None:
    """A statement of the regulator's, promised by the log at `index` for an hour after `issued_at`."""
    entry = Draw("bank-b", RUN, "train", 2, 1, LATER).entry(key_of("regulator"))
    promise = Promise.make(log_key(), leaf_hash=entry.hash, index=index, issued_at=issued_at, merge_delay_s=3600)
    store = scene.watcher.store
    store.keep("by hand", entry, LATER)
    store.answered(entry.hash.hex(), promise.encode())


def test_a_promise_that_is_overdue_is_an_alert_once_the_log_shows_a_tree_without_it(scene: Scene) -> None:
    said(scene, 10_000, LATER)
    scene.watcher.turn()
    scene.clock.now = LATER + 3600
    scene.watcher.turn()
    assert scene.alerts() == []
    scene.clock.now = LATER + 3601
    for _ in range(2):
        scene.watcher.turn()
    assert scene.alerts() == [("promise_overdue", "entry 10000")]


def test_a_promise_whose_place_has_another_entry_is_an_alert_at_once(scene: Scene) -> None:
    said(scene, 5, LATER)
    scene.watcher.turn()
    assert scene.alerts() == [("promise_broken", "entry 5")]


def test_a_promise_that_is_kept_is_none(scene: Scene) -> None:
    entry = Draw("bank-b", RUN, "train", 2, 1, LATER).entry(key_of("regulator"))
    scene.watcher.store.keep("by hand", entry, LATER)
    for _ in range(3):
        scene.watcher.turn()  # sends, and finds it in its place
        scene.log.host.tick()
        scene.log.witness()
    scene.clock.now += 7200
    scene.watcher.turn()
    assert scene.alerts() == []
    assert entry.hash.hex() in scene.watcher.outbox._shown


@pytest.mark.parametrize("line", ["unreachable_after_s = 0.0", "stale_after_s = -1.0", 'stale_after_s = "never"'])
def test_limits_that_cannot_be_kept_are_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"watch\." + line.partition(" ")[0]):
        parse_settings(RegulatorSettings, f'log_url = "https://x:1"\n[watch]\n{line}\n', where="regulator.toml")


def test_a_watch_that_dies_is_red_and_ends_its_process_with_what_it_died_of(scene: Scene) -> None:
    """The database goes away under it: no error that a watch expects."""
    stop, shown = threading.Event(), []
    work = Work(scene.watcher, stop, pause=lambda seconds: shown.append((seconds, health())))

    def health() -> tuple[bool, bool]:
        found = check([Part("watch", work.why, vital=True)])
        return found.alive, found.ready

    work.start()
    assert health() == (True, True)
    with scene.watcher.store._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE regulator_statements RENAME TO gone")
    assert stop.wait(20)
    with pytest.raises(Exception, match="no such table: regulator_statements"):
        work.conclude()
    assert shown == [(LAST_LOOK_S, (False, False))]


def test_a_watch_that_is_stopped_ends_without_an_error(scene: Scene) -> None:
    stop = threading.Event()
    work = Work(scene.watcher, stop)
    work.start()
    stop.set()
    work.conclude()
    assert isinstance(scene.watcher.store, MirrorStore)
