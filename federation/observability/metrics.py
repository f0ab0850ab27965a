"""Counting, from anywhere in a process: a call that costs nothing where nobody shows the figures.

    metrics.count("fedscore_refusals_total", code="late")
    with metrics.timed("fedscore_lookup_seconds", kind="first"):
        ...

Commands and tests have no endpoint, so nothing is kept, and prometheus_client is not loaded. A long-lived process has a
`federation.observability.monitor.Monitor`, which is where the figures go. Which metrics there are: `names`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol


class Figures(Protocol):
    """Where figures go. Raises KeyError for a metric, or a label of it, that is not listed."""

    def count(self, name: str, amount: float, labels: dict[str, object]) -> None: ...
    def put(self, name: str, value: float, labels: dict[str, object]) -> None: ...
    def put_all(self, name: str, label: str, values: Mapping[str, float]) -> None: ...
    def observe(self, name: str, seconds: float, labels: dict[str, object]) -> None: ...


_figures: Figures | None = None


def send_to(figures: Figures | None) -> None:
    """From now on this process's figures go to `figures`; None: nowhere."""
    global _figures
    _figures = figures


def count(name: str, amount: float = 1.0, **labels: object) -> None:
    """Add to a counter."""
    if _figures is not None:
        _figures.count(name, amount, labels)


def put(name: str, value: float, **labels: object) -> None:
    """Set a gauge."""
    if _figures is not None:
        _figures.put(name, value, labels)


def put_all(name: str, label: str, values: Mapping[str, float]) -> None:
    """Set a gauge at each value of its one label, and nowhere else."""
    if _figures is not None:
        _figures.put_all(name, label, values)


def observe(name: str, seconds: float, **labels: object) -> None:
    """Add a time to a histogram."""
    if _figures is not None:
        _figures.observe(name, seconds, labels)


@contextmanager
def timed(name: str, **labels: object) -> Iterator[None]:
    """Observe how long the block took, whatever its end."""
    began = time.monotonic()
    try:
        yield
    finally:
        observe(name, time.monotonic() - began, **labels)
