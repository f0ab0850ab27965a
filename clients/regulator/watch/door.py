"""The log as the watch speaks to it: what it refuses by name is told from a log that is away."""

from __future__ import annotations

import httpx

from federation.runtime.log_reader import LogReader, LogUnreachable

_REFUSALS = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE})


class LogRefused(LogUnreachable):
    """The log does not take this, and says why; others it may take."""


class Door(LogReader):
    """A LogReader whose `cosign` and `say` also raise LogRefused."""

    def _taken(self, path: str, status: int, data: bytes) -> bytes:
        if status in _REFUSALS:
            raise LogRefused(path, got=data[:300].decode(errors="replace"), expected="that it is taken")
        return super()._taken(path, status, data)
