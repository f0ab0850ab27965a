"""Connections that have not yet shown who they are: few, and not for long.

A stranger can open connections and say nothing, or little and slowly. A limit on all connections would let it keep
the nodes out. So only strangers are counted: when another one comes, the one that has waited longest goes. A node shows
its key in its first request and is no stranger from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class Closing(Protocol):
    """The part of a transport that the lobby needs. `abort` does not wait for the other side."""

    def abort(self) -> None: ...


class Lobby:
    """At most `places` strangers, each for at most `seconds`. `later(seconds, call)` returns what has `cancel()`."""

    def __init__(self, places: int, seconds: float, later: Callable[[float, Callable[[], None]], Any]) -> None:
        self._places = places
        self._seconds = seconds
        self._later = later
        self._waiting: dict[Address, tuple[Closing, Any]] = {}  # in the order of their coming

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, address: Address, connection: Closing) -> None:
        """A connection from `address` is there."""
        while len(self._waiting) >= self._places:
            self._end(next(iter(self._waiting)))
        self._waiting[address] = connection, self._later(self._seconds, lambda: self._end(address))

    def leave(self, address: Address | None) -> None:
        """The caller at `address` has shown who it is, or is gone."""
        if address is not None and (waiting := self._waiting.pop(address, None)) is not None:
            waiting[1].cancel()

    def _end(self, address: Address) -> None:
        connection, timer = self._waiting.pop(address)
        timer.cancel()
        connection.abort()


def doorway(lobby: Lobby, *, public_port: int) -> type[H11Protocol]:
    """uvicorn's own protocol in pure Python, which bounds headers; what comes by `public_port` waits in `lobby`."""

    class Doorway(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None and self.server is not None and self.server[1] == public_port:
                lobby.enter(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lobby.leave(self.client)
            super().connection_lost(exc)

    return Doorway
