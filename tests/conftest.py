"""Helpers beside this file (`rounds_world`, ...) can be imported by every test.

With this folder on the path, tests/clients and its neighbours would pass for the packages of those names: the
repository comes first.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for jobs in the background of a shell: children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Neither a slow machine nor the examples that chance picks fail a run: the same in each, however long they take.
# `--hypothesis-profile default` looks for new ones.
settings.register_profile("fedscore", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedscore")

pytest_plugins = ("postgres",)  # `database_url`: once on SQLite, once on PostgreSQL


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--measured",
        action="append",
        default=[],
        metavar="FOLDER",
        help="With --cov: what tests outside of FOLDER (repeat) reach does not count, and costs no tracing.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    folders, measuring = item.config.getoption("measured"), coverage.Coverage.current()
    if measuring is None or not folders or any(item.path.is_relative_to(Path(each).resolve()) for each in folders):
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start real processes wait more than they compute: spread them among the others, none at the end."""
    files = dict.fromkeys(item.path for item in items)
    long = list(dict.fromkeys(item.path for item in items if item.get_closest_marker("integration")))
    short = [path for path in files if path not in long]
    gap = max(1, 3 * len(short) // (4 * max(1, len(long))))
    order: list[Path] = []
    for place, path in enumerate(short):
        if place % gap == 0 and long:
            order.append(long.pop(0))
        order.append(path)
    places = {path: place for place, path in enumerate([*order, *long])}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True)
def _the_process_is_pytests() -> Iterator[None]:
    """Takes back what `configure_process` takes, where a test calls the `main` of a process."""
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = before
    logging.captureWarnings(False)
