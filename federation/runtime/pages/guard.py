"""What stands in front of every answer: safe headers, no unknown host names, and nothing without a session.

A page of another site whose name was pointed here (DNS rebinding) sends its own name as Host. Known are addresses, to
which no name can be pointed, localhost, and the names in the settings (`pages.hosts`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from federation.runtime.network import network_of
from federation.runtime.pages.gate import Answer, Gate

OPEN = frozenset({"/login", "/static/style.css"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # under "no-referrer" a browser hides the origin of its own forms
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # matplotlib styles its elements in place
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
Message = MutableMapping[str, Any]


class Guard:
    """Wraps the application. A browser without a session is led to /login; a program without a token gets 401.

    `cookie`: the session's name; `tokens`: whether a program may send the token with each request.
    """

    def __init__(
        self, app: Starlette, gate: Gate, hosts: Collection[str] = (), *, cookie: str, tokens: bool = True
    ) -> None:
        self._app, self._gate, self._hosts = app, gate, frozenset(hosts)
        self._cookie, self._tokens = cookie, tokens

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(message["headers"], scope["path"])
            await send(message)

        request = Request(scope)
        if not _is_known(request.headers.get("host", ""), self._hosts):
            await PlainTextResponse("these pages have another name\n", 421)(scope, receive, send_safely)
            return
        if scope["path"] in OPEN or is_authenticated(request, self._gate, self._cookie, tokens=self._tokens):
            await self._app(scope, receive, send_safely)
            return
        await _refusal(request)(scope, receive, send_safely)


def is_authenticated(request: Request, gate: Gate, cookie: str, *, tokens: bool = True) -> bool:
    """By the session's cookie or, for programs where `tokens` are taken, `Authorization: Bearer TOKEN`."""
    if gate.holds(request.cookies.get(cookie, "")):
        return True
    if not tokens:
        return False
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and gate.opens(offered.strip(), caller_of(request)) is Answer.OPEN


def caller_of(request: Request) -> str:
    """The network address that failures are counted for."""
    address = "" if request.client is None else request.client.host
    return network_of(address) or address


def same_origin(request: Request) -> bool:
    """Whether a form was sent from a page of this site, as far as the browser says."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    mine = request.headers.get("host", "")
    return site in ("same-origin", "none") and (origin is None or urlsplit(origin).netloc == mine)


def _is_known(host: str, names: Collection[str]) -> bool:
    """Whether `host`, with or without a port, is an address, localhost or one of `names`."""
    name = urlsplit(f"//{host}").hostname or "" if _HOST.fullmatch(host) else ""
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return name == "localhost" or name in names


def _refusal(request: Request) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "") and request.method == "GET"
    if wants_page:
        return RedirectResponse("/login", 303)
    return PlainTextResponse("log in, or send the token\n", 401, {"WWW-Authenticate": "Bearer"})


def _with_headers(headers: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    """The answer's own Cache-Control stays."""
    safe = dict(HEADERS)
    if path.startswith("/plots/"):
        safe["Content-Security-Policy"] = _PLOT_POLICY
    given = {name.lower() for name, _ in headers}
    return [*headers, *((n.encode(), v.encode()) for n, v in safe.items() if n.lower().encode() not in given)]
