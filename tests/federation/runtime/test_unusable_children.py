"""A child that says it cannot use what it was given is not started for ever; until all are up nothing is ready."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from federation.observability.children import observe_children
from federation.observability.cli import health_of
from federation.observability.monitor import monitored
from federation.observability.names import Process
from federation.runtime.processes import PATIENCE, UNUSABLE, BackOff, Child, ProcessError, Supervisor

QUICK = BackOff(first=0.01, longest=0.01)


def child(script: str, folder: Path, **more: object) -> Child:
    return Child("node", ("sh", "-c", script), folder / "node.log", **more)  # type: ignore[arg-type]


def test_a_child_that_finds_itself_unusable_is_given_up(tmp_path: Path) -> None:
    events: list[str] = []
    unusable = child(f"exit {UNUSABLE}", tmp_path, ready=lambda: False)
    supervisor = Supervisor([unusable], back_off=QUICK, on_event=lambda _, event: events.append(event))
    with pytest.raises(ProcessError, match=rf"process node: got {PATIENCE} starts that found it unusable"), supervisor:
        supervisor.run(every=0.01)
    assert events == ["started", "unusable"] * PATIENCE


def test_other_ends_are_borne_and_what_was_mended_counts_from_the_start(tmp_path: Path) -> None:
    """Three times it cannot, then the file is there, then it dies of something else, then the file is gone again."""
    script = f"""
    n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) > {tmp_path}/n
    case $n in 0|1|2) exit {UNUSABLE};; 3) exit 1;; 4|5|6|7) exit {UNUSABLE};; 8) kill -9 $$;; *) exec sleep 60;; esac
    """
    count = tmp_path / "n"
    events: list[str] = []
    ready = lambda: count.exists() and count.read_text() == "10\n"  # noqa: E731
    steady = child(script, tmp_path, ready=ready)
    with Supervisor([steady], back_off=QUICK, on_event=lambda _, event: events.append(event)):
        pass
    assert [event for event in events if event != "started"] == [
        *["unusable"] * 3,
        "ended",
        *["unusable"] * 4,
        "ended",
        "ready",
        "stopped",
    ]


def test_a_supervisor_is_not_ready_before_its_children_are(tmp_path: Path) -> None:
    """As `serve` puts them together: its health was green while it waited for the first answer."""
    up = tmp_path / "up"
    slow = Child("node", (sys.executable, "-c", "import time; time.sleep(60)"), tmp_path / "log", ready=up.exists)
    seen: list[dict[str, object]] = []

    def look() -> None:
        while not seen:
            if found := health_of(tmp_path):
                seen.extend(found.values())
        up.touch()

    with monitored(Process.SUPERVISOR, tmp_path, "bank-a", "auto") as monitor:
        supervisor = Supervisor([slow])
        observe_children(monitor, [slow], supervisor)
        asking = threading.Thread(target=look)
        asking.start()
        with supervisor:
            asking.join()
            [after] = health_of(tmp_path).values()
    assert seen[0]["ready"] is False
    assert after["ready"] is True
