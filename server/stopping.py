"""Stopping a run: nobody is asked anything more for it, until `train --run-id` says that it goes on.

The word is a file in the run's folder, which outlives every process: the round driver looks for it at each pause and
before each question, and whoever submits the run before each submission. What is done stays done and charged.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from federation.errors import ConfigurationError
from federation.rounds.refusals import RunFailed
from server.checkpoint_store import MODEL, PLAN, CheckpointStore

if TYPE_CHECKING:
    from federation.runtime.flower.control import Control
    from server.home import CoordinatorHome

STOPPED = "stopped.json"
LOCK = "driver.lock"  # held by the round driver, see the bundle
PATIENCE_S = 15.0


def stop_run(
    home: CoordinatorHome,
    run_id: str,
    *,
    hand: Callable[[], Control] | None = None,
    patience: float = PATIENCE_S,
) -> bool:
    """Stop the run `run_id`, and tell the SuperLink where it answers. False: its driver has not ended yet, and will.

    Raises ConfigurationError for a run that does not exist, or that is done.
    """
    folder = home.run(run_id)
    if not (folder / PLAN).exists():
        known = sorted(path.parent.name for path in home.runs.glob(f"*/{PLAN}"))
        raise ConfigurationError("run", got=run_id, expected=" or ".join(known) or "a run: there is none")
    store = CheckpointStore(folder)
    if (folder / MODEL).exists() and any(event.get("event") == "done" for event in store.events()):
        raise ConfigurationError("run", got=f"{run_id}, which is done", expected="one that is under way")
    store.write_bytes(STOPPED, json.dumps({"at": round(time.time(), 3)}).encode())
    if driver_gone(folder, 0.0):
        return True
    _tell(home, hand)
    return driver_gone(folder, patience)


def is_stopped(folder: Path) -> bool:
    return (folder / STOPPED).exists()


def refuse_stopped(folder: Path) -> None:
    """Raises RunFailed for a run that was stopped."""
    if is_stopped(folder):
        expected = f"`fedscore coordinator train --run-id {folder.name}`, which goes on"
        raise RunFailed(f"run {folder.name}", got="stopped by the operator", expected=expected)


def go_on(folder: Path) -> None:
    """Take the stop back; whoever does wants the run to go on."""
    (folder / STOPPED).unlink(missing_ok=True)


def driver_gone(folder: Path, patience: float) -> bool:
    """Whether no round driver drives the run, waiting for that at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while _driven(folder / LOCK):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _driven(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _tell(home: CoordinatorHome, hand: Callable[[], Control] | None) -> None:
    """Have the SuperLink give up what it has of runs: there is one at a time. It is no matter if it is away."""
    from federation.runtime.flower.control import ControlError
    from server.superlink import control

    with suppress(ControlError), (hand or (lambda: control(home)))() as held:
        for number in held.unfinished():
            held.stop(number)
