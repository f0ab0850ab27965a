"""The wrong person at the desk: the next one at the same screen, a mistyped identifier, a record that breaks a rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from person_world import TODAY, new_home, people
from test_desk_pages import Clock, Pages
from typer.testing import CliRunner

from clients.institution.person.bundle import bundle
from clients.institution.person.desk import MAX_OPEN, Desk
from clients.institution.person.own_record import own_score
from clients.institution.person.pages.serve import IDLE_S, serving
from clients.institution.person.subject_cli import app
from federation.errors import ConfigurationError
from federation.jurisdiction import Request
from federation.scorecard import Outcome


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    home, clock = new_home(tmp_path), Clock()
    with serving(home, model=tmp_path / "model.json", clock=clock) as port:
        yield Pages(home, port, clock)


def test_who_comes_next_to_the_same_screen_sees_nobody_before(pages: Pages) -> None:
    """The one before went without logging out; the next one types the own code into the same browser."""
    one, other = people(pages.home)[4:6]
    before = pages.cookie(one)
    assert pages.ask("GET", "/login", Cookie=before).status == 200  # a form, and not somebody's record
    answer = pages.ask("POST", "/login", f"code={pages.code(other)}", Cookie=before)
    now = str(answer.getheader("set-cookie")).partition(";")[0]
    assert other in pages.ask("GET", "/", Cookie=now).read().decode()
    assert pages.ask("GET", "/", Cookie=before).status == 401


def test_a_screen_that_is_left_alone_goes_back_to_the_door(pages: Pages) -> None:
    cookie = pages.cookie(people(pages.home)[4])
    for _ in range(3):  # whoever goes on reading stays
        pages.clock.now += IDLE_S - 1
        answer = pages.ask("GET", "/", Cookie=cookie)
        assert answer.status == 200
    seconds, _, place = str(answer.getheader("Refresh")).partition("; url=")
    assert (int(seconds) > IDLE_S, place) == (True, "/login")
    pages.clock.now += IDLE_S + 1
    assert pages.ask("GET", "/", Cookie=cookie).status == 401
    assert pages.ask("GET", "/login").getheader("Refresh") is None


def test_nobody_is_erased_by_an_identifier_that_nobody_has(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    desk, mistyped = Desk.open(home), people(home)[0] + "0"
    case = desk.open_case(mistyped, Request.ERASURE, (), "", TODAY)
    with pytest.raises(ConfigurationError, match="no record here"):
        desk.erase(case.id, mistyped, "as asked", TODAY)
    words = ["erase", "-", "--why", "as asked", "--home", str(home.path), "--json"]
    assert CliRunner().invoke(app, words, input=mistyped).exit_code != 0
    assert len(desk.cases(mistyped)) == 1  # a command that fails opens no case either
    assert desk.erase(case.id, mistyped, "it comes with the next file", TODAY, absent=True).result == "erased"


def test_a_case_is_not_hit_by_a_letter_or_two(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    desk = Desk.open(home)
    case = desk.open_case(people(home)[0], Request.REVIEW, (), "why", TODAY)
    for short in ("", case.id[:1], case.id[:3]):
        with pytest.raises(ConfigurationError, match="case"):
            desk.case(short)
    assert desk.case(case.id[:4]) == case


def changed(pages: Pages, **values: str) -> str:
    """The fifth person of the file, with these values in it."""
    table = pl.read_csv(pages.home.data, infer_schema=False)
    subject = str(table["person_id"][4])
    mine = pl.col("person_id") == subject
    table = table.with_columns(pl.when(mine).then(pl.lit(v)).otherwise(pl.col(n)).alias(n) for n, v in values.items())
    pages.home.data.unlink()
    plain = pages.home.data.with_suffix("").with_suffix(".csv")
    table.write_csv(plain)
    settings = pages.home.path / "institution.toml"
    settings.write_text(settings.read_text().replace(pages.home.data.name, plain.name))
    return subject


def test_who_has_a_record_that_breaks_a_rule_sees_it_and_can_dispute_it(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    subject = changed(Pages(home, 0, Clock()), age="400")
    home = type(home).open(home.path)
    with serving(home, model=tmp_path / "model.json", clock=Clock()) as port:
        pages = Pages(home, port, Clock())
        cookie = pages.cookie(subject)
        shown = pages.ask("GET", "/", Cookie=cookie)
        assert shown.status == 200
        text = shown.read().decode()
        assert "400" in text
        assert "breaks a rule" in text
        assert pages.ask("GET", "/mine.json", Cookie=cookie).status == 200


def test_an_identifier_in_another_spelling_has_the_same_score(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    subject = people(home)[4]
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in subject)
    assert wide != subject
    found = [own_score(Desk.open(home), each, tmp_path / "model.json", None) for each in (subject, wide)]
    scores = [each.score for each in found if each.score is not None]
    assert [each.outcome for each in scores] == [Outcome.SCORED] * 2
    assert scores[0].score == scores[1].score


def test_access_shows_every_row_of_the_person_and_no_row_of_anybody_else(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    table = pl.read_csv(home.data, infer_schema=False)
    one, other = table["person_id"][4], table["person_id"][5]
    twice = table.filter(pl.col("person_id") == one).with_columns(age=pl.lit("77"))
    plain = home.data.with_suffix("").with_suffix(".csv")
    pl.concat([table, twice]).write_csv(plain)
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text().replace(home.data.name, plain.name))
    home = type(home).open(home.path)
    told = bundle(Desk.open(home), one, datetime.now(UTC))
    (further,) = told["record"]["further"]
    assert [item["value"] for item in further if item["column"] == "age"] == ["77"]
    assert len(further) == len(told["record"]["items"])
    assert other not in json.dumps(told)
    with serving(home, clock=Clock()) as port:
        pages = Pages(home, port, Clock())
        text = pages.ask("GET", "/", Cookie=pages.cookie(one)).read().decode()
    assert "1 more row about you" in text
    assert other not in text


def test_many_forms_sent_at_once_open_no_more_cases_than_one_after_the_other(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    desk, subject = Desk.open(home), people(home)[0]

    def asks(_: int) -> bool:
        try:
            desk.open_case(subject, Request.REVIEW, (), "why", TODAY)
        except ConfigurationError:
            return False
        return True

    with ThreadPoolExecutor(12) as many:
        taken = sum(many.map(asks, range(MAX_OPEN + 12)))
    assert taken == len(desk.cases(subject)) == MAX_OPEN
