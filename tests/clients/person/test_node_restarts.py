"""A node holds its records as they were when it started: a decision about one ends it, to start anew."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from person_world import TODAY, new_home, people

from clients.institution.home import InstitutionHome
from clients.institution.person.desk import Desk
from clients.institution.person.watching import EVERY_S
from federation.jurisdiction import Request

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


@pytest.fixture
def process(home: InstitutionHome) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "clients.institution.node_service", str(home.path)]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()


def test_a_correction_ends_a_node_and_a_dispute_alone_does_not(
    home: InstitutionHome, process: subprocess.Popen[bytes]
) -> None:
    subject = people(home)[0]
    until(home.socket.exists)
    desk = Desk.open(home)
    case = desk.open_case(subject, Request.DISPUTE, ("age",), "I am 40", TODAY)
    time.sleep(2 * EVERY_S + 1)
    assert process.poll() is None
    desk.correct(case.id, subject, {"age": "40"}, "her passport", TODAY)
    assert process.wait(timeout=240) == 0  # its supervisor starts it again
    assert "records were corrected" in (home.logs / "node.jsonl").read_text()
    again = subprocess.Popen(process.args, stderr=subprocess.DEVNULL)
    try:
        until(home.socket.exists)
        time.sleep(2 * EVERY_S + 1)
        assert again.poll() is None  # it holds them now
    finally:
        again.kill()
        again.wait()


def until(condition: object, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)
