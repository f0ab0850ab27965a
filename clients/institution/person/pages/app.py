"""The ASGI application of the desk: the own record by GET, a request by POST, logging in and out by POST; nothing else.

GET  /            record, score, parts, reasons, inquiries, cases
GET  /request     the form; POST opens a case
GET  /mine.json   everything that is held, for machines
POST /login  /logout
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as Asked
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.institution.person.bundle import bundle
from clients.institution.person.desk import MAX_STATEMENT, Desk
from clients.institution.person.inquiries import made_here
from clients.institution.person.own_record import own_record, own_score
from clients.institution.person.pages.gate import PersonGate
from federation.catalogue.categories import Role
from federation.errors import FederationError
from federation.jurisdiction import Request
from federation.runtime.logging import get_logger
from federation.runtime.pages.gate import Answer
from federation.runtime.pages.guard import Guard, caller_of, same_origin

COOKIE = "fedscore_person"
_MAX_FORM_BYTES = 32_768
_LOGIN = "Too many wrong codes. Wait a minute."
_log = get_logger("desk")


def application(desk: Desk, gate: PersonGate, clock: Callable[[], float], *, model: Path | None) -> Guard:
    """Pages about whoever's code opened the session. `clock`: Unix time (s)."""
    site = _Site(desk, gate, clock, model)
    routes = [
        Route("/", site.own),
        Route("/request", site.request, methods=["GET", "POST"]),
        Route("/mine.json", site.mine),
        Route("/static/style.css", _style),
        Route("/login", site.login, methods=["GET", "POST"]),
        Route("/logout", site.logout, methods=["POST"]),
    ]
    handlers: Any = {404: site.missing, 405: site.missing, Exception: site.broken}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), gate, cookie=COOKIE, tokens=False)


class _Site:
    def __init__(self, desk: Desk, gate: PersonGate, clock: Callable[[], float], model: Path | None) -> None:
        self._desk, self._gate, self._clock, self._model = desk, gate, clock, model
        self._templates = Environment(
            loader=PackageLoader("clients.institution.person", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"institution": desk.home.name, "profile": desk.profile}
        self._templates.globals |= {"idle_minutes": round(gate.idle_s / 60)}

    def own(self, asked: Asked) -> Response:
        desk, subject = self._desk, self._subject(asked)
        score = own_score(desk, subject, self._model, None).to_json()
        facts = {
            "record": own_record(desk, subject),
            "score": None if score is None else {"problem": ""} | score,
            "texts": desk.catalogue.reasons,
            "inquiries": made_here(desk.home, subject),
            "cases": [case.to_json(desk.profile, self._today()) for case in desk.cases(subject)],
            "done": asked.query_params.get("done", "") == "yes",
        }
        return self._inside("own.html.j2", 200, **facts)

    async def request(self, asked: Asked) -> Response:
        if asked.method != "POST":
            return await run_in_threadpool(self._form, asked, "", "")
        if not same_origin(asked):
            return self._html("error.html.j2", 403, words="This form came from another place.")
        given = await _fields(asked)
        statement = given.get("statement", [""])[0].strip()
        kind, about = given.get("kind", [""])[0], given.get("about", [])
        if kind not in set(Request) or not statement or len(statement) > MAX_STATEMENT:
            words = f"Please choose what you ask for, and say why in up to {MAX_STATEMENT} characters."
            return await run_in_threadpool(self._form, asked, words, statement[:MAX_STATEMENT])
        try:
            await run_in_threadpool(
                self._desk.open_case, self._subject(asked), Request(kind), about, statement, self._today()
            )
        except FederationError as error:
            _log.warning("a request was not taken", kind=type(error).__name__)
            return await run_in_threadpool(self._form, asked, "This could not be taken as it is.", statement)
        return RedirectResponse("/?done=yes", 303)

    def mine(self, asked: Asked) -> Response:
        told = bundle(self._desk, self._subject(asked), self._now(), model=self._model)
        headers = {"Content-Disposition": 'attachment; filename="mine.json"'}
        text = json.dumps(told, indent=2, ensure_ascii=False)
        return Response(text, media_type="application/json", headers=headers)

    async def login(self, asked: Asked) -> Response:
        if asked.method != "POST":
            return self._html("login.html.j2", 200, words="")
        if not same_origin(asked):
            return self._html("login.html.j2", 403, words="This form came from another place.")
        offered = (await _fields(asked)).get("code", [""])[0].strip()
        answer, cookie = await run_in_threadpool(self._gate.enter, offered, caller_of(asked))
        if answer is Answer.LOCKED:
            return self._html("login.html.j2", 429, words=_LOGIN)
        if answer is Answer.WRONG:
            _log.warning("login refused", code="wrong_code")
            return self._html("login.html.j2", 401, words="That code does not open anything, or was used before.")
        self._gate.end(asked.cookies.get(COOKIE, ""))  # of whoever sat here before, and did not log out
        inside = RedirectResponse("/", 303)
        inside.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", path="/")
        return inside

    async def logout(self, asked: Asked) -> Response:
        if not same_origin(asked):
            return self._html("error.html.j2", 403, words="This form came from another place.")
        self._gate.end(asked.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def missing(self, _asked: Asked, error: Exception) -> Response:
        return self._html("error.html.j2", int(getattr(error, "status_code", 404)), words="There is no such page.")

    async def broken(self, _asked: Asked, error: Exception) -> Response:
        """Nothing of the error is shown: it may quote what it stumbled over."""
        _log.error("a page cannot be shown", error=error)
        return self._html("error.html.j2", 500, words="This page cannot be shown; please ask at the desk.")

    def _form(self, asked: Asked, words: str, statement: str) -> Response:
        record = own_record(self._desk, self._subject(asked))
        items = [item for item in record.items if item.role != str(Role.RECORD) or item.value]
        facts = {"items": items, "kinds": list(Request), "words": words, "statement": statement, "most": MAX_STATEMENT}
        return self._inside("request.html.j2", 400 if words else 200, **facts)

    def _subject(self, asked: Asked) -> str:
        subject = self._gate.subject(asked.cookies.get(COOKIE, ""))
        if subject is None:  # the session ended since the guard looked
            raise PermissionError("no session")
        return subject

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _today(self) -> date:
        return self._desk.day(self._clock())

    def _inside(self, template: str, status: int, **facts: Any) -> HTMLResponse:
        """A page about somebody, which a screen that is left alone does not go on showing."""
        answer = self._html(template, status, **facts)
        answer.headers["Refresh"] = f"{int(self._gate.idle_s) + 5}; url=/login"
        return answer

    def _html(self, template: str, status: int, **facts: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(**facts), status)


async def _fields(asked: Asked) -> dict[str, list[str]]:
    data = bytearray()
    async for chunk in asked.stream():
        data += chunk
        if len(data) > _MAX_FORM_BYTES:
            return {}
    try:
        return parse_qs(data.decode(errors="replace"), max_num_fields=200)
    except ValueError:
        return {}


async def _style(_asked: Asked) -> Response:
    css = files("federation.runtime.pages").joinpath("style.css").read_text(encoding="utf-8")
    return PlainTextResponse(css, media_type="text/css", headers={"Cache-Control": "private, max-age=3600"})
