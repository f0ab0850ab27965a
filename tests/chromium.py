"""A real, headless Chromium (Debian's) that looks at the regulator's pages, for tests.

`browser` is a fixture; FEDSCORE_SCREENSHOTS names a folder for what `Visit.shoot` takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from regulator_world import LATER

from clients.regulator.home import RegulatorHome
from clients.regulator.serve import serving

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
SCREENSHOTS = os.environ.get("FEDSCORE_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


class Visit:
    """A logged-in browser; what its console said, and which requests left for elsewhere."""

    def __init__(self, context: BrowserContext, url: str, token: str) -> None:
        self.page, self.url = context.new_page(), url
        self.page.set_default_timeout(20_000)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{url}/login")
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"{url}/")

    def open(self, path: str) -> Page:
        answer = self.page.goto(f"{self.url}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == 200
        return self.page

    def fetch(self, path: str) -> str:
        """A download, with the session of this browser."""
        answer = self.page.request.get(f"{self.url}{path}")
        assert answer.status == 200
        return answer.text()

    def shoot(self, name: str) -> None:
        if SCREENSHOTS:
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"regulator-{name}.png"))

    def check(self) -> None:
        assert self.errors == []
        assert {request for request in self.requests if not request.startswith((self.url, "data:"))} == set()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)


@contextmanager
def visiting(browser: Browser, home: RegulatorHome, **options: object) -> Iterator[Visit]:
    with serving(home, clock=lambda: float(LATER), fresh=0.0) as port:
        size = {"width": 1180, "height": 760}
        context = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        try:
            yield Visit(context, f"http://127.0.0.1:{port}", home.access_token)
        finally:
            context.close()
