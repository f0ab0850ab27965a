"""One process's figures and health, as they are shown.

    with monitored(Process.NODE, home.path, home.name, home.settings.metrics) as monitor:
        monitor.read("ledger", lambda: metrics.put("fedscore_ledger_entries", ledger.tip.sequence))
        monitor.part("log", lambda: None if oversight.hears else "the log does not answer")

Every metric of the process is shown from the start, whether it has been used or not. What `read` is given is called at
each scrape, one scrape at a time; what it raises is counted, and the rest is shown.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from federation.observability import metrics
from federation.observability.endpoint import serve
from federation.observability.health import Health, Part, check
from federation.observability.names import Process
from federation.observability.targets import announced
from federation.runtime.logging import get_logger
from federation.runtime.settings import MetricsSetting

_MIB = 2**20
OFFSETS = {process: number for number, process in enumerate(Process)}
"""From the port in the settings, where that names one."""
_log = get_logger("monitor")


class Monitor:
    """Of one process; thread-safe once all parts and readings are there."""

    def __init__(self, process: Process) -> None:
        from federation.observability.registry import Registry  # with prometheus_client, .1 s no command should pay

        self.figures = Registry(process)
        self._parts: list[Part] = []
        self._readings: list[tuple[str, Callable[[], None]]] = []
        self._scraping = threading.Lock()
        self._cpu = 0.0
        self.figures.put("fedscore_build_info", 1.0, {"version": version("fedscore")})
        self.figures.put("process_start_time_seconds", time.time(), {})

    def part(self, name: str, why: Callable[[], str | None], *, vital: bool = False) -> None:
        """Have health ask `why` (see `Part`)."""
        self._parts.append(Part(name, why, vital))

    def read(self, part: str, read: Callable[[], None]) -> None:
        """Have `read` put its gauges before each scrape."""
        self._readings.append((part, read))

    def health(self) -> Health:
        """As it is now."""
        return check(self._parts)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        with self._scraping:
            for part, read in self._readings:
                try:
                    read()
                except Exception as error:
                    _log.warning("a figure cannot be read", kind=type(error).__name__)
                    self.figures.count("fedscore_readings_failed_total", 1.0, {"part": part})
            self._read_process()
            return self.figures.exposition()

    def _read_process(self) -> None:
        health = self.health()
        self.figures.put("fedscore_ready", float(health.ready), {})
        ready = {name: float(not why) for name, why in health.parts.items()}
        self.figures.put_all("fedscore_part_ready", "part", ready)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = float(int(usage.ru_utime + usage.ru_stime))
        self.figures.count("process_cpu_seconds_total", cpu - self._cpu, {})
        self._cpu = cpu
        held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.figures.put("process_resident_memory_bytes", float(-(-held // _MIB) * _MIB), {})


@contextmanager
def monitored(
    process: Process, home: Path, party: str, where: MetricsSetting, *, instance: str = ""
) -> Iterator[Monitor]:
    """A monitor that counts what this process does until the block ends, and is shown on loopback, where `where` says.

    `instance` tells processes apart of which a home may have several. A port that is taken is no reason to stay away:
    another is taken, and HOME/run says which.
    """
    monitor = Monitor(process)
    metrics.send_to(monitor.figures)
    try:
        if where == "off":
            yield monitor
            return
        wanted = where + OFFSETS[process] if isinstance(where, int) else 0
        with serve(monitor, wanted) as port, announced(home, process, party, port, instance):
            yield monitor
    finally:
        metrics.send_to(None)
