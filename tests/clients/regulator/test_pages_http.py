"""The pages over HTTP as a stranger, a program and somebody with a spreadsheet ask for them."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from oversight_federation import audited, honest
from oversight_world import BANKS, World
from regulator_world import LATER, fill, regulator_home

from clients.regulator.home import RegulatorHome
from clients.regulator.pages.app import COOKIE
from clients.regulator.pages.site import PAGES, TABLES
from clients.regulator.pages.table import Column, Row, Table
from clients.regulator.serve import serving
from clients.regulator.settings import RegulatorSettings, settings_text
from federation.errors import ConfigurationError
from federation.runtime.pages.gate import FAILURE_WINDOW_S, MAX_FAILURES, Gate
from federation.runtime.settings import parse_settings


class Clock:
    now = float(LATER)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def world() -> World:
    return honest().inserted(len(honest().entries), audited("bank-a"), audited("bank-b", passed=False))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, world: World) -> RegulatorHome:
    made = regulator_home(tmp_path_factory.mktemp("pages"))
    fill(made, world)
    return made


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def url(home: RegulatorHome, clock: Clock) -> Iterator[str]:
    with serving(home, clock=clock) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def stranger(url: str, clock: Clock) -> Iterator[httpx.Client]:
    clock.now += 2 * FAILURE_WINDOW_S  # what others got wrong before is forgotten
    with httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def program(url: str, home: RegulatorHome) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {home.access_token}"}) as client:
        yield client


EVERYTHING = [*(page.path for page in PAGES), "/tables/rounds.csv", "/plots/burn-down/bank-a.svg", "/nowhere", "/../x"]


@pytest.mark.parametrize("path", EVERYTHING)
def test_nothing_is_shown_without_the_token(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 401
    answer = stranger.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    for cookie in ("", "nonsense", "9999999999.aa.bb", f"9999999999.{'ab' * 16}.{'cd' * 32}", "é.é.é"):
        assert stranger.get(path, headers={"Cookie": f"{COOKIE}={cookie}".encode()}).status_code == 401
    wrong = stranger.get(path, headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401


def test_the_token_opens_a_session_and_logging_out_ends_it(stranger: httpx.Client, home: RegulatorHome) -> None:
    answer = stranger.post("/login", data={"token": home.access_token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    words = answer.headers["set-cookie"].lower()
    assert all(word in words for word in ("httponly", "samesite=strict", "path=/"))
    assert stranger.get("/").status_code == 200
    kept = stranger.cookies[COOKIE]
    assert stranger.post("/logout").status_code == 303
    assert stranger.get("/", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401  # a copy is of no use


def test_a_session_ends_by_itself(stranger: httpx.Client, home: RegulatorHome, clock: Clock) -> None:
    stranger.post("/login", data={"token": home.access_token})
    clock.now += home.settings.pages.session_hours * 3600 - 1
    assert stranger.get("/").status_code == 200
    clock.now += 2
    assert stranger.get("/").status_code == 401


def test_guessing_is_slowed_down_for_both_ways_in(stranger: httpx.Client, home: RegulatorHome, clock: Clock) -> None:
    for _ in range(MAX_FAILURES):
        assert stranger.post("/login", data={"token": "guess"}).status_code == 401
    assert stranger.post("/login", data={"token": home.access_token}).status_code == 429
    assert stranger.get("/", headers={"Authorization": f"Bearer {home.access_token}"}).status_code == 401
    clock.now += FAILURE_WINDOW_S + 1
    assert stranger.post("/login", data={"token": home.access_token}).status_code == 303


def test_a_form_of_another_site_logs_nobody_in_or_out(stranger: httpx.Client, home: RegulatorHome) -> None:
    token = {"token": home.access_token}
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert stranger.post("/login", data=token, headers=headers).status_code == 403
    stranger.post("/login", data=token)
    assert stranger.post("/logout", headers={"Origin": "null"}).status_code == 403
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_can_only_be_read(program: httpx.Client, method: str) -> None:
    for path in ("/", "/budgets", "/tables/rounds.csv", "/plots/burn-down/bank-a.svg"):
        assert program.request(method, path).status_code == 405


def test_every_answer_has_the_safe_headers(program: httpx.Client) -> None:
    for path in ["/login", "/static/style.css", "/nowhere", *EVERYTHING]:
        headers = program.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "public" not in headers["cache-control"]
        assert "server" not in headers


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_can_be_taken_along_with_the_same_rows(program: httpx.Client, name: str) -> None:
    rows = json.loads(program.get(f"/tables/{name}.json").text)["rows"]
    listed = list(csv.DictReader(io.StringIO(program.get(f"/tables/{name}.csv").text)))
    assert len(rows) == len(listed)
    assert all(set(row) == set(other) for row, other in zip(rows, listed, strict=True))


def test_a_filter_is_the_same_on_the_page_and_in_the_download(program: httpx.Client) -> None:
    everything = json.loads(program.get("/tables/budgets.json").text)["rows"]
    assert {row["institution"] for row in everything} == set(BANKS)
    some = json.loads(program.get("/tables/budgets.json?institution=bank-b&scope=year").text)["rows"]
    assert [(row["institution"], row["scope"]) for row in some] == [("bank-b", "year")]
    page = program.get("/budgets?institution=bank-b").text
    assert "/tables/budgets.csv?institution=bank-b" in page
    assert "burn-down/bank-b.svg" in page
    assert "burn-down/bank-a.svg" not in page


def test_figures_are_those_of_the_ledgers(program: httpx.Client, world: World) -> None:
    rows = json.loads(program.get("/tables/budgets.json").text)["rows"]
    for row in rows:
        charge = [entry for _, entry in world.ledger(row["institution"]) if entry.amounts][-1]
        amount = next(each for each in charge.amounts if each.scope.value == row["scope"])
        assert (row["spent"], row["cap"], row["pld"]) == (amount.capped, amount.cap, amount.pld)
    rounds = json.loads(program.get("/tables/rounds.json").text)["rows"]
    assert [(row["phase"], row["round"]) for row in rounds] == [("train", 1), ("train", 2), ("evaluate", 1)]


def test_an_audit_is_red_where_more_was_measured_or_a_check_failed(program: httpx.Client) -> None:
    rows = json.loads(program.get("/tables/audits.json").text)["rows"]
    assert [(row["institution"], bool(row["red"])) for row in rows] == [("bank-a", False), ("bank-b", True)]


def test_names_of_strangers_are_text_and_no_formula() -> None:
    columns = (Column("a", "A"),)
    table = Table("t", "T", columns, (Row({"a": "=HYPERLINK(1)"}), Row({"a": "+1"}), Row({"a": -1.5})))
    assert table.to_csv().splitlines()[1:] == ["'=HYPERLINK(1),", "'+1,", "-1.5,"]


def test_what_a_query_brings_is_escaped(program: httpx.Client) -> None:
    for path in ("/budgets?institution=<script>x</script>", "/<script>x</script>", "/tables/<script>.csv"):
        assert "<script>" not in program.get(path).text
    assert program.get("/plots/burn-down/..%2f..%2fx.svg").status_code == 404
    assert program.get("/plots/calibration/none.svg").status_code == 404


def test_no_secret_is_logged(stranger: httpx.Client, home: RegulatorHome, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        stranger.post("/login", data={"token": "guess-me-if-you-can"})
        stranger.post("/login", data={"token": home.access_token})
        stranger.get("/")
    # The test's own HTTP client is in this process, and logs what it likes.
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in ours)
    assert "login refused" in logged
    for secret in (home.access_token, "guess-me", stranger.cookies[COOKIE]):
        assert secret not in logged
    assert home.access_token not in repr(Gate(home.access_token, 1.0, lambda: 0.0))


def test_pages_are_not_served_in_the_clear_beyond_this_machine() -> None:
    text = settings_text(
        name="r", log_url="https://x:1", log_authority="", port=1, written=datetime(2030, 1, 1, tzinfo=UTC)
    )
    with pytest.raises(ConfigurationError, match="tls_key"):
        parse_settings(RegulatorSettings, text.replace('bind = "127.0.0.1"', 'bind = "0.0.0.0"'), where="x")


def test_a_copy_that_is_still_empty_says_so(tmp_path: Path) -> None:
    with serving(regulator_home(tmp_path)) as port:
        home = RegulatorHome.open(tmp_path / "regulator")
        headers = {"Authorization": f"Bearer {home.access_token}"}
        for page in PAGES:
            answer = httpx.get(f"http://127.0.0.1:{port}{page.path}", headers=headers)
            assert answer.status_code == 200
            assert "nothing was fetched yet" in answer.text


def test_a_card_that_is_not_the_logged_one_is_red(tmp_path: Path) -> None:
    home = regulator_home(tmp_path)
    lying = replace(
        honest(), documents={**honest().documents, "runs/spring/card.json": b'{"model": {"family": "mlp"}}'}
    )
    fill(home, lying)
    with serving(home) as port:
        headers = {"Authorization": f"Bearer {home.access_token}"}
        rows = httpx.get(f"http://127.0.0.1:{port}/tables/models.json", headers=headers).json()["rows"]
    assert "not the one whose hash was logged" in rows[0]["red"]
