"""Flower's server beside the executor of its apps: forked from it, and forked anew whenever it ends.

Both need all of Flower, some .8 s of CPU and 80 MiB. The executor has it loaded, runs one thread only and forks
anyway; so the server starts without an import, and after a crash it is back in a fraction of a second.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from federation.runtime.logging import get_logger
from federation.runtime.processes import BackOff, die_with_parent

GRACE_S = 2.5
_log = get_logger("companion")


class Companion:
    """`run` in a process of its own. `step` starts it when it is due; call it often, from the main thread."""

    def __init__(
        self,
        run: Callable[[], None],
        *,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._back_off = back_off or BackOff()
        self._clock = clock
        self._failures = 0
        self._started = self._due = float("-inf")
        self.pid: int | None = None

    def step(self) -> None:
        """Start it if it does not run; after a failure, later each time."""
        if self.pid is not None and os.waitpid(self.pid, os.WNOHANG)[0]:
            lived = self._clock() - self._started
            self._failures = 1 if lived >= self._back_off.steady else self._failures + 1
            self._due = self._clock() + self._back_off.pause(self._failures)
            _log.warning("server ended", pid=self.pid, seconds=round(lived, 1), attempts=self._failures)
            self.pid = None
        if self.pid is None and self._clock() >= self._due:
            self._started = self._clock()
            self.pid = fork(self._run)

    def stop(self) -> None:
        """Ask it to end, wait for it at most GRACE_S, end it."""
        if self.pid is None:
            return
        os.kill(self.pid, signal.SIGTERM)  # not waited for yet, so the number is its own
        deadline = time.monotonic() + GRACE_S
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)
        self.pid = None


def fork(run: Callable[[], None], *, log: Path | None = None) -> int:
    """The process id of a fork that does `run`, dies with this process, and writes to `log` where one is given.

    Its exit status is that of the SystemExit `run` raises, 0 where it returns, else 1.
    """
    parent = os.getpid()
    if (child := os.fork()) != 0:
        return child
    status = 1
    try:
        die_with_parent(parent)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if log is not None:
            _write_to(log)
        run()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        _log.error("a fork failed", error=error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _write_to(log: Path) -> None:
    with log.open("ab") as file:
        for standard in (1, 2):
            os.dup2(file.fileno(), standard)
