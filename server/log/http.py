"""The log over HTTP: what C2SP tlog-tiles asks for, and doors for those who are no members.

GET  /checkpoint                        the candidate, with its cosignatures; ?cosigned=newest or first: of a quorum;
                                        ?after=SIZE&wait=SECONDS: once it is of more entries than that, or at once
                                        where too many wait already
GET  /tile/L/N[.p/W], /tile/entries/... hashes and entries, which never change
GET  /entry/INDEX                       one entry as it is
GET  /document/HASH                     what an entry of this log names: a published document or a model card by its
                                        SHA-256, an update that a round averaged by its update_hash
POST /cosignature                       a checkpoint with cosignatures of this log's witnesses
POST /statement                         an entry that the regulator signed; the answer is the log's promise
POST /letters                           an order that the regulator signed; the answer is what members sealed for it

Nothing here is a path in a file system, and nothing is trusted for who sends it: what counts is signed.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from time import monotonic
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from federation.errors import FederationError, LedgerError, Refused
from federation.runtime.network import network_of
from federation.runtime.rate_limit import RateLimit
from federation.runtime.slots import Slots
from protocols.errors import MessageError, ProtocolError
from protocols.notices.order import MAX_BYTES as MAX_ORDER_BYTES
from protocols.transparency import Tile, read_entry, write_bundle
from server.log.admission import MAX_BODY_BYTES
from server.log.documents import Documents, no_documents
from server.log.log_host import LogHost, Which

MAX_WAIT_S = 60.0
MAX_WAITING, MAX_WAITING_EACH = 64, 4  # in all, and from one address (IPv6: /64 network)
BODY_S = 10.0
_MAX_NOTE_BYTES = 2**16
_MAX_ENTRY_BYTES = MAX_BODY_BYTES + 64
_POLL_S = 0.05
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_KEPT = {"Cache-Control": "no-store"}
_OCTETS = "application/octet-stream"
_HASH = re.compile(r"[0-9a-f]{64}")
_COSIGNED = {"": Which.CANDIDATE, "newest": Which.COSIGNED, "first": Which.FIRST_COSIGNED}
Message = MutableMapping[str, Any]
Letters = Callable[[bytes], bytes]


def application(
    host: LogHost,
    limit: RateLimit | None = None,
    documents: Documents = no_documents,
    letters: Letters | None = None,
) -> Callable[..., Awaitable[None]]:
    """The ASGI application. `limit` is on the calls of one address; `letters` answers the regulator's orders."""
    pages = _Pages(host, documents, letters)
    routes = [
        Route("/checkpoint", pages.checkpoint),
        Route("/tile/{rest:path}", pages.tile),
        Route("/entry/{index:int}", pages.entry),
        Route("/document/{named}", pages.document),
        Route("/cosignature", pages.cosignature, methods=["POST"]),
        Route("/statement", pages.statement, methods=["POST"]),
        Route("/letters", pages.letters, methods=["POST"]),
    ]
    handlers: Any = {FederationError: _refuse, ProtocolError: _refuse}
    return _Limited(Starlette(routes=routes, exception_handlers=handlers), limit or RateLimit(400, 200.0))


class _Pages:
    def __init__(self, host: LogHost, documents: Documents, letters: Letters | None) -> None:
        self._host, self._documents, self._letters = host, documents, letters
        self._waiting = Slots(MAX_WAITING, MAX_WAITING_EACH)

    async def checkpoint(self, request: Request) -> Response:
        which = _COSIGNED.get(request.query_params.get("cosigned", ""))
        if which is None:
            raise MessageError("cosigned", got="another word", expected="newest or first")
        after, wait = _number(request, "after"), min(_number(request, "wait"), MAX_WAIT_S)
        if wait:
            await self._wait(request, which, after, wait)
        note = await run_in_threadpool(self._host.note, which, after)
        if note is None:
            return PlainTextResponse("no such checkpoint yet\n", 404, _NOT_KEPT)
        return PlainTextResponse(note, headers=_NOT_KEPT)

    async def _wait(self, request: Request, which: Which, after: int, wait: float) -> None:
        """Until there is news, the time is over, or nobody listens any more. Holds no thread.

        Not at all where there is no place: who waits elsewhere must not keep anybody from the newest checkpoint.
        """
        with suppress(Refused), self._waiting.take(_address(request.scope)):
            end = monotonic() + wait
            while self._host.size_of(which) <= after and monotonic() < end and not await request.is_disconnected():
                await asyncio.sleep(_POLL_S)

    def tile(self, request: Request) -> Response:
        try:
            tile = Tile.parse(request.url.path[1:])
            held = self._host.store.tile(tile)
            if held is None:
                return _missing("no such tile in the newest checkpoint")
            body = write_bundle(held) if tile.level < 0 else b"".join(held)
        except MessageError as error:
            return _missing(str(error))
        if tile.level < 0:
            return _bundle(request, body)
        return Response(body, media_type=_OCTETS, headers=_FOR_EVER)

    def entry(self, request: Request) -> Response:
        index: int = request.path_params["index"]
        page = self._host.store.entries(index, 1) if index < 2**53 else None
        if page is None or not page.entries:
            return _missing("no such entry")
        return Response(page.entries[0][1], media_type=_OCTETS, headers=_FOR_EVER)

    def document(self, request: Request) -> Response:
        named: str = request.path_params["named"]
        data = self._documents(named) if _HASH.fullmatch(named) else None
        if data is None:
            return _missing("no document of this hash is published")
        return Response(data, media_type=_OCTETS, headers=_FOR_EVER)

    async def cosignature(self, request: Request) -> Response:
        note = await _body(request, _MAX_NOTE_BYTES)
        found = await run_in_threadpool(self._host.cosign, note)
        return JSONResponse({"witnesses": found}, headers=_NOT_KEPT)

    async def statement(self, request: Request) -> Response:
        entry = read_entry(await _body(request, _MAX_ENTRY_BYTES))
        promise = await run_in_threadpool(self._host.append_of_regulator, entry)
        return Response(promise.encode(), media_type="application/json", headers=_NOT_KEPT)

    async def letters(self, request: Request) -> Response:
        if self._letters is None:
            return _missing("no mailbox here")
        order = await _body(request, MAX_ORDER_BYTES)
        found = await run_in_threadpool(self._letters, order)
        return Response(found, media_type="application/json", headers=_NOT_KEPT)


class _Limited:
    """Whoever calls too often is told so before anything is read."""

    def __init__(self, app: Starlette, limit: RateLimit) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self._limit.allows(_address(scope), monotonic()):
            await PlainTextResponse("too many calls\n", 429, {**_NOT_KEPT, "Retry-After": "1"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _address(scope: Message) -> str:
    address = str((scope.get("client") or [""])[0])
    return network_of(address) or address


def _bundle(request: Request, body: bytes) -> Response:
    headers = {**_FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(gzip.compress(body, 6, mtime=0), 200, {**headers, "Content-Encoding": "gzip"}, _OCTETS)
    return Response(body, 200, headers, _OCTETS)


def _missing(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 404, _NOT_KEPT)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise MessageError(name, got=text[:64], expected="decimal digits")
    return int(text)


async def _body(request: Request, most: int) -> bytes:
    """Raises Refused for more than `most` bytes, or where they take longer than BODY_S to come."""
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise Refused("too_large", "body", got=f"more than {most} bytes", expected=f"at most {most}")
    except TimeoutError as error:
        raise Refused("too_slow", "body", got="no end", expected=f"all of it within {BODY_S:g} s") from error
    return bytes(data)


_STATUS = {"too_large": 413, "too_slow": 408, "too_many": 429, "busy": 503, "unknown": 404}


async def _refuse(_request: Request, error: Exception) -> Response:
    """What is wrong, as members are told over gRPC."""
    if isinstance(error, ProtocolError):
        where, got, expected, code, status = error.field, error.got, error.expected, "invalid", 400
    elif isinstance(error, FederationError):
        where, got, expected = error.where, error.got, error.expected
        code = error.code if isinstance(error, Refused) else "invalid"
        status = 409 if isinstance(error, LedgerError) else _STATUS.get(code, 400)
    else:
        raise error
    told = {"code": code, "where": where[:200], "got": got[:200], "expected": expected[:200]}
    return JSONResponse(told, status, _NOT_KEPT)
