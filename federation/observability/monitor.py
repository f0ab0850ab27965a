"""One process's figures and health, as they are shown.

    with monitored(Process.NODE, home.path, home.name, home.settings.metrics) as monitor:
        monitor.read("ledger", lambda: metrics.put("fedscore_ledger_entries", ledger.tip.sequence))
        monitor.part("log", lambda: None if oversight.hears else "the log does not answer")

Every metric of the process is shown from the start, whether it has been used or not. What `read` is given is called at
each scrape, one scrape at a time; what it raises is counted, and the rest is shown.
"""

from __future__ import annotations

import math
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from federation.observability import metrics
from federation.observability.endpoint import serve
from federation.observability.health import Health, Part, check
from federation.observability.names import (
    BUCKETS,
    MOST,
    OTHER,
    Kind,
    Metric,
    Process,
    label_value,
    of_process,
    rounded_up,
)
from federation.observability.targets import announced
from federation.runtime.logging import get_logger
from federation.runtime.settings import MetricsSetting

_MIB = 2**20
OFFSETS = {process: number for number, process in enumerate(Process)}
"""From the port in the settings, where that names one."""
_log = get_logger("monitor")


class Monitor:
    """Of one process; thread-safe. `party` is the institution or coordinator whose home it is."""

    def __init__(self, process: Process, party: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.process, self.party = process, party
        self._registry = CollectorRegistry()
        self._metrics = {metric.name: metric for metric in of_process(process)}
        self._shown = {name: _instrument(metric, self._registry) for name, metric in self._metrics.items()}
        self._known: dict[str, set[tuple[str, ...]]] = {name: set() for name in self._metrics}
        self._parts: list[Part] = []
        self._readings: list[tuple[str, Callable[[], None]]] = []
        self._lock, self._scraping = threading.Lock(), threading.Lock()
        self._cpu = 0.0
        self.put("fedscore_build_info", 1.0, {"version": version("fedscore")})
        self.put("process_start_time_seconds", time.time(), {})

    def part(self, name: str, why: Callable[[], str | None], *, vital: bool = False) -> None:
        """Have health ask `why` (see `Part`)."""
        self._parts.append(Part(name, why, vital))

    def read(self, part: str, read: Callable[[], None]) -> None:
        """Have `read` put its gauges before each scrape."""
        self._readings.append((part, read))

    def count(self, name: str, amount: float, labels: dict[str, object]) -> None:
        self._child(name, labels).inc(amount)

    def put(self, name: str, value: float, labels: dict[str, object]) -> None:
        self._child(name, labels).set(value)

    def observe(self, name: str, seconds: float, labels: dict[str, object]) -> None:
        self._child(name, labels).observe(rounded_up(seconds))

    def put_all(self, name: str, label: str, values: Mapping[str, float]) -> None:
        with self._lock:
            self._known[name].clear()
        self._shown[name].clear()
        for value, number in values.items():
            self.put(name, number, {label: value})

    def health(self) -> Health:
        """As it is now."""
        return check(self._parts)

    def exposition(self) -> bytes:
        """The text that Prometheus reads. Never raises."""
        with self._scraping:
            for part, read in self._readings:
                try:
                    read()
                except Exception as error:
                    _log.warning("a figure cannot be read", kind=type(error).__name__)
                    self.count("fedscore_readings_failed_total", 1.0, {"part": part})
            self._read_process()
            return generate_latest(self._registry)

    def _read_process(self) -> None:
        health = self.health()
        self.put("fedscore_ready", float(health.ready), {})
        self.put_all("fedscore_part_ready", "part", {name: float(not why) for name, why in health.parts.items()})
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = float(int(usage.ru_utime + usage.ru_stime))
        self.count("process_cpu_seconds_total", cpu - self._cpu, {})
        self._cpu = cpu
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held = pages * os.sysconf("SC_PAGE_SIZE")
        self.put("process_resident_memory_bytes", float(-(-held // _MIB) * _MIB), {})

    def _child(self, name: str, labels: dict[str, object]) -> Any:
        metric = self._metrics[name]
        values = tuple(label_value(label, labels[label]) for label in metric.labels)
        if labels.keys() != set(metric.labels):
            raise KeyError(f"{name} has the labels {metric.labels}")
        if not values:
            return self._shown[name]
        with self._lock:
            known = self._known[name]
            if values not in known and len(known) >= MOST:
                values = (OTHER,) * len(values)
            known.add(values)
        return self._shown[name].labels(*values)


def _instrument(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind is Kind.COUNTER:
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind is Kind.HISTOGRAM:
        return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=BUCKETS)
    gauge = Gauge(metric.name, metric.help, metric.labels, registry=registry)
    if not metric.labels:
        gauge.set(math.nan)  # not known: no alert compares true with it
    return gauge


@contextmanager
def monitored(process: Process, home: Path, party: str, where: MetricsSetting) -> Iterator[Monitor]:
    """A monitor that counts what this process does until the block ends, and is shown on loopback, where `where` says.

    A port that is taken is no reason to stay away: another is taken, and HOME/run says which.
    """
    monitor = Monitor(process, party)
    metrics.send_to(monitor)
    try:
        if where == "off":
            yield monitor
            return
        wanted = where + OFFSETS[process] if isinstance(where, int) else 0
        with serve(monitor, wanted) as port, announced(home, process, party, port):
            yield monitor
    finally:
        metrics.send_to(None)
