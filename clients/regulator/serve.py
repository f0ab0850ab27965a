"""`fedscore regulator serve`: the pages, in a process of their own, over the copy that `watch` keeps.

with serving(home) as port: ...          # until the block ends
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.pages.app import application
from clients.regulator.pages.reading import FRESH_S, Copy
from federation.runtime import http
from federation.runtime.pages.gate import Gate

_CONNECTIONS = 64


@contextmanager
def serving(home: RegulatorHome, *, clock: Callable[[], float] = time.time, fresh: float = FRESH_S) -> Iterator[int]:
    """Serve until the block ends; yields the port. Raises ConfigurationError for an address that cannot be bound."""
    settings = home.settings.pages
    tls = (str(home.path / settings.tls_key), str(home.path / settings.tls_certificate)) if settings.tls_key else None
    with closing(MirrorStore.open(home.database_url)) as store:
        gate = Gate(home.access_token, settings.session_hours * 3600, clock)
        copy = Copy(home, store, fresh)
        pages = application(copy, gate, clock, secure=tls is not None, hosts=settings.hosts)
        with http.serving("pages", pages, settings.bind, settings.port, connections=_CONNECTIONS, tls=tls) as port:
            yield port
