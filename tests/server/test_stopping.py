"""A run that was stopped asks nobody anything, whatever is started again, until it is told to go on."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any, cast

import pytest
from membership_world import make_coordinator
from rounds_world import Clock, Handler, World
from typer.testing import CliRunner

from federation.errors import ConfigurationError
from federation.rounds import RunFailed
from federation.runtime.flower.bundle import Bundle
from federation.runtime.flower.control import Control
from server.checkpoint_store import PLAN, CheckpointStore
from server.cli import app
from server.home import CoordinatorHome
from server.run_submission import Patience, Submission
from server.runs import read_run
from server.stopping import LOCK, STOPPED, go_on, stop_run


class Hand:
    """A Control that counts."""

    def __init__(self) -> None:
        self.stopped: list[int] = []
        self.submitted = 0

    def unfinished(self) -> tuple[int, ...]:
        return (7,)

    def stop(self, number: int) -> None:
        self.stopped.append(number)

    def submit(self, bundle: Bundle, config: dict[str, str]) -> int:
        self.submitted += 1
        return 1

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    return make_coordinator(tmp_path / "c")


def prepared(home: CoordinatorHome, tmp_path: Path) -> World:
    world = World(home.run("second"))
    CheckpointStore(world.folder).write(PLAN, world.plan)
    return world


def counted(asked: list[bytes]) -> object:
    def liar(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            asked.append(envelope)
            return honest(envelope)

        return handle

    return liar


def test_a_driver_asks_nothing_more_and_goes_on_when_it_is_told_to(home: CoordinatorHome, tmp_path: Path) -> None:
    world, asked = prepared(home, tmp_path), list[bytes]()
    for name in world.banks:
        world.lie(name, counted(asked))  # type: ignore[arg-type]

    class Stopping(list[dict[str, Any]]):
        def append(self, event: dict[str, Any]) -> None:
            super().append(event)
            if event["event"] == "averaged" and event["round"] == 1:
                stop_run(home, "second")

    world.events = Stopping()
    with pytest.raises(RunFailed, match="stopped by the operator"):
        world.driver().run()
    assert [event["round"] for event in world.of("averaged")] == [1]
    before = len(asked)
    with pytest.raises(RunFailed, match="stopped by the operator"):
        world.driver().run()  # whoever starts it again
    assert len(asked) == before
    go_on(world.folder)
    world.driver().run()
    assert [event["round"] for event in world.of("averaged")] == list(range(1, world.plan.rounds + 1))


def test_a_run_that_waits_for_approvals_is_stopped_there(home: CoordinatorHome, tmp_path: Path) -> None:
    world = prepared(home, tmp_path)
    world.handlers.popitem()  # away
    pauses: list[float] = []

    class Slow(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            pauses.append(seconds)
            if len(pauses) == 3:
                stop_run(home, "second")

    world.clock = Slow()
    with pytest.raises(RunFailed, match="stopped by the operator"):
        world.driver().run()
    assert len(pauses) == 3
    assert world.of("round") == []


def test_a_stopped_run_is_not_submitted_again(home: CoordinatorHome, tmp_path: Path) -> None:
    world, hand = prepared(home, tmp_path), Hand()
    stop_run(home, "second")
    submission = Submission(cast(Control, hand), world.folder, Bundle(b""), Patience(), lambda _: None)
    with pytest.raises(RunFailed, match="--run-id second"):
        submission.carry()
    assert hand.submitted == 0


def test_a_driver_that_is_alive_is_waited_for_and_the_superlink_is_told(home: CoordinatorHome, tmp_path: Path) -> None:
    world, hand = prepared(home, tmp_path), Hand()
    with (world.folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not stop_run(home, "second", hand=lambda: cast(Control, hand), patience=0.1)
        assert hand.stopped == [7]
    assert stop_run(home, "second", hand=lambda: cast(Control, hand), patience=0.1)


def test_the_command_says_where_the_run_stands_and_how_it_goes_on(home: CoordinatorHome, tmp_path: Path) -> None:
    world = prepared(home, tmp_path)
    done = CliRunner().invoke(app, ["stop", "second", "--home", str(home.path)])
    assert done.exit_code == 0, done.exception
    assert f"second is stopped after round 0 of {world.plan.rounds}" in done.output
    assert f"train --run-id second --home {home.path}" in done.output
    assert read_run(world.folder).state == "stopped"


def test_what_is_not_there_or_done_is_not_stopped(home: CoordinatorHome, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="got second, expected a run: there is none"):
        stop_run(home, "second")
    world = prepared(home, tmp_path)
    with pytest.raises(ConfigurationError, match="got sceond, expected second"):
        stop_run(home, "sceond")
    (world.folder / "model.json").write_text("{}")
    (world.folder / "events.jsonl").write_text(json.dumps({"event": "done", "model": "ab"}) + "\n")
    with pytest.raises(ConfigurationError, match="which is done"):
        stop_run(home, "second")
    assert not (world.folder / STOPPED).exists()
