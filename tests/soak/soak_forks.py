"""Processes that start at once: forked from a server that has imported everything, so that parties die, not imports.

    with forks() as server:
        number = server.start("spend", home, notebook)      # a function of soak_parties, with texts
        os.kill(number, signal.SIGKILL); server.wait(number)

`python soak_forks.py` is that server: it reads commands from its standard input, and ends with it, its children too.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.runtime.processes import die_with_parent

_IMPORTS = (
    "soak_parties",
    "clients.regulator.watch.watcher",
    "dp_accounting.pld",
    "dp_accounting.rdp",
    "federation.runtime.flower.control",
    "flwr.cli.build",
    "httpcore",
    "opacus.accountants",
)


@dataclass(frozen=True)
class Forks:
    """The server, from outside. One question at a time."""

    server: subprocess.Popen[bytes]

    def start(self, function: str, *arguments: str) -> int:
        """The number of the new process."""
        return int(self._ask("start", function, *arguments))

    def ended(self, number: int) -> int | None:
        """The exit code (a signal's: negative) of a process that was not told ended before; None while it works."""
        code = self._ask("ended", number)
        return None if code is None else int(code)

    def wait(self, number: int) -> int:
        """Its exit code, once it ended."""
        return int(self._ask("wait", number))

    def _ask(self, *command: object) -> Any:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(command).encode() + b"\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())


@contextmanager
def forks() -> Iterator[Forks]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve())]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield Forks(server)
    finally:
        server.communicate(timeout=240)


def _serve() -> None:
    for name in _IMPORTS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collector that looked at all of it in every child would have every page copied
    answers, parent = os.fdopen(os.dup(1), "w"), os.getpid()
    os.dup2(2, 1)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        if command == "start":
            number = os.fork()
            if number == 0:
                die_with_parent(parent)
                _run(*arguments)
            answer: int | None = number
        else:
            found, status = os.waitpid(arguments[0], os.WNOHANG if command == "ended" else 0)
            answer = os.waitstatus_to_exitcode(status) if found else None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _run(function: str, *arguments: str) -> None:
    """In the child; never returns."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the server's commands are not the child's
        getattr(importlib.import_module("soak_parties"), function)(*arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
