"""The ASGI application: pages, downloads and plots by GET; logging in and out by POST; nothing else.

GET  /  /budgets  /rounds ...     pages, filtered by ?institution=...&run_id=...
GET  /tables/NAME.csv|.json       the same tables, filtered the same way, with all rows
GET  /plots/KIND/NAME.svg
POST /login  /logout
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.regulator.pages import plots
from clients.regulator.pages.budgets import burn_downs, current
from clients.regulator.pages.reading import Copy, View
from clients.regulator.pages.site import PAGES, TABLES, Page
from clients.regulator.pages.table import Table, Value
from federation.runtime.logging import get_logger
from federation.runtime.pages.gate import Answer, Gate
from federation.runtime.pages.guard import Guard, caller_of, is_authenticated, same_origin

COOKIE = "fedscore_regulator"
_MAX_FORM_BYTES = 4096
_MAX_PLOTS = 12
_log = get_logger("pages")
Ask = Callable[[], Awaitable[Response]]


def application(
    copy: Copy, gate: Gate, clock: Callable[[], float], *, secure: bool, hosts: Collection[str] = ()
) -> Guard:
    """`secure`: over TLS, so that the cookie is sent over nothing else; `hosts`: names that pages are opened by."""
    site = _Site(copy, gate, clock, secure)
    routes = [
        *(Route(page.path, site.page(page), name=page.title) for page in PAGES),
        Route("/tables/{name}.{form}", site.table),
        Route("/plots/{kind}/{name}.svg", site.plot),
        Route("/static/style.css", _style),
        Route("/login", site.login, methods=["GET", "POST"]),
        Route("/logout", site.logout, methods=["POST"]),
    ]
    handlers: Any = {404: site.missing, 405: site.missing, Exception: site.broken}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), gate, hosts, cookie=COOKIE)


class _Site:
    def __init__(self, copy: Copy, gate: Gate, clock: Callable[[], float], secure: bool) -> None:
        self._copy, self._gate, self._clock, self._secure = copy, gate, clock, secure
        self._templates = Environment(
            loader=PackageLoader("clients.regulator", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["value"] = value_text
        self._templates.globals["pages"] = PAGES

    def page(self, page: Page) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            asked = {key: value for key, value in request.query_params.items() if value}
            with self._copy.reading() as view:
                whole = [TABLES[name](view, self._clock()) for name in page.tables]
                choices = {
                    key: choice for table in whole for key, choice in table.choices.items() if len(choice[1]) > 1
                }
                chosen = {key: value for key, value in asked.items() if key in choices}
                tables = [table.filtered(asked) for table in whole]
                facts = {
                    "page": page,
                    "problems": view.problems_of(page.kinds),
                    "others": len(view.problems) - len(view.problems_of(page.kinds)),
                    "size": view.size,
                    "tables": tables,
                    "choices": choices,
                    "chosen": chosen,
                    "query": f"?{urlencode(chosen)}" if chosen else "",
                    "plots": _plots_of(page, view, tables, self._clock()),
                }
                return self._html("page.html.j2", 200, **facts)

        return show

    def table(self, request: Request) -> Response:
        name, form = request.path_params["name"], request.path_params["form"]
        if name not in TABLES or form not in ("csv", "json"):
            return self._html("error.html.j2", 404, words="There is no such table.")
        with self._copy.reading() as view:
            table = TABLES[name](view, self._clock()).filtered(dict(request.query_params))
        headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
        if form == "csv":
            return Response(table.to_csv(), media_type="text/csv", headers=headers)
        return Response(table.to_json(), media_type="application/json", headers=headers)

    def plot(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["name"]
        with self._copy.reading() as view:
            svg = _draw(kind, name, view, self._clock())
        if svg is None:
            return self._html("error.html.j2", 404, words="There is no such plot.")
        return Response(svg, media_type="image/svg+xml")

    async def login(self, request: Request) -> Response:
        if request.method != "POST":
            if is_authenticated(request, self._gate, COOKIE):
                return RedirectResponse("/", 303)
            return self._html("login.html.j2", 200, words="")
        if not same_origin(request):
            return self._html("login.html.j2", 403, words="This form came from another place.")
        offered = (await _form(request)).get("token", "")
        answer = await run_in_threadpool(self._gate.opens, offered.strip(), caller_of(request))
        if answer is Answer.LOCKED:
            return self._html("login.html.j2", 429, words="Too many wrong tokens. Wait a minute.")
        if answer is Answer.WRONG:
            _log.warning("login refused", code="wrong_token")
            return self._html("login.html.j2", 401, words="That is not the token.")
        inside = RedirectResponse("/", 303)
        inside.set_cookie(COOKIE, self._gate.begin(), httponly=True, samesite="strict", secure=self._secure, path="/")
        return inside

    async def logout(self, request: Request) -> Response:
        if not same_origin(request):
            return self._html("error.html.j2", 403, words="This form came from another place.")
        self._gate.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=self._secure)
        return answer

    async def missing(self, _request: Request, error: Exception) -> Response:
        status = int(getattr(error, "status_code", 404))
        words = "Pages are read-only: this is not possible here." if status == 405 else "There is no such page."
        return self._html("error.html.j2", status, words=words)

    async def broken(self, _request: Request, error: Exception) -> Response:
        """Nothing of the error is shown: it may quote what it stumbled over."""
        _log.error("a page cannot be shown", error=error)
        return self._html("error.html.j2", 500, words="This page cannot be shown; the log of this process says why.")

    def _html(self, template: str, status: int, **facts: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(**facts), status)


def _plots_of(page: Page, view: View, tables: list[Table], now: float) -> list[dict[str, str]]:
    """Address and text alternative of a page's plots, for the rows that are shown."""
    if page.plots == "burn-down":
        shown = {str(row.values["institution"]) for row in tables[0].rows}
        return [
            {
                "src": f"/plots/burn-down/{ledger.institution}.svg",
                "alt": f"Epsilon spent by {ledger.institution} over time, under its caps; figures are in the table.",
                "caption": f"Burn-down of {ledger.institution}",
            }
            for ledger in current(view)
            if ledger.institution in shown and burn_downs(ledger, now)
        ][:_MAX_PLOTS]
    if page.plots == "calibration":
        runs = sorted(
            {str(row.values["run_id"]) for table in tables if table.name == "calibration" for row in table.rows}
        )
        return [
            {
                "src": f"/plots/calibration/{run}.svg",
                "alt": f"Predicted against observed rate of bad in {run}; the figures are in the table.",
                "caption": f"Calibration of {run}",
            }
            for run in runs
        ][:_MAX_PLOTS]
    if page.plots == "audits" and any(row.values.get("measured") is not None for row in tables[0].rows):
        alt = "Claimed beside measured epsilon of each audit; the figures are in the table."
        return [{"src": "/plots/audits/all.svg", "alt": alt, "caption": "Claimed and measured"}]
    return []


def _draw(kind: str, name: str, view: View, now: float) -> str | None:
    if kind == "burn-down":
        ledger = next((each for each in current(view) if each.institution == name), None)
        scopes = () if ledger is None else burn_downs(ledger, now)
        return plots.burn_down_plot(name, scopes) if scopes else None
    if kind == "calibration":
        rows = TABLES["calibration"](view, now).filtered({"run_id": name}).rows
        return plots.calibration_plot(name, rows) if rows else None
    if kind == "audits" and name == "all":
        rows = TABLES["audits"](view, now).rows
        return plots.audit_plot(rows) if any(row.values.get("measured") is not None for row in rows) else None
    return None


async def _form(request: Request) -> dict[str, str]:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_FORM_BYTES:
            return {}
    fields = parse_qs(data.decode(errors="replace"), max_num_fields=4)
    return {name: values[0] for name, values in fields.items()}


async def _style(_request: Request) -> Response:
    css = files("federation.runtime.pages").joinpath("style.css").read_text(encoding="utf-8")
    return PlainTextResponse(css, media_type="text/css", headers={"Cache-Control": "private, max-age=3600"})


def value_text(value: Value) -> str:
    """For people: a dash for nothing, four significant figures."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e-3 else f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)
