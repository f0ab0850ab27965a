"""The figures of one process as Prometheus keeps them: what `names` lists for it, with the labels it allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from federation.observability.names import (
    BUCKETS,
    METRICS,
    MOST,
    OTHER,
    Kind,
    Metric,
    Process,
    label_value,
    of_process,
    rounded_up,
)


class Registry:
    """Implements `metrics.Figures`; thread-safe. A gauge that nobody has set is NaN: not known.

    A metric that only other processes have is passed over: code that several of them share counts in all.
    """

    def __init__(self, process: Process) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._shown = {metric.name: _instrument(metric, self._registry) for metric in of_process(process)}
        self._known: dict[str, set[tuple[str, ...]]] = {name: set() for name in self._shown}
        self._lock = threading.Lock()

    def count(self, name: str, amount: float, labels: dict[str, object]) -> None:
        if child := self._child(name, labels):
            child.inc(amount)

    def put(self, name: str, value: float, labels: dict[str, object]) -> None:
        if child := self._child(name, labels):
            child.set(value)

    def put_all(self, name: str, label: str, values: Mapping[str, float]) -> None:
        if name in self._shown:
            with self._lock:
                self._known[name].clear()
            self._shown[name].clear()
        for value, number in values.items():
            self.put(name, number, {label: value})

    def observe(self, name: str, seconds: float, labels: dict[str, object]) -> None:
        if child := self._child(name, labels):
            child.observe(rounded_up(seconds))

    def exposition(self) -> bytes:
        return generate_latest(self._registry)

    def _child(self, name: str, labels: dict[str, object]) -> Any:
        metric = METRICS[name]
        if labels.keys() != set(metric.labels):
            raise KeyError(f"{name} has the labels {metric.labels}")
        values = tuple(label_value(label, labels[label]) for label in metric.labels)
        if not values or name not in self._shown:
            return self._shown.get(name)
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
        gauge.set(math.nan)
    return gauge
