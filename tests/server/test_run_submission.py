"""A run is submitted until it is done, and an end without a reason is not waited for for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from federation.errors import ConfigurationError
from federation.rounds.refusals import RunFailed
from federation.runtime.flower.bundle import Bundle
from federation.runtime.flower.control import Control, ControlError, RunState
from server.home import CoordinatorHome
from server.run_submission import EventReader, Patience, Submission, run_training

AWAY = ControlError(got="no answer", expected="a SuperLink", away=True)


class Hand:
    """A Control whose answers are written down: an item that is an error is raised, a function is called first."""

    def __init__(
        self, *states: RunState | ControlError | Callable[[], RunState], running: tuple[int, ...] = ()
    ) -> None:
        self.states = list(states)
        self.submitted: list[dict[str, str]] = []
        self.stopped: list[int] = []
        self.running = running

    def unfinished(self) -> tuple[int, ...]:
        return self.running

    def stop(self, number: int) -> None:
        self.stopped.append(number)

    def submit(self, bundle: Bundle, config: dict[str, str]) -> int:
        self.submitted.append(config)
        return len(self.submitted)

    def status(self, number: int) -> RunState:
        state = self.states.pop(0)
        if isinstance(state, ControlError):
            raise state
        return state() if callable(state) else state


def submission(
    hand: Hand, folder: Path, *, patience: Patience | None = None, clock: Callable[[], float] = lambda: 0.0
) -> tuple[Submission, list[Any]]:
    heard: list[Any] = []
    made = Submission(
        cast(Control, hand),
        folder,
        Bundle(b""),
        patience or Patience(),
        heard.append,
        clock=clock,
        sleep=lambda _: None,
    )
    return made, heard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "spring"
    run.mkdir()
    return run


def finishing(folder: Path) -> Callable[[], RunState]:
    def finish() -> RunState:
        (folder / "model.json").write_text("{}")
        return RunState.COMPLETED

    return finish


def test_a_run_that_completes_is_submitted_once(folder: Path) -> None:
    hand = Hand(RunState.PENDING, RunState.RUNNING, finishing(folder), running=(7, 8))
    made, heard = submission(hand, folder)
    assert made.carry() == folder / "model.json"
    assert hand.submitted == [{"run": "spring"}]
    assert hand.stopped == [7, 8]
    assert heard == [{"event": "submitted", "flower_run": 1}]


def test_a_lost_driver_and_a_lost_superlink_are_replaced(folder: Path) -> None:
    hand = Hand(RunState.RUNNING, AWAY, AWAY, RunState.FAILED, AWAY, RunState.STOPPED, finishing(folder))
    made, heard = submission(hand, folder)
    assert made.carry() == folder / "model.json"
    assert [event["event"] for event in heard] == ["submitted", "lost", "submitted", "lost", "submitted"]


def test_completed_without_a_model_is_not_done(folder: Path) -> None:
    hand = Hand(RunState.COMPLETED, finishing(folder))
    made, _ = submission(hand, folder)
    made.carry()
    assert len(hand.submitted) == 2


def test_drivers_that_write_nothing_are_not_started_for_ever(folder: Path) -> None:
    hand = Hand(*[RunState.FAILED] * 10)
    made, _ = submission(hand, folder, patience=Patience(barren=4))
    with pytest.raises(RunFailed, match="4 round drivers that ended without a word"):
        made.carry()
    assert len(hand.submitted) == 4


def test_a_checkpoint_starts_the_count_anew(folder: Path) -> None:
    def progress(number: int) -> Callable[[], RunState]:
        def fail() -> RunState:
            (folder / f"checkpoint-{number}.json").write_text("{}")
            return RunState.FAILED

        return fail

    hand = Hand(*[progress(number) for number in range(6)], finishing(folder))
    made, _ = submission(hand, folder, patience=Patience(barren=2))
    assert made.carry() == folder / "model.json"


def test_the_drivers_reason_is_the_reason(folder: Path) -> None:
    def give_up() -> RunState:
        event = {"event": "failed", "where": "round 3", "got": "1 answers", "expected": "2"}
        (folder / "events.jsonl").write_text(json.dumps(event) + "\n")
        return RunState.RUNNING

    made, heard = submission(Hand(give_up), folder)
    with pytest.raises(RunFailed, match="round 3: got 1 answers, expected 2"):
        made.carry()
    assert heard[-1]["event"] == "failed"


def test_a_superlink_that_stays_away_is_an_error(folder: Path) -> None:
    now = iter(range(0, 10_000, 50))
    made, _ = submission(Hand(*[AWAY] * 10), folder, clock=lambda: float(next(now)))
    with pytest.raises(ControlError, match="no answer"):
        made.carry()


def test_a_refused_call_is_an_error_at_once(folder: Path) -> None:
    refused = ControlError(got="bearer_authentication", expected="an admitted call")
    made, _ = submission(Hand(refused), folder)
    with pytest.raises(ControlError, match="bearer"):
        made.carry()


def test_events_are_followed_from_now_on(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"event": "old"}\n')
    reader = EventReader(file)
    with file.open("a") as out:
        out.write('{"event": "one"}\n{"torn\n{"event": "tw')
        out.flush()
        assert [event["event"] for event in reader.new()] == ["one"]
        out.write('o"}\n')
        out.flush()
        assert [event["event"] for event in reader.new()] == ["two"]
    assert list(reader.new()) == []
    assert list(EventReader(tmp_path / "none.jsonl").new()) == []


def test_a_run_needs_a_plan(tmp_path: Path) -> None:
    class Home:
        def run(self, run_id: str) -> Path:
            return tmp_path / run_id

    with pytest.raises(ConfigurationError, match=r"no plan\.json"):
        run_training(cast(CoordinatorHome, Home()), "spring")
