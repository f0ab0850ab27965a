"""Supervised children come back, stop when told, and never outlive their supervisor."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.runtime.processes import BackOff, Child, ProcessError, Supervisor, python_module

SLEEP = ("sleep", "600")
PATIENT = BackOff(first=0.02, longest=0.1)


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path) -> None:
    """Whoever writes to the folder in which somebody starts a node would otherwise hold the node's keys."""
    planted = tmp_path / "json"
    planted.mkdir()
    for name in ("__init__.py", "tool.py"):
        (planted / name).write_text("print('planted')")

    def output(command: Sequence[str]) -> bytes:
        return subprocess.run(command, cwd=tmp_path, input=b"1", capture_output=True, check=True).stdout

    command = python_module("json.tool")
    assert output(command) == b"1\n"
    assert b"planted" in output([word for word in command if word != "-P"])


@given(failures=st.integers(0, 10_000), first=st.floats(0.01, 1.0), longest=st.floats(1.0, 60.0))
def test_the_pause_grows_to_its_bound(failures: int, first: float, longest: float) -> None:
    back_off = BackOff(first=first, longest=longest)
    assert 0.0 <= back_off.pause(failures) <= back_off.pause(failures + 1) <= longest


def test_a_back_off_must_pause() -> None:
    with pytest.raises(ConfigurationError, match="back-off"):
        BackOff(first=0.0)


def test_names_must_differ(tmp_path: Path) -> None:
    child = Child("a", SLEEP, tmp_path / "a.log")
    with pytest.raises(ConfigurationError, match="different names"):
        Supervisor([child, child])


def test_a_command_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="empty command"):
        Child("a", (), tmp_path / "a.log")


def test_what_a_child_writes_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever our own umask: other people's programs make databases with the umask they find."""
    file = tmp_path / "superlink.db"
    child = Child("writer", ("sh", "-c", f"touch {file}; exec sleep 600"), tmp_path / "writer.log", ready=file.exists)
    before = os.umask(0)
    try:
        with Supervisor([child]):
            modes = [path.stat().st_mode & 0o777 for path in (file, tmp_path / "writer.log")]
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    child = Child("sleeper", SLEEP, tmp_path / "sleeper.log")
    with Supervisor([child], back_off=PATIENT, on_event=lambda *event: events.append(event)) as supervisor:
        first = supervisor.pids()["sleeper"]
        os.kill(first, signal.SIGKILL)

        def again() -> bool:
            supervisor.poll()
            return supervisor.pids().get("sleeper", first) != first

        until(again)
        second = supervisor.pids()["sleeper"]
    until(lambda: not alive(second))
    assert [event for _, event in events] == ["started", "ready", "ended", "started", "ready", "stopped"]


def test_a_child_that_keeps_failing_is_held_back(tmp_path: Path) -> None:
    now = [0.0]
    events: list[str] = []
    child = Child("false", ("false",), tmp_path / "log")
    supervisor = Supervisor(
        [child], back_off=BackOff(first=1.0, longest=4.0), clock=lambda: now[0], on_event=lambda _, e: events.append(e)
    )
    starts = []
    try:
        supervisor.poll()
        for tick in range(16):
            now[0] = float(tick)
            before = events.count("started")
            until(lambda: not supervisor.pids())
            supervisor.poll()
            starts += [tick] * (events.count("started") - before)
        assert starts == [1, 4, 9, 14]  # seen to have ended a second after each start, then 1, 2, 4, 4 seconds later
    finally:
        supervisor.stop()


def test_order_and_output(tmp_path: Path) -> None:
    marker, log = tmp_path / "marker", tmp_path / "logs" / "first.log"
    first = Child(
        "first",
        ("sh", "-c", 'echo "$GREETING"; sleep 0.2; touch "$MARKER"; sleep 600'),
        log,
        environment={"GREETING": "good day", "MARKER": str(marker)},
        ready=marker.exists,
    )
    second = Child("second", SLEEP, tmp_path / "second.log")
    order: list[str] = []
    with Supervisor([first, second], on_event=lambda name, event: order.append(f"{name} {event}")) as supervisor:
        assert set(supervisor.pids()) == {"first", "second"}
    assert order.index("first started") < order.index("second started") < order.index("first ready")
    assert order.index("second stopped") < order.index("first stopped")
    assert log.read_text() == "good day\n"


def test_what_never_gets_ready_is_named_and_stopped(tmp_path: Path) -> None:
    child = Child("deaf", SLEEP, tmp_path / "deaf.log", ready=lambda: False)
    supervisor = Supervisor([child])
    with pytest.raises(ProcessError, match=r"process deaf: got not ready, see .*deaf\.log"):
        supervisor.start(timeout=0.1)
    [pid] = supervisor.pids().values()
    supervisor.stop()
    supervisor.stop()
    assert not alive(pid)


def test_a_failure_on_entry_leaves_nothing(tmp_path: Path) -> None:
    good = Child("good", SLEEP, tmp_path / "good.log")
    bad = Child("bad", ("/nowhere/to/be/found",), tmp_path / "bad.log")
    supervisor = Supervisor([good, bad])
    with pytest.raises(FileNotFoundError):
        supervisor.__enter__()
    assert supervisor.pids() == {}


def test_a_child_that_ignores_sigterm_goes_with_its_own_children(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {pidfile}; while :; do sleep 1; done"
    child = Child("stubborn", ("sh", "-c", script), tmp_path / "log", ready=pidfile.exists, grace=0.2)
    with Supervisor([child]):
        until(lambda: pidfile.read_text() != "")
        grandchild = int(pidfile.read_text())
        assert alive(grandchild)
    until(lambda: not alive(grandchild))


def test_stop_ends_run_from_another_thread(tmp_path: Path) -> None:
    with Supervisor([Child("sleeper", SLEEP, tmp_path / "log")]) as supervisor:
        timer = threading.Timer(0.1, supervisor._stopping.set)
        timer.start()
        supervisor.run(every=0.01)
        timer.join()


PROGRAM = """
import sys
from pathlib import Path
from federation.runtime.processes import Child, Supervisor
home = Path(sys.argv[1])
def child(name):
    pid = home / f"{name}.pid"  # there once it is whole
    command = ("sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")
    return Child(name, command, home / f"{name}.log", ready=pid.exists)
children = [child(name) for name in ("one", "two")]
with Supervisor(children) as supervisor:
    (home / "up").touch()
    supervisor.run()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_its_supervisor(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)])
    until((tmp_path / "up").exists)
    pids = [int((tmp_path / f"{name}.pid").read_text()) for name in ("one", "two")]
    assert all(alive(pid) for pid in pids)
    process.send_signal(number)
    assert process.wait(120) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids))


_TOLD = """
import ctypes, resource
from federation.lookup.parallel import spread
from federation.runtime.processes import protect_memory
def state(_):
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    print(state(0))
    print(*spread(state, [0, 0], processes=2))
    protect_memory()
    print(state(0))
"""


def test_a_process_with_secrets_is_dumped_by_nobody_and_neither_is_what_it_hands_them_to(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("core dumps are off for good here")
    script = tmp_path / "told.py"
    script.write_text(_TOLD)
    told = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0].startswith("(1, (4096,")
    assert told[1] == "(0, (0, 0)) (0, (0, 0))"
    assert told[2] == "(0, (0, 0))"
