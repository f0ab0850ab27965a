"""Serving the desk on loopback, in whatever process asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.person.admission import redeem
from clients.institution.person.desk import Desk
from clients.institution.person.pages.app import application
from clients.institution.person.pages.gate import PersonGate
from federation.runtime import http

SESSION_S, IDLE_S = 1800.0, 600.0
_CONNECTIONS = 16


@contextmanager
def serving(
    home: InstitutionHome,
    *,
    port: int = 0,
    model: Path | None = None,
    clock: Callable[[], float] = time.time,
    session_s: float = SESSION_S,
) -> Iterator[int]:
    """Serve on 127.0.0.1 until the block ends; yields the port. Raises ConfigurationError for a port that is taken."""
    desk = Desk.open(home)
    gate = PersonGate("", session_s, clock, redeem=lambda code: redeem(home, code, clock()), idle_s=IDLE_S)
    pages = application(desk, gate, clock, model=model)
    with http.serving("desk", pages, "127.0.0.1", port, connections=_CONNECTIONS, tls=None) as bound:
        yield bound
