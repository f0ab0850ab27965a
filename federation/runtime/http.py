"""An ASGI application over HTTP, until a block ends: one way to serve, with the same bounds, for whoever has pages.

with serving("log", application(host), "127.0.0.1", 8443, connections=256, tls=None) as port: ...
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from federation.errors import ConfigurationError
from federation.runtime.http_connection import MAX_HEADER_BYTES, BoundedConnection, BoundedLoop

_START_S = 10.0
_STOP_S = 5.0


@contextmanager
def serving(
    name: str, application: ASGIApp, bind: str, port: int, *, connections: int, tls: tuple[str, str] | None
) -> Iterator[int]:
    """Serve in a thread until the block ends; yields the port (`port` 0: a free one). Writes no access log.

    `connections`: at most so many at a time, a quarter of them from one address; what each may take of time is in
    `http_connection`. `tls`: the files of key and certificate chain. Raises ConfigurationError for an address that
    cannot be bound, and for a server that does not start within 10 s.
    """
    listening = _bound(bind, port)
    key, chain = tls or (None, None)
    config = uvicorn.Config(
        application,
        http=BoundedConnection,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=1,
        ssl_keyfile=key,
        ssl_certfile=chain,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_run, args=(server, listening), name=name, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + _START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise ConfigurationError(name, got="an HTTP server that does not start", expected="one that serves")
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
        listening.close()


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    with asyncio.Runner(loop_factory=BoundedLoop) as runner:
        runner.run(server.serve(sockets=[listening]))


def _bound(bind: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        return socket.create_server((bind, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(
            f"{bind}:{port}", got="an address that cannot be bound", expected="a free one"
        ) from error
