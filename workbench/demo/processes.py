"""The demonstration's processes: `fedscore` commands that serve until the end, and commands that come to an end.

    with Processes(out / "logs") as processes:
        processes.serve("coordinator", ["coordinator", "serve", "--home", home], ready=...)
        facts = processes.run(["coordinator", "status", "--home", home, "--json"])

Leaving the block, however it is left, ends everything that was started, and all that those processes started. What dies
before that is an error that carries the tail of its log. Main thread only: the kernel ties children to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from federation.errors import FederationError
from federation.runtime.processes import Child, Supervisor, die_with_parent

FEDSCORE = (sys.executable, "-m", "federation.cli")
_TAIL = 30  # lines of a log
_GRACE_S = 15.0  # a serving command has children of its own to end
_START_S = 180.0
_TICK_S = 0.1

Tick = Callable[[], None]


class DemoFailed(FederationError):  # noqa: N818 (it is what happened)
    """A process of the demonstration failed; `tail` is the end of what it had to say."""

    def __init__(self, where: str, *, got: object, expected: object, tail: str = "") -> None:
        self.tail = tail
        super().__init__(where, got=got, expected=expected)


@dataclass(frozen=True)
class _Command:
    """A running command: what to call it, its process, where its two outputs go."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path


class Processes:
    """Everything that runs beside the demonstration. `environment` is added to that of every process."""

    def __init__(self, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        self._logs = logs
        self._environment = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._supervisors: list[Supervisor] = []
        self._commands: list[_Command] = []
        self._dead: list[str] = []
        logs.mkdir(parents=True, exist_ok=True)

    def serve(self, name: str, arguments: Sequence[str], *, ready: Callable[[], bool] = lambda: True) -> None:
        """Start a command that serves until the end; returns when it is `ready`. Raises DemoFailed."""
        self.serve_all({name: arguments}, ready=ready)

    def serve_all(self, commands: Mapping[str, Sequence[str]], *, ready: Callable[[], bool]) -> None:
        """Start commands that serve until the end, by name, beside one another; returns when all are `ready`."""
        up = lambda: ready() or bool(self._dead)  # noqa: E731
        children = [
            Child(name, (*FEDSCORE, *arguments), self.log(name), self._environment, up, _GRACE_S)
            for name, arguments in commands.items()
        ]
        supervisor = Supervisor(children, on_event=self._hear)
        self._supervisors.append(supervisor)
        supervisor.start(timeout=_START_S)
        self.check()

    def run(self, arguments: Sequence[str], *, tick: Tick = lambda: None) -> Any:
        """Run one command to its end; the JSON it printed, None if nothing. Raises DemoFailed."""
        return self.run_all({arguments[1]: arguments}, tick=tick)[arguments[1]]

    def run_all(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        tick: Tick = lambda: None,
        environment: Mapping[str, str] | None = None,
        code: int = 0,
    ) -> dict[str, Any]:
        """Run commands beside one another, by name; `tick` is called while they run. Raises DemoFailed, also for one
        that ends with another exit code than `code`."""
        running = [self._start(name, arguments, environment or {}) for name, arguments in commands.items()]
        while any(command.process.poll() is None for command in running):
            self.check()
            tick()
            time.sleep(_TICK_S)
        return {command.name: self._finish(command, code) for command in running}

    def check(self) -> None:
        """Raises DemoFailed if something that should serve has died."""
        for supervisor in self._supervisors:
            supervisor.poll()
        if self._dead:
            name = self._dead[0]
            raise DemoFailed(name, got="it ended", expected="a process that serves", tail=tail(self.log(name)))

    def log(self, name: str) -> Path:
        """Where `name` writes what it has to say."""
        return self._logs / f"{name}.log"

    def stop(self) -> None:
        """End everything; safe to call twice. A second Ctrl-C does not cut it short."""
        with _deaf_to_interrupts():
            for command in self._commands:
                _end(command.process)
            with ThreadPoolExecutor() as pool:  # beside one another: each waits for its children in turn
                list(pool.map(Supervisor.stop, self._supervisors))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _hear(self, name: str, event: str) -> None:
        if event == "ended":
            self._dead.append(name)

    def _start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> _Command:
        label = f"{arguments[0]}-{arguments[1]}-{name}"
        output, errors = self._logs / f"{label}.out", self._logs / f"{label}.log"
        parent = os.getpid()
        with output.open("wb") as out, errors.open("wb") as err:
            process = _spawn(
                (*FEDSCORE, *arguments), out, err, {**os.environ, **self._environment, **environment}, parent
            )
        command = _Command(name, process, output, errors)
        self._commands.append(command)
        return command

    def _finish(self, command: _Command, expected: int) -> Any:
        code = command.process.wait()
        if code != expected:
            said = tail(command.errors) or tail(command.output)
            raise DemoFailed(command.errors.stem, got=f"exit code {code}", expected=expected, tail=said)
        text = command.output.read_text()
        return json.loads(text) if text.strip().startswith(("{", "[")) else None


def _spawn(
    command: Sequence[str], out: IO[bytes], err: IO[bytes], environment: Mapping[str, str], parent: int
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches us alone; killed by the kernel should we be killed."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(3.0)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _deaf_to_interrupts:  # noqa: N801 (used as a statement)
    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)


def tail(log: Path, lines: int = _TAIL) -> str:
    """The last lines of a log; empty where there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.is_file() else ""
