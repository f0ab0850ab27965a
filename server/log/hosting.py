"""The log of a coordinator's home at work: HTTP on its own port, a service for members, a thread for both.

with hosted_log(home, members) as log:
    ...serve log.handlers beside the membership...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from federation.errors import FederationError
from federation.observability import metrics
from federation.observability.health import beat
from federation.runtime import http, rpc
from federation.runtime.logging import get_logger
from federation.runtime.rate_limit import RateLimit
from protocols.errors import ProtocolError
from protocols.wire import log_pb2 as wire
from server.callers import Callers
from server.home import CoordinatorHome
from server.log.documents import Documents, PublishedDocuments, no_documents
from server.log.http import Letters, application
from server.log.log_host import TICK_S, LogHost
from server.log.log_service import WORKERS, LogService
from server.log.log_store import LogStore
from server.membership_store import MembershipStore

FRESH_S = 1.0  # a revoked member's calls end within a second
_LIMIT = {"burst": 2000, "per_second": 500.0}  # a proof for each leaf of an epoch, when it closes
_CONNECTIONS = 256
_log = get_logger("log")


@dataclass(frozen=True)
class HostedLog:
    """The services to serve, how many workers they need, the log, and the port where HTTP is served."""

    handlers: tuple[grpc.GenericRpcHandler, ...]
    workers: int
    host: LogHost
    store: LogStore
    port: int


@contextmanager
def hosted_log(
    home: CoordinatorHome,
    members: MembershipStore,
    letters: Letters | None = None,
    *,
    first: Callable[[LogHost], object] = lambda _: None,
) -> Iterator[HostedLog]:
    """A log that works until the block ends; `letters` is the regulator's door to the mailbox, and `first` what is
    done before anybody can say anything.

    Raises ConfigurationError for a port that is taken, LedgerError for a database that is older than what the log has
    signed.
    """
    key = home.log_key
    store = LogStore.open(home.database_url, key, time.time, anchor=home.log_anchor)
    try:
        host = LogHost(store, key.public, home.signing_key.public)
        first(host)
        callers = Callers(members, limit=RateLimit(**_LIMIT), fresh=FRESH_S)  # type: ignore[arg-type]
        published = PublishedDocuments(store, home.signing_key.public, home.runs)
        served = LogService(host, callers, published.read)
        service = rpc.handlers(wire.DESCRIPTOR.services_by_name["Log"], served)
        bind, port = home.log_bind, home.settings.log
        web = serve_http(host, bind, port, tls=home.tls_files, documents=published.read, letters=letters)
        with _ticking(host), web as served_at:
            yield HostedLog((service,), WORKERS, host, store, served_at)
    finally:
        store.close()


@contextmanager
def serve_http(
    host: LogHost,
    bind: str,
    port: int,
    *,
    tls: tuple[str, str] | None,
    documents: Documents = no_documents,
    letters: Letters | None = None,
) -> Iterator[int]:
    """Serve the log over HTTP until the block ends; yields the port. `tls`: the files of key and certificate chain;
    `documents` gives what is published, by hash.

    Raises ConfigurationError for an address that cannot be bound.
    """
    pages = application(host, documents=documents, letters=letters)
    with http.serving("log-http", pages, bind, port, connections=_CONNECTIONS, tls=tls) as at:
        yield at


@contextmanager
def _ticking(host: LogHost) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_tick, args=(host, stop), name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5.0)


def _tick(host: LogHost, stop: threading.Event) -> None:
    """Until `stop`; after an error a little slower."""
    pause = 0.0
    while not stop.wait(pause):
        try:
            host.tick()
            beat("log")
            pause = TICK_S
        except (FederationError, ProtocolError) as error:
            _log.error("no checkpoint is published", code=type(error).__name__)
            metrics.count("fedscore_checkpoints_failed_total")
            pause = 5.0
        except Exception as error:
            _log.error("no checkpoint is published", error=error)
            metrics.count("fedscore_checkpoints_failed_total")
            pause = 5.0
