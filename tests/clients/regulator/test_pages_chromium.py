"""The pages in a real, headless Chromium: over verified data, over tampered data, and by keyboard alone.

FEDSCORE_SCREENSHOTS=docs/images pytest -n0 tests/clients/regulator/test_pages_chromium.py     # renews the screenshots
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import CHROMIUM, browser, visiting
from playwright.sync_api import Browser
from regulator_samples import exceeding, tampered, told
from regulator_world import LATER, fill, regulator_home
from sqlalchemy import update

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror.store import MirrorStore
from clients.regulator.mirror.tables import checkpoints, entries
from clients.regulator.pages.site import PAGES
from clients.regulator.watch.thorough import verify_copy

__all__ = ["browser"]
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: deploy/debian-packages installs it")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> RegulatorHome:
    """Everything that pages can show: rounds, a model with its card, audits, draws, replays, inquiries, refusals."""
    made = regulator_home(tmp_path_factory.mktemp("chromium"))
    store = fill(made, told())
    verify_copy(made, store, LATER)
    return made


def test_every_page_loads_over_verified_data(browser: Browser, home: RegulatorHome) -> None:
    with visiting(browser, home) as visit:
        for site in PAGES:
            page = visit.open(site.path)
            assert page.title().startswith(site.title)
            assert page.get_by_role("heading", level=1).inner_text() == site.title
            for landmark in ("banner", "navigation", "main", "contentinfo"):
                assert page.get_by_role(landmark).count() == 1, landmark  # type: ignore[arg-type]
            assert page.get_by_role("alert").count() == 0, page.get_by_role("alert").all_inner_texts()
            assert "Verified" in page.get_by_role("status").inner_text()
            assert page.locator("tbody tr").count() > 0, site.path
            for picture in page.locator("img").all():
                assert picture.get_attribute("alt")
                assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
            assert page.locator("table").count() == page.locator("table caption").count()
            assert page.locator("th:not([scope])").count() == 0
            if site.path in ("/", "/budgets"):
                visit.shoot({"/": "institutions"}.get(site.path, site.path[1:]))
        visit.check()


def test_it_is_shown_in_the_dark_and_read_with_enough_contrast(browser: Browser, home: RegulatorHome) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text, in both schemes."""
    for scheme in ("light", "dark"):
        with visiting(browser, home, color_scheme=scheme) as visit:
            for path in ("/", "/audits"):
                page = visit.open(path)
                for selector in ("h1", ".about", "nav a", ".downloads a", "tbody td", "tr.red td", ".good", "footer p"):
                    for found in page.locator(selector).all()[:1]:
                        assert contrast(found.evaluate(COLOURS)) >= 4.5, (scheme, path, selector)
            visit.check()


COLOURS = """element => {
  const colour = getComputedStyle(element).color;
  for (let each = element; each; each = each.parentElement) {
    const behind = getComputedStyle(each).backgroundColor;
    if (!behind.endsWith(', 0)') && behind !== 'transparent') return [colour, behind];
  }
  return [colour, 'rgb(255, 255, 255)'];
}"""


def contrast(colours: list[str]) -> float:
    lights = sorted(luminance(colour) for colour in colours)
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_link_and_control_is_reached_by_keyboard(browser: Browser, home: RegulatorHome) -> None:
    wanted = "document.querySelectorAll('a[href], button, select, input, [tabindex=\"0\"]').length"
    with visiting(browser, home) as visit:
        for path in ("/", "/budgets", "/audits", "/verification"):
            page = visit.open(path)
            count, reached = page.evaluate(wanted), []
            for _ in range(count):
                page.keyboard.press("Tab")
                reached.append(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{path}: focus is not visible"
            assert len(set(reached)) == count, path
            assert reached == sorted(reached), f"{path}: the order of focus is not the order of reading"
        visit.check()


def test_the_skip_link_leads_past_the_navigation_and_the_keyboard_filters(
    browser: Browser, home: RegulatorHome
) -> None:
    with visiting(browser, home) as visit:
        page = visit.open("/budgets")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")  # the first control of the content, not of the navigation
        assert page.evaluate("document.activeElement.closest('main') !== null")
        page.get_by_label("Institution").focus()
        page.keyboard.type("bank-b")
        page.get_by_role("button", name="Show").press("Enter")
        page.wait_for_url("**/budgets?**bank-b**")
        names = set(page.locator("#table-budgets ~ .scroll tbody th").all_inner_texts())
        assert names == {"bank-b"}
        with page.expect_download() as download:
            page.get_by_role("link", name="as CSV").first.press("Enter")
        text = Path(download.value.path()).read_text()
        assert "bank-b" in text
        assert "bank-a" not in text
        page.get_by_role("button", name="Log out").press("Enter")
        page.wait_for_url("**/login")
        visit.check()


def change(home: RegulatorHome, position: int, data: bytes) -> None:
    store = MirrorStore.open(home.database_url)
    with store._engine.begin() as connection:
        connection.execute(update(entries).where(entries.c.position == position).values(data=data))


def other_note(home: RegulatorHome) -> None:
    store = MirrorStore.open(home.database_url)
    lying = replace(told(), log="another").note()
    with store._engine.begin() as connection:
        connection.execute(update(checkpoints).values(note=lying))


TAMPERED: dict[str, tuple[Callable[[RegulatorHome], None], str]] = {
    "an entry was changed in the copy": (lambda home: change(home, 9, tampered(9)), "the copy was changed"),
    "entries were lost from the copy": (lambda home: change(home, 3, told().entries[4]), "the copy was changed"),
    "the checkpoint is not the log's": (other_note, "the newest checkpoint is not the log's"),
    "the log forked": (
        lambda home: home.alarm.write_text('{"code": "log_forked"}') and None,
        "does not append to the one it showed before",
    ),
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_tampered_data_is_red_with_the_reason_on_every_page(browser: Browser, tmp_path: Path, name: str) -> None:
    """Changed while the pages are served, behind their back."""
    home = regulator_home(tmp_path)
    fill(home, told())
    tamper, reason = TAMPERED[name]
    with visiting(browser, home) as visit:
        assert visit.open("/").get_by_role("alert").count() == 0
        tamper(home)
        for site in PAGES:
            alert = visit.open(site.path).get_by_role("alert")
            assert alert.count() == 1, site.path
            assert reason in alert.inner_text()
            red, green, blue = (int(part) for part in alert.evaluate("e => getComputedStyle(e).color")[4:-1].split(","))
            assert red > 2 * green
            assert red > 2 * blue
            assert visit.page.get_by_role("status").count() == 0
        if name.startswith("an entry"):
            visit.open("/inquiries")
            visit.shoot("tampered")
        visit.check()


def test_a_lie_in_the_log_is_red_where_it_is_about_and_named_elsewhere(browser: Browser, tmp_path: Path) -> None:
    """A round signed by a bank: the log holds it, the checkpoint covers it, and it is nobody's to say."""
    home = regulator_home(tmp_path)
    lie = told().resaid(told().find("round"), signer="bank-a")
    fill(home, lie)
    with visiting(browser, home) as visit:
        for path in ("/rounds", "/models", "/", "/verification"):
            alert = visit.open(path).get_by_role("alert")
            assert f"log entry {lie.find('round')}" in alert.inner_text(), path
        page = visit.open("/inquiries")
        assert page.get_by_role("alert").count() == 0
        assert "elsewhere" in page.get_by_role("status").inner_text()
        visit.check()


def test_more_measured_than_claimed_is_red_and_says_so(browser: Browser, tmp_path: Path) -> None:
    home = regulator_home(tmp_path)
    fill(home, exceeding())
    with visiting(browser, home) as visit:
        page = visit.open("/audits")
        red = page.locator("tr.red")
        assert red.count() == 1
        assert "exceeds claimed" in red.inner_text()
        assert page.locator("tbody tr").count() > 1
        visit.shoot("audits")
        visit.check()
