"""`fedscore regulator serve`: the pages, in a process of their own, over the copy that `watch` keeps.

with serving(home) as port: ...          # until the block ends
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.pages.app import application
from clients.regulator.pages.reading import FRESH_S, Copy
from clients.regulator.pages.session import Gate
from federation.errors import ConfigurationError

_START_S = 10.0
_CONNECTIONS = 64


@contextmanager
def serving(home: RegulatorHome, *, clock: Callable[[], float] = time.time, fresh: float = FRESH_S) -> Iterator[int]:
    """Serve until the block ends; yields the port. Raises ConfigurationError for an address that cannot be bound."""
    settings = home.settings.pages
    try:
        family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
        listening = socket.create_server((settings.bind, settings.port), family=family, backlog=64)
    except OSError as error:
        where = f"{settings.bind}:{settings.port}"
        raise ConfigurationError(where, got="an address that cannot be bound", expected="a free one") from error
    store = MirrorStore.open(home.database_url)
    gate = Gate(home.access_token, settings.session_hours * 3600, clock)
    secure = bool(settings.tls_key)
    config = uvicorn.Config(
        application(Copy(home, store, fresh), gate, clock, secure=secure),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=1,
        ssl_keyfile=str(home.path / settings.tls_key) if secure else None,
        ssl_certfile=str(home.path / settings.tls_certificate) if secure else None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="pages", daemon=True)
    thread.start()
    try:
        end = time.monotonic() + _START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise ConfigurationError("pages", got="a server that does not start", expected="one that serves")
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(5.0)
        listening.close()
        store.close()
