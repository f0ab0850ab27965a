"""Child processes that stay up while wanted and leave nothing behind.

    with Supervisor([Child("superlink", command, log=home / "logs" / "superlink.log")]) as supervisor:
        supervisor.run()          # until SIGINT, SIGTERM or stop()

A child that ends is started again after a pause that doubles while it keeps failing; one that ends with UNUSABLE so
often that a person has to mend what it was given is not. Each child leads its own process group, so that Ctrl-C reaches
the supervisor alone, which then stops the children: SIGTERM, the last started first, a grace period, SIGKILL, whole
groups. Should the supervisor be killed, the kernel kills its children (Linux, PR_SET_PDEATHSIG): they are started from
a thread that lives as long as they do, the main one. What they write (databases, logs) is its owner's alone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from federation.errors import ConfigurationError, FederationError

Event = Literal["started", "ready", "ended", "unusable", "stopped"]
UNUSABLE = os.EX_CONFIG  # 78: what it was given cannot be used, and will not be by itself
PATIENCE = 5  # such ends in a row: a file may be in the middle of being exchanged
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessError(FederationError):
    """A child process that did not become ready, or that gave up for good."""


@dataclass(frozen=True)
class BackOff:
    """How long to wait before the n-th start in a row, in seconds. A child that lived `steady` starts over at n = 1.

    >>> [BackOff(first=0.5, longest=3.0).pause(failures) for failures in range(5)]
    [0.0, 0.5, 1.0, 2.0, 3.0]
    """

    first: float = 0.2
    longest: float = 5.0
    steady: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ConfigurationError(
                "back-off", got=f"{self.first} to {self.longest} s", expected="0 < first <= longest"
            )

    def pause(self, failures: int) -> float:
        """0 for the first start, then `first`, doubling, at most `longest`."""
        return float(min(self.first * 2.0 ** min(failures - 1, 60), self.longest)) if failures else 0.0


@dataclass(frozen=True)
class Child:
    """What to run and how to see that it is ready. Both of its outputs are appended to `log`.

    While `wanted` says no it is not started, or not again; it is asked often and must be cheap.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    grace: float = 3.0
    wanted: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        if not self.command:
            raise ConfigurationError(f"process {self.name}", got="an empty command", expected="a program")


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line of another process of ours: `module` as a program, found where this process found its own.

    By itself -m looks for it, and for all it imports, in the current folder first (-P: not there). A command may be
    started in a folder that others write to, and what runs here holds keys.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that made it ends. Call it first thing in the new process."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def protect_memory() -> None:
    """Keep what this process knows out of core dumps, and from other processes of its user (Linux).

    RLIMIT_CORE 0 is inherited by children. PR_SET_DUMPABLE 0 keeps debuggers and /proc/PID/mem out and ends with
    exec: a process that holds secrets calls this first thing, and its children again. Raises ProcessError where
    the kernel refuses. The administrator, and a disk that memory is swapped to, are not kept out.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise ProcessError("memory", got=os.strerror(ctypes.get_errno()), expected="a process that cannot be dumped")


def release_memory() -> None:
    """Give back to the kernel what this process has freed: glibc keeps it, some 140 MB after a table was prepared.

    Worth a call after work that took much and will not come again soon. Without glibc it does nothing.
    """
    if trim := getattr(_libc, "malloc_trim", None):
        trim(0)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Running:
    """One child and its present process."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self.unusable = 0  # ends in a row with UNUSABLE
        self.started = 0.0
        self.due = 0.0
        self.announced = False

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def start(self, now: float) -> None:
        parent = os.getpid()
        self.child.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.child.log, "ab", opener=_private) as log:
            self.process = subprocess.Popen(
                self.child.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.child.environment},
                start_new_session=True,
                umask=0o077,
                preexec_fn=lambda: die_with_parent(parent),
            )
        self.started, self.announced = now, False

    def signal(self, number: int) -> None:
        """To the whole group: a child's own children go with it."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Keeps `children` running. They are started in the order given and all at once: each must bear that another is
    not there yet, as it must bear its loss later.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        back_off: BackOff | None = None,
        on_event: Callable[[str, Event], None] = lambda name, event: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = [child.name for child in children]
        if len(set(names)) != len(names):
            raise ConfigurationError("processes", got=f"names {names}", expected="different names")
        self._running = [_Running(child) for child in children]
        self._back_off = back_off or BackOff()
        self._on_event = on_event
        self._clock = clock
        self._stopping = threading.Event()

    def start(self, *, timeout: float = 60.0) -> None:
        """Start every child and wait until all are ready. Raises ProcessError after `timeout` seconds, or as `poll`."""
        deadline = self._clock() + timeout
        for running in self._running:
            if running.child.wanted():
                self._start(running)
        while late := [r.child for r in self._running if r.child.wanted() and not self._is_ready(r)]:
            if self._clock() > deadline:
                got = f"not ready, see {late[0].log}"
                raise ProcessError(f"process {late[0].name}", got=got, expected=f"within {timeout} s")
            if self._stopping.wait(0.05):
                return
            for running in self._running:
                self._revive(running)

    def poll(self) -> None:
        """Start again what has ended and is due. Call it often. Raises ProcessError for a child that is given up."""
        for running in self._running:
            self._revive(running)
            self._is_ready(running)

    def run(self, *, every: float = 0.1) -> None:
        """Poll until `stop`, SIGINT or SIGTERM. Main thread only."""
        with self._signals():
            while not self._stopping.wait(every):
                self.poll()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """End every child and all they started; safe to call twice."""
        self._stopping.set()
        for running in reversed(self._running):
            running.signal(signal.SIGTERM)
        for running in reversed(self._running):
            self._stop(running)

    def pids(self) -> dict[str, int]:
        """The process id of each child that is running now, by name."""
        return {
            running.child.name: running.process.pid
            for running in self._running
            if running.process is not None and running.process.poll() is None
        }

    def __enter__(self) -> Self:
        try:
            with self._signals():
                self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, running: _Running) -> None:
        running.start(self._clock())
        self._on_event(running.child.name, "started")

    def _is_ready(self, running: _Running) -> bool:
        if running.announced:
            return True
        if running.process is None or running.process.poll() is not None or not running.child.ready():
            return False
        running.announced, running.unusable = True, 0
        self._on_event(running.child.name, "ready")
        return True

    def _revive(self, running: _Running) -> None:
        now = self._clock()
        if running.process is not None and running.process.poll() is not None:
            running.signal(signal.SIGKILL)  # whatever it left in its group
            unusable = running.process.returncode == UNUSABLE
            running.process, running.announced = None, False
            running.failures = 1 if now - running.started >= self._back_off.steady else running.failures + 1
            running.due = now + self._back_off.pause(running.failures)
            running.unusable = running.unusable + 1 if unusable else 0
            self._on_event(running.child.name, "unusable" if unusable else "ended")
            if running.unusable >= PATIENCE:
                got = f"{PATIENCE} starts that found it unusable, see {running.child.log}"
                raise ProcessError(f"process {running.child.name}", got=got, expected="what it can work with")
        if running.process is None and now >= running.due and not self._stopping.is_set() and running.child.wanted():
            self._start(running)

    def _stop(self, running: _Running) -> None:
        if running.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(running.child.grace)
        running.signal(signal.SIGKILL)
        running.process.wait()
        running.process = None
        self._on_event(running.child.name, "stopped")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for a stop; the handlers before are put back."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: self._stopping.set()) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
