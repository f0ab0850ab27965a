"""The person's pages in a real, headless Chromium, by keyboard alone; and their doors, from outside."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, browser
from person_world import new_home, people
from playwright.sync_api import Browser, Page

from clients.institution.home import InstitutionHome
from clients.institution.person.admission import HOURS, admit, redeem
from clients.institution.person.desk import Desk
from clients.institution.person.pages.serve import SESSION_S, serving
from federation.runtime.logging import configure
from federation.runtime.ports import free_ports

__all__ = ["browser"]
NOW = 1_900_000_000.0
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: deploy/debian-packages installs it")


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


class Pages:
    """The desk of one institution, served; and what went over the wire of a browser."""

    def __init__(self, home: InstitutionHome, port: int, clock: Clock) -> None:
        self.home, self.port, self.clock = home, port, clock
        self.url = f"http://127.0.0.1:{port}"
        self.said: list[str] = []

    def code(self, subject: str) -> str:
        return admit(self.home, subject, self.clock.now)

    def enter(self, browser: Browser, subject: str) -> Page:
        page = browser.new_context(viewport={"width": 1180, "height": 760}).new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: request.url.startswith((self.url, "data:")) or self.said.append(request.url))
        page.goto(f"{self.url}/")
        assert page.url == f"{self.url}/login"
        page.get_by_label("The code").fill(self.code(subject))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.url}/")
        return page

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body, sent | {name.replace("_", "-"): text for name, text in headers.items()})
        return connection.getresponse()

    def cookie(self, subject: str) -> str:
        answer = self.ask("POST", "/login", f"code={self.code(subject)}")
        assert answer.status == 303
        return str(answer.getheader("set-cookie")).partition(";")[0]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    home, clock = new_home(tmp_path), Clock()
    configure(path=home.logs / "desk.jsonl")
    with serving(home, model=tmp_path / "model.json", clock=clock) as port:
        yield Pages(home, port, clock)


@needs_chromium
def test_a_person_reads_the_own_record_and_disputes_it_by_keyboard_alone(pages: Pages, browser: Browser) -> None:
    subject = people(pages.home)[4]
    page = pages.enter(browser, subject)
    assert page.get_by_role("heading", level=1).inner_text() == "My record"
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1, landmark  # type: ignore[arg-type]
    for caption in ("five parts", "as it counts"):
        assert page.locator("caption", has_text=caption).count() == 1
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table").count() == page.locator("table caption").count()
    assert "not legal advice" in page.get_by_role("contentinfo").inner_text()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"

    page.get_by_role("link", name="Dispute or ask").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/request")
    page.get_by_role("checkbox", name="Age").focus()
    page.keyboard.press("Space")
    page.get_by_label("In your words").focus()
    page.keyboard.type("I am <b>forty</b>")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?done=yes")
    assert "taken" in page.get_by_role("status").inner_text()
    assert "I am <b>forty</b>" in page.locator("main").inner_text()  # shown as it was typed, and not as markup
    (case,) = Desk.open(pages.home).cases(subject)
    assert (case.said["about"], case.said["statement"]) == (["age"], "I am <b>forty</b>")
    page.get_by_role("button", name="Log out").press("Enter")
    page.wait_for_url("**/login")
    assert pages.said == []
    logs = b"".join(file.read_bytes() for file in pages.home.logs.iterdir())
    assert subject.encode() not in logs


@needs_chromium
def test_every_control_is_reached_by_keyboard_in_the_order_of_reading(pages: Pages, browser: Browser) -> None:
    page = pages.enter(browser, people(pages.home)[4])
    wanted = "document.querySelectorAll('a[href], button, input:not([type=radio]), textarea, [tabindex=\"0\"]').length"
    for path in ("/", "/request"):
        page.goto(f"{pages.url}{path}")
        count, reached = page.evaluate(wanted) + (path == "/request"), []  # a group of radios is one stop
        for _ in range(count):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert len(set(reached)) == count, path
        assert reached == sorted(reached), path
        unnamed = "[...document.querySelectorAll('input, textarea')].filter(e => !e.labels.length).length"
        assert page.evaluate(unnamed) == 0
    assert pages.said == []


@needs_chromium
def test_one_persons_session_shows_nobody_else(pages: Pages, browser: Browser) -> None:
    one, other = people(pages.home)[4:6]
    text = pages.enter(browser, one).locator("main").inner_text()
    assert one in text
    assert other not in text


def test_a_code_opens_once_and_not_for_ever(pages: Pages) -> None:
    subject = people(pages.home)[4]
    code = pages.code(subject)
    assert pages.ask("POST", "/login", f"code={code}").status == 303
    assert pages.ask("POST", "/login", f"code={code}").status == 401
    late = pages.code(subject)
    pages.clock.now += HOURS * 3600 + 1
    assert pages.ask("POST", "/login", f"code={late}").status == 401
    assert redeem(pages.home, "", NOW) is None


def test_the_codes_that_wait_name_nobody(pages: Pages) -> None:
    subject = people(pages.home)[4]
    code = pages.code(subject)
    files = b"".join(file.read_bytes() for file in (pages.home.path / "desk").iterdir())
    assert files
    assert subject.encode() not in files
    assert subject.encode().hex().encode() not in files
    assert code.replace("-", "").encode() not in files
    assert redeem(pages.home, code.lower(), NOW) == subject


def test_without_a_session_there_is_nothing_and_a_session_ends(pages: Pages) -> None:
    for path in ("/", "/request", "/mine.json"):
        assert pages.ask("GET", path).status == 401
    assert pages.ask("GET", "/", Authorization="Bearer ").status == 401
    subject = people(pages.home)[4]
    assert pages.ask("GET", "/", Authorization=f"Bearer {pages.code(subject)}").status == 401  # for people alone
    cookie = pages.cookie(subject)
    told = pages.ask("GET", "/mine.json", Cookie=cookie)
    assert json.loads(told.read())["subject"] == subject
    pages.clock.now += SESSION_S + 1
    assert pages.ask("GET", "/", Cookie=cookie).status == 401


def test_after_logging_out_a_copied_cookie_opens_nothing(pages: Pages) -> None:
    cookie = pages.cookie(people(pages.home)[4])
    assert pages.ask("GET", "/", Cookie=cookie).status == 200
    assert pages.ask("POST", "/logout", Cookie=cookie).status == 303
    assert pages.ask("GET", "/", Cookie=cookie).status == 401


def test_headers_are_safe_and_forms_of_other_places_are_refused(pages: Pages) -> None:
    subject = people(pages.home)[4]
    cookie = pages.cookie(subject)
    answer = pages.ask("GET", "/", Cookie=cookie)
    assert "default-src 'none'" in str(answer.getheader("Content-Security-Policy"))
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Frame-Options") == "DENY"
    assert pages.ask("GET", "/", Host="evil.example").status == 421
    body = "kind=erasure&statement=please"
    assert pages.ask("POST", "/request", body, Cookie=cookie, Origin="http://evil.example").status == 403
    assert pages.ask("POST", "/request", body, Cookie=cookie, Sec_Fetch_Site="cross-site").status == 403
    assert Desk.open(pages.home).cases(subject) == ()
    assert pages.ask("POST", "/request", body, Cookie=cookie).status == 303
    assert len(Desk.open(pages.home).cases(subject)) == 1


@pytest.mark.parametrize(
    "body", ["kind=dispute", "kind=x&statement=y", "kind=dispute&statement=y&about=shoe_size", "a" * 40_000]
)
def test_a_form_that_is_wrong_opens_no_case(pages: Pages, body: str) -> None:
    subject = people(pages.home)[4]
    answer = pages.ask("POST", "/request", body, Cookie=pages.cookie(subject))
    assert answer.status == 400
    assert "alert" in answer.read().decode()
    assert Desk.open(pages.home).cases(subject) == ()


def test_guessing_codes_is_slowed_down(pages: Pages) -> None:
    statuses = [pages.ask("POST", "/login", f"code=AAAAA-{n}").status for n in range(7)]
    assert statuses == [401] * 5 + [429] * 2


def test_the_command_admits_serves_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    subject, port = people(home)[4], free_ports(1)
    command = [sys.executable, "-m", "federation.cli", "institution", "desk"]
    words = ["--home", str(home.path)]
    admitted = subprocess.run(
        [*command, "admit", "-", *words], input=subject, capture_output=True, text=True, check=True
    )
    served = subprocess.Popen([*command, "serve", *words, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        assert f"http://127.0.0.1:{port}/" in served.stdout.readline()
        pages = Pages(home, port, Clock())
        answer = pages.ask("POST", "/login", f"code={admitted.stdout.strip()}")
        assert answer.status == 303
        shown = pages.ask("GET", "/", Cookie=str(answer.getheader("set-cookie")).partition(";")[0])
        assert subject in shown.read().decode()
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=240) == 0
    finally:
        served.kill()
        served.wait()
