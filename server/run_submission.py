"""Carry a prepared run to its end: submit, watch, submit again.

    run_training(home, "2030-spring", on_event=print)

Flower does not resume a run; the round driver does, from its own checkpoint. So whenever the driver or the SuperLink is
lost, the same run is submitted anew, until its folder says that it is done or why it cannot be.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from federation.errors import ConfigurationError
from federation.rounds.refusals import RunFailed
from federation.runtime.flower.bundle import Bundle
from federation.runtime.flower.control import Control, ControlError, RunState
from server.checkpoint_store import EVENTS, MODEL, PLAN
from server.home import CoordinatorHome
from server.stopping import refuse_stopped
from server.superlink import control, shipped_bundle

T = TypeVar("T")
OnEvent = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Patience:
    """`poll`: seconds between looks at the run's folder. `asks`: the SuperLink is asked at every so many of them.

    `barren`: submissions in a row that may end without writing anything. `silence`: seconds the SuperLink may be away
    before that is an error.
    """

    poll: float = 0.2
    asks: int = 5
    barren: int = 8
    silence: float = 120.0


def run_training(
    home: CoordinatorHome,
    run_id: str,
    *,
    on_event: OnEvent = lambda event: None,
    bundle: Bundle | None = None,
    patience: Patience | None = None,
) -> Path:
    """The published model's file. Needs a SuperLink that is served for `home`, and the run's plan in its folder.

    `on_event` hears every event of the round driver, and {"event": "submitted" | "lost", ...} of this loop.
    Raises RunFailed with the driver's reason, or where nothing moves any more; ConfigurationError without a plan.
    """
    folder = home.run(run_id)
    if not (folder / PLAN).exists():
        raise ConfigurationError(str(folder), got=f"no {PLAN}", expected="a prepared run")
    with control(home) as hand:
        return Submission(hand, folder, bundle or shipped_bundle(), patience or Patience(), on_event).carry()


class Submission:
    """One call of `run_training`, with its clock and its hand on the SuperLink passed in."""

    def __init__(
        self,
        hand: Control,
        folder: Path,
        bundle: Bundle,
        patience: Patience,
        on_event: OnEvent,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hand, self._folder, self._bundle = hand, folder, bundle
        self._patience, self._on_event = patience, on_event
        self._clock, self._sleep = clock, sleep
        self._events = EventReader(folder / EVENTS)
        self._answered = clock()

    def carry(self) -> Path:
        """See `run_training`."""
        barren, before = 0, self._progress()
        while barren < self._patience.barren:
            number = self._submit()
            state = self._watch(number)
            if state is RunState.COMPLETED and (self._folder / MODEL).exists():
                return self._folder / MODEL
            self._on_event({"event": "lost", "flower_run": number, "state": str(state)})
            barren, before = (barren + 1 if self._progress() == before else 0), self._progress()
        got = f"{barren} round drivers that ended without a word"
        raise RunFailed(f"run {self._folder.name}", got=got, expected="progress; see logs/round-driver.log")

    def _submit(self) -> int:
        """A new Flower run. Earlier ones are stopped first, for two drivers would ask every node twice.

        Raises RunFailed for a run that the operator stopped meanwhile.
        """
        refuse_stopped(self._folder)
        while (number := self._ask(self._start)) is None:
            self._sleep(self._patience.poll)
        self._on_event({"event": "submitted", "flower_run": number})
        return number

    def _start(self) -> int:
        for earlier in self._hand.unfinished():
            self._hand.stop(earlier)
        return self._hand.submit(self._bundle, {"run": self._folder.name})

    def _watch(self, number: int) -> RunState:
        """The final state of a submission. Raises RunFailed as soon as the driver gives up."""
        state, looks, done = RunState.PENDING, 0, False
        while not state.final:
            self._sleep(self._patience.poll)
            if done or looks % self._patience.asks == 0:
                state = self._ask(lambda: self._hand.status(number)) or state
            looks, done = looks + 1, self._tell() or done
        return state

    def _tell(self) -> bool:
        """Hand on what the driver wrote; True once it says that it is done."""
        done = False
        for event in self._events.new():
            self._on_event(event)
            done = done or event.get("event") == "done"
            if event.get("event") == "failed":
                raise RunFailed(str(event.get("where")), got=event.get("got"), expected=event.get("expected"))
        return done

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The SuperLink's answer; None while it is away. Raises ControlError if it is away for too long."""
        try:
            answer = question()
        except ControlError as error:
            if not error.away or self._clock() - self._answered > self._patience.silence:
                raise
            return None
        self._answered = self._clock()
        return answer

    def _progress(self) -> tuple[int, int]:
        """Changes whenever a checkpoint or another document of the run is written."""
        times = [file.stat().st_mtime_ns for file in self._folder.glob("*.json")]
        return len(times), max(times, default=0)


class EventReader:
    """Follows events.jsonl from where it ends now; a line that is not finished yet waits for the next look."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = file.stat().st_size if file.exists() else 0

    def new(self) -> Iterator[dict[str, Any]]:
        """The events since the last look. A torn line, of a driver that died writing it, is passed over."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._seen)
            whole, _, _ = file.read().rpartition(b"\n")
        self._seen += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
