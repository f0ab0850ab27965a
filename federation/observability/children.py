"""What a supervisor shows: which of its children run, and how often each was started."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from federation.observability import metrics
from federation.observability.monitor import Monitor
from federation.runtime.processes import Child, Supervisor


def observe_children(monitor: Monitor, children: Sequence[Child], supervisor: Supervisor) -> None:
    """Have `monitor` show `children`. One that is not wanted now is not missed."""
    for child in children:
        monitor.part(child.name, _why(child, supervisor))
    monitor.read("children", lambda: _read(children, supervisor))


def started(name: str, event: str) -> None:
    """What an event of the supervisor adds to its figures."""
    if event == "started":
        metrics.count("fedscore_process_starts_total", child=name)


def _why(child: Child, supervisor: Supervisor) -> Callable[[], str | None]:
    def why() -> str | None:
        if not child.wanted():
            return None
        if child.name not in supervisor.pids():
            return "does not run"
        return None if child.ready() else "runs and does not answer"

    return why


def _read(children: Sequence[Child], supervisor: Supervisor) -> None:
    running = supervisor.pids()
    up = {child.name: float(child.name in running) for child in children}
    metrics.put_all("fedscore_process_up", "child", up)
