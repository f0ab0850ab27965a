"""The same pages for a process that serves HTTP already: routes for its Starlette application.

Starlette(routes=[*pages.routes(monitor), ...])
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from federation.observability.endpoint import Shown, page

PATHS = ("/metrics", "/health/live", "/health/ready")


def routes(shown: Shown) -> list[Route]:
    """/metrics, /health/live, /health/ready; without authentication, so mount them where only this machine calls."""

    def answer(request: Request) -> Response:  # not async: figures are read from databases
        status, kind, body = page(shown, request.url.path) or (404, "text/plain", b"no such page\n")
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(body, status, headers, media_type=kind)

    return [Route(path, answer) for path in PATHS]
