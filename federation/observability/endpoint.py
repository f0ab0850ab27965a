"""HTTP on loopback: /metrics, /health/live, /health/ready. Reads only, answers this machine only, asks for nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from federation.observability.health import Health
from federation.runtime.logging import get_logger

LOOPBACK = "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TIMEOUT_S = 5.0
_HOSTS = (LOOPBACK, "localhost")
_MOST = 8  # connections at once
_log = get_logger("monitor")


class Shown(Protocol):
    """What is served."""

    def exposition(self) -> bytes: ...
    def health(self) -> Health: ...


def page(shown: Shown, path: str) -> tuple[int, str, bytes] | None:
    """(status, content type, body) of `path`; None where there is no such page. 503 for what is not well."""
    if path == "/metrics":
        return 200, CONTENT_TYPE, shown.exposition()
    if path not in ("/health/live", "/health/ready"):
        return None
    health = shown.health()
    well = health.alive if path.endswith("live") else health.ready
    return 200 if well else 503, "application/json", json.dumps(health.to_json()).encode() + b"\n"


@contextmanager
def serve(shown: Shown, port: int = 0) -> Iterator[int]:
    """Serve until the block ends; yields the port. One that is taken is exchanged for any that is free."""
    try:
        server = _Server((LOOPBACK, port), _handler(shown))
    except OSError:
        _log.warning("the port for metrics is taken, another one is used", port=port)
        server = _Server((LOOPBACK, 0), _handler(shown))
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="monitor", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._slots = threading.BoundedSemaphore(_MOST)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        _log.warning("a call for metrics failed")


def _handler(shown: Shown) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        server_version, sys_version = "fedscore", ""

        def do_GET(self) -> None:
            # A page in this machine's browser may reach loopback, under a name of its own.
            known = self.headers.get("Host", LOOPBACK).partition(":")[0] in _HOSTS
            found = page(shown, self.path.partition("?")[0]) if known else None
            status, kind, body = found or (404, "text/plain", b"no such page\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """What was asked for is whoever asked's own text."""

    return Handler
