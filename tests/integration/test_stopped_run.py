"""Ctrl-C of `train`, over a coordinator's real processes: the run is stopped, and nobody is asked any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flower_deployment import make_coordinator, make_institution, until

from server.home import CoordinatorHome
from server.runs import read_run
from server.stopping import driver_gone
from server.superlink import control

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]
FEDSCORE = (sys.executable, "-m", "federation.cli", "coordinator")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[CoordinatorHome]:
    """A coordinator that serves; its two members are away."""
    home = make_coordinator(tmp_path / "c")
    for name in ("alpha", "beta"):
        make_institution(tmp_path / name, name, home, nominal=10_000)
    serving = start(home, "serve")
    yield home
    serving.terminate()
    serving.wait(100)


def start(home: CoordinatorHome, *words: str) -> subprocess.Popen[str]:
    command = (*FEDSCORE, words[0], "--home", str(home.path), *words[1:])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def training(home: CoordinatorHome) -> subprocess.Popen[str]:
    """`train`, once a round driver waits for the members."""
    train = start(home, "train", "--run-id", "second", "--rounds", "2", "--force")
    until(lambda: home.run("second").exists() and not driver_gone(home.run("second"), 0.0), 150, "a driver drives")
    return train


def test_ctrl_c_stops_the_run_for_good(home: CoordinatorHome) -> None:
    for _ in range(2):  # stopped, and stopped again after it went on
        train = training(home)
        train.send_signal(signal.SIGINT)
        said, _ = train.communicate(timeout=150)
        assert train.returncode == 130, said
        assert "second is stopped after round 0 of 2" in said
        assert f"train --run-id second --home {home.path}" in said
        assert driver_gone(home.run("second"), 60.0)
        with control(home) as hand:
            assert hand.unfinished() == ()
        assert read_run(home.run("second")).state == "stopped"


def test_the_command_stops_a_run_whose_train_was_killed(home: CoordinatorHome) -> None:
    """Killed, `train` cannot stop anything: the driver goes on, until it is told."""
    train = training(home)
    train.kill()
    train.communicate(timeout=100)
    time.sleep(1.0)
    assert not driver_gone(home.run("second"), 0.0)
    stop = start(home, "stop", "second")
    said, _ = stop.communicate(timeout=150)
    assert stop.returncode == 0, said
    assert driver_gone(home.run("second"), 60.0)
    with control(home) as hand:
        assert hand.unfinished() == ()
