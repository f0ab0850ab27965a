"""Pages with something on them: every figure is the one that was logged, on the page, in CSV and in JSON; in Chromium.

FEDSCORE_SCREENSHOTS=docs/images pytest -n0 tests/clients/regulator/test_pages_content.py     # renews the screenshots
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, Visit, browser, visiting
from oversight_federation import catalogue, make_plan
from playwright.sync_api import Browser
from regulator_content import EPOCH, card_of, disputed, graded
from regulator_world import LATER, fill, regulator_home

from clients.regulator.home import RegulatorHome
from clients.regulator.pages.app import value_text
from clients.regulator.watch.thorough import verify_copy
from federation.audits.claimed import claims_of
from federation.audits.finding import Check

__all__ = ["browser"]
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: deploy/debian-packages installs it")


@pytest.fixture(scope="module")
def visit(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Over a log in which all is well."""
    home = regulator_home(tmp_path_factory.mktemp("content"))
    verdict = verify_copy(home, fill(home, graded()), LATER)
    assert verdict.holds, verdict.first
    with visiting(browser, home) as opened:
        yield opened
        opened.check()


@pytest.fixture(scope="module")
def quarrel(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """Over one with an audit that measured too much and replays that do not match, or are not there."""
    home: RegulatorHome = regulator_home(tmp_path_factory.mktemp("quarrel"))
    verify_copy(home, fill(home, disputed()), LATER)
    with visiting(browser, home) as opened:
        yield opened
        opened.check()


def rows_of(visit: Visit, path: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table as JSON, once CSV and the page have been held against them, cell by cell."""
    page = visit.open(path)
    rows: list[dict[str, Any]] = json.loads(visit.fetch(f"/tables/{table}.json"))["rows"]
    listed = list(csv.DictReader(io.StringIO(visit.fetch(f"/tables/{table}.csv"))))
    assert [{key: text_of(value) for key, value in row.items()} for row in rows] == listed
    shown = page.locator(f"#table-{table} ~ .scroll tbody tr")
    assert shown.count() == len(rows)
    cells = shown.evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => [...cell.childNodes].filter(n => n.nodeType == 3)"
        ".map(n => n.textContent).join('')))"
    )
    wanted = [[value_text(value) for key, value in row.items() if key != "red"] for row in rows]
    assert cells == wanted
    assert [row.get_attribute("class") == "red" for row in shown.all()] == [bool(row["red"]) for row in rows]
    return rows


def text_of(value: object) -> str:
    return "" if value is None else str(value)


def test_fairness_is_the_cards_for_every_group_and_profile(visit: Visit) -> None:
    card = card_of(graded())
    rows = rows_of(visit, "/models", "fairness")
    stated = [
        (each["attribute"], group["group"], group["records"], group["approval_rate"]["value"], group["fpr"]["value"])
        for each in card["findings"]["fairness"]
        for group in each["groups"]
    ]
    assert [(r["attribute"], r["group"], r["records"], r["approval_rate"], r["fpr"]) for r in rows] == stated
    assert len({row["attribute"] for row in rows}) == len(catalogue().protected) > 1
    compared = rows_of(visit, "/models", "comparisons")
    assert [row["value"] for row in compared] == [
        each["value"] for item in card["findings"]["fairness"] for each in item["comparisons"]
    ]
    broken = [row for row in compared if row["red"]]
    assert broken, "a group was made worse off on purpose"
    assert {row["attribute"] for row in broken} == {catalogue().protected[0].name}
    assert {row["red"] for row in broken} == {"the profile's limit is not kept"}
    assert {row["verdict"] for row in broken} == {"does not hold"}


def test_calibration_and_quality_are_the_cards(visit: Visit) -> None:
    card = card_of(graded())
    rows = rows_of(visit, "/models", "calibration")
    names = ("predicted", "observed", "records", "se")
    assert [tuple(row[name] for name in names) for row in rows] == [
        tuple(point[name] for name in names) for point in card["findings"]["calibration"]
    ]
    assert len(rows) > 3
    (model,) = rows_of(visit, "/models", "models")
    metrics = card["findings"]["metrics"]
    assert (model["auc"], model["ks"], model["ece"]) == tuple(metrics[name]["value"] for name in ("auc", "ks", "ece"))
    assert (model["card"], model["evaluated"], model["members"]) == ("as logged", "yes", 3)
    plot = visit.page.get_by_role("img", name="Predicted against observed")
    assert plot.evaluate("image => image.naturalWidth") > 0
    visit.page.locator("#table-comparisons").scroll_into_view_if_needed()
    visit.shoot("models")


def test_inquiries_are_counted_by_purpose_querier_and_epoch(visit: Visit) -> None:
    rows = rows_of(visit, "/inquiries", "inquiries")
    counts = {(row["querier"], row["purpose"]): row["count"] for row in rows}
    purposes = ("account review", "credit application")
    assert counts == {(f"bank-{name}", purpose): 2 for name in "abc" for purpose in purposes}
    first, epoch = rows_of(visit, "/inquiries", "epochs")
    assert (first["epoch"], first["kinds"]) == (1, "epoch, propose, roster")
    assert epoch == {"epoch": 7, "steps": sum(EPOCH.values()), "kinds": ", ".join(sorted(EPOCH)), "red": ""}
    filtered = json.loads(visit.fetch("/tables/inquiries.json?purpose=account%20review"))["rows"]
    assert {row["purpose"] for row in filtered} == {"account review"}
    assert len(filtered) == 3


def test_claimed_and_measured_stand_side_by_side(quarrel: Visit) -> None:
    rows = rows_of(quarrel, "/audits", "audits")
    figures = {(row["institution"], row["kind"]): (row["claimed"], row["measured"], bool(row["red"])) for row in rows}
    privacy = make_plan(replay=True).privacy
    (run,) = claims_of(privacy, "canary").checks[Check.CANARY_GOOD].values
    *_, stated = claims_of(privacy, "contract").checks[Check.COMPOSITION].values
    assert figures == {
        ("bank-a", "contract"): (stated, stated, False),
        ("bank-b", "canary"): (run, 1.31 * run, True),
        ("bank-c", "canary"): (run, 0.61 * run, False),
    }
    assert quarrel.page.get_by_role("img", name="Claimed beside measured").count() == 1


def test_a_replay_that_differs_and_one_that_is_late_are_red(quarrel: Visit) -> None:
    rows = rows_of(quarrel, "/replays", "replays")
    outcomes = {(row["institution"], row["round"]): (row["outcome"], row["red"]) for row in rows}
    assert outcomes["bank-a", 1] == ("matches", "")
    assert outcomes["bank-b", 2] == ("awaited", "")
    differs, why = outcomes["bank-c", 1]
    assert differs == "differs"
    assert "not the one that was sent" in why
    assert outcomes["bank-c", 2] == ("overdue", "not answered in time")
    counted = rows_of(quarrel, "/replays", "commitments")
    assert {row["institution"]: row["count"] for row in counted} == dict.fromkeys(("bank-a", "bank-b", "bank-c"), 2)
    alert = quarrel.page.get_by_role("alert")
    assert "step 9" in alert.inner_text()
    assert alert.inner_text().count("got update_differs") == 1, "said once, though two looks have found it"
    assert "step 8" not in alert.inner_text()  # the audit is another page's
    quarrel.shoot("replays")


@pytest.mark.parametrize("path", ["/models", "/inquiries", "/replays", "/rounds", "/refusals", "/log"])
def test_all_of_a_full_page_is_reached_by_keyboard_in_the_order_of_reading(visit: Visit, path: str) -> None:
    page = visit.open(path)
    count = page.evaluate("document.querySelectorAll('a[href], button, select, input, [tabindex=\"0\"]').length")
    reached = []
    for _ in range(count):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached == sorted(set(reached))


def test_the_legend_of_a_burn_down_stands_beside_its_lines(visit: Visit) -> None:
    """As matplotlib names the parts of a figure: patch_2 is the area of the plot."""
    page = visit.open("/plots/burn-down/bank-a.svg")
    box = "id => { const box = document.getElementById(id).getBoundingClientRect(); return [box.top, box.bottom]; }"
    _, bottom = page.evaluate(box, "patch_2")
    top, _ = page.evaluate(box, "legend_1")
    assert top >= bottom


def test_screenshots_are_small() -> None:
    for file in Path("docs/images").glob("regulator-*.png"):
        assert file.stat().st_size < 200_000, file
