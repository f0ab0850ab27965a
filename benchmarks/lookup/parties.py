"""Processes of the harness: a function at the other end of a pipe, ended with the block that started it.

with Party("querier", querier.run, home) as party:
    party.send(("ask", [1, 2]))
    answer = party.receive()
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

_SPAWN = multiprocessing.get_context("spawn")
_GRACE_S = 5.0


class PartyError(RuntimeError):
    """What went wrong in a party's process, in its own words."""


class Party:
    """`run(channel, given)` in a process of its own. What it sends as text is an error."""

    def __init__(self, name: str, run: Callable[[Connection, Any], None], given: Any) -> None:
        self.name = name
        self.channel, theirs = _SPAWN.Pipe()
        # Not daemonic, so that it may have processes of its own; the kernel ends it should this one be killed.
        self._process = _SPAWN.Process(target=_run, args=(os.getpid(), run, theirs, given), name=name)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def send(self, request: object) -> None:
        self.channel.send(request)

    def receive(self) -> Any:
        """What it says next. Raises PartyError if that is an error, or it ended."""
        try:
            said = self.channel.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(_GRACE_S)
            raise PartyError(f"{self.name} ended with exit code {self._process.exitcode}") from error
        if isinstance(said, str):
            raise PartyError(f"{self.name}: {said}")
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        self._process.join(0.0 if kind else _GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _run(parent: int, run: Callable[[Connection, Any], None], channel: Connection, given: Any) -> None:
    from federation.runtime.processes import die_with_parent

    die_with_parent(parent)
    try:
        run(channel, given)
    except EOFError:
        return
    except Exception as error:  # whatever it is, the harness must not wait for ever
        channel.send(f"{type(error).__name__}: {error}")
        raise
