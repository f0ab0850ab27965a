"""Hostile connections against a served application: over real sockets, with and without the bounds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from federation.runtime import http, http_connection
from federation.runtime.http_connection import EACH, MAX_HEADER_BYTES, BoundedConnection

CONNECTIONS = 8
SHORT_S = 0.3
PATIENCE_S = 120  # for a server on a machine that has other work
LARGE = 64 * 2**20


async def _hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def _large(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * LARGE)


APPLICATION = Starlette(
    routes=[Route("/", _hello), Route("/echo", _echo, methods=["POST"]), Route("/large", _large)],
)


@contextmanager
def served() -> Iterator[int]:
    with http.serving("test", APPLICATION, "127.0.0.1", 0, connections=CONNECTIONS, tls=None) as port:
        yield port


def dial(port: int, host: str = "127.0.0.1") -> socket.socket:
    """From another loopback address where `host` names one: addresses are counted apart."""
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(host, 0))


def closed_within(connection: socket.socket, seconds: float, drip: bytes = b"") -> bool:
    """Whether the server ends the connection in time, while a byte of `drip` comes now and then."""
    end, left = time.monotonic() + seconds, list(drip)
    connection.settimeout(0.05)
    while time.monotonic() < end:
        try:
            if left:
                connection.send(bytes([left.pop(0)]))
            if connection.recv(4096) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "request_s", SHORT_S)
    monkeypatch.setattr(BoundedConnection, "answer_s", SHORT_S)


SILENT, SLOW_LINE = b"", b"GET / HTTP/1.1\r\nHost: log\r\nX-Slow: " + b"a" * 200
SLOW_BODY = b"POST /echo HTTP/1.1\r\nHost: log\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("drip", [SILENT, SLOW_LINE], ids=["silent", "a byte now and then"])
def test_whoever_never_asks_loses_its_place(short: None, drip: bytes) -> None:
    with served() as port, dial(port) as connection:
        assert closed_within(connection, PATIENCE_S, drip)


@pytest.mark.parametrize("drip", [SILENT, SLOW_LINE], ids=["silent", "a byte now and then"])
def test_without_the_deadline_it_keeps_it(drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "_set_deadline", lambda self: None)
    with served() as port, dial(port) as connection:
        assert not closed_within(connection, 4 * SHORT_S, drip)


def test_a_second_request_has_a_deadline_of_its_own(short: None) -> None:
    """uvicorn's own timer for idle connections ends with the first byte."""
    with served() as port, dial(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: log\r\n\r\n")
        answer = b""
        while not answer.endswith(b"hello"):
            answer += connection.recv(4096)
        assert closed_within(connection, PATIENCE_S, SLOW_LINE)


def test_a_body_that_never_ends_and_an_answer_that_nobody_reads_are_given_up(
    short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up, lost = threading.Event(), BoundedConnection.connection_lost

    def told(self: BoundedConnection, exc: Exception | None) -> None:
        lost(self, exc)
        given_up.set()

    monkeypatch.setattr(BoundedConnection, "connection_lost", told)
    with served() as port:
        with dial(port) as connection:
            connection.sendall(SLOW_BODY)
            assert closed_within(connection, PATIENCE_S, b"b" * 200)
        assert given_up.wait(PATIENCE_S)
        given_up.clear()
        with dial(port) as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: log\r\n\r\n")
            assert given_up.wait(PATIENCE_S)
            connection.settimeout(60)
            received = 0
            try:
                while part := connection.recv(2**20):
                    received += len(part)
            except ConnectionError:
                pass
            assert received < LARGE


def test_headers_without_end_are_refused() -> None:
    with served() as port, dial(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * MAX_HEADER_BYTES))
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_one_address_cannot_take_every_place() -> None:
    with served() as port, ExitStack() as held:
        for _ in range(2 * CONNECTIONS):
            held.enter_context(dial(port, "127.0.0.2"))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as web:
            assert web.get("/").text == "hello"


def test_without_a_share_for_each_address_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "EACH", 1)
    assert EACH > 1
    with served() as port, ExitStack() as held:
        for _ in range(2 * CONNECTIONS):
            held.enter_context(dial(port, "127.0.0.2"))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as web:
            assert web.get("/").status_code == 503


def test_a_tls_handshake_that_never_ends_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The deadline reaches the server's socket; a handshake of ten seconds is not waited for here."""
    from membership_world import make_coordinator

    home = make_coordinator(tmp_path_factory.mktemp("home") / "c", port=20_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_connection, "HANDSHAKE_S", SHORT_S)
        serving = http.serving("test", APPLICATION, "127.0.0.1", 0, connections=8, tls=home.tls_files)
        with serving as port, dial(port) as connection:
            assert closed_within(connection, PATIENCE_S)
