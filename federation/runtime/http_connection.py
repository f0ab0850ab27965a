"""One connection of an HTTP server, which gives nobody more time or room than an honest caller needs.

uvicorn bounds how many connections there are, and how long one may rest between two requests; a caller that sends a
byte now and then, or reads its answer so, would keep its place for ever (slowloris). Here every stage has an end:

HANDSHAKE_S   until TLS is agreed upon
REQUEST_S     until a request's line and headers are whole, from the connection's beginning or the last answer
ANSWER_S      until its answer has left, its body, its waiting and its sending included
EACH          the share of all connections that one address (IPv6: /64 network) may hold: 1 / EACH
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from federation.runtime.network import network_of

HANDSHAKE_S = 10.0
REQUEST_S = 10.0
ANSWER_S = 180.0
EACH = 4
MAX_HEADER_BYTES = 16 * 2**10


class BoundedConnection(H11Protocol):
    """As uvicorn makes one for each connection; `limit_concurrency` must be set."""

    request_s, answer_s = REQUEST_S, ANSWER_S
    _deadline: asyncio.TimerHandle | None = None
    _answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._neighbours() > max(1, (self.limit_concurrency or 0) // EACH):
            transport.abort()
            return
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering() and not self._answering:
            self._set_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._set_deadline()

    def _neighbours(self) -> int:
        """Connections of this address, or network of IPv6 addresses, with this one."""
        mine = _network(self)
        return sum(_network(each) == mine for each in self.connections)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _set_deadline(self) -> None:
        """Of the stage that begins now. What trickles in moves none."""
        self._cancel()
        self._answering = self._is_answering()
        if not self.transport.is_closing():
            seconds = self.answer_s if self._answering else self.request_s
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _network(connection: Any) -> str:
    client = getattr(connection, "client", None)
    return "" if client is None else network_of(client[0]) or client[0]


class BoundedLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers do not wait for a TLS handshake for a minute."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.base_events.Server:
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_S)
        return await super().create_server(*args, **options)
