"""A file of questions is right from its first line to its last, or nothing is asked; and what a person is shown."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from consenting_home import consenting_home, listening
from rich.console import Console
from wallets import gate_of

from clients.institution.home import InstitutionHome
from clients.institution.lookup.querier import Querier
from clients.institution.lookup.query_cli import _file, read_questions
from clients.institution.lookup.query_view import show
from clients.institution.lookup.questions import Answer, Question, unavailable
from federation.errors import ConfigurationError, Refused
from federation.lookup.outcome import Freshness, Scored

GOOD, SECRET = "36574261809,credit-application\n", "36574261808"


@pytest.fixture
def querier(tmp_path: Path) -> Querier:
    """One that may ask nobody."""

    def connect(stack: Any) -> Any:
        raise AssertionError("it dialled")

    return Querier(gate_of(tmp_path, identifiers="de-steuer-id"), connect)


@pytest.mark.parametrize(
    ("text", "where", "got"),
    [
        (f"subject,purpose\n{GOOD}{SECRET},credit-application\n", "line 3: identifier", "check digits"),
        (f"subject,purpose\n{GOOD}{GOOD}36574261809,marketing\n", "line 4: purpose", "marketing"),
        (f"subject,purpose\n{GOOD}36574261809,\n", "line 3", "no subject or purpose"),
        (f"subject,purpose\n{GOOD}36574261809\n", "line 3", "no subject or purpose"),
        ("subject,purpose\n36574261809,credit-application,more\n", "line 2", "or more"),
        (f"person,purpose\n{GOOD}", "line 1", "other columns"),
        (GOOD, "line 1", "other columns"),
        ("subject,purpose\n", "questions.csv", "no question"),
        ("", "line 1", "other columns"),
    ],
)
def test_one_wrong_line_and_nothing_is_asked_or_made(
    text: str, where: str, got: str, querier: Querier, tmp_path: Path
) -> None:
    batch, out = tmp_path / "questions.csv", tmp_path / "answers.csv"
    batch.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        _file(querier, batch, out, Console(file=StringIO()))
    assert refused.value.where.startswith(str(batch))
    assert where in refused.value.where
    assert got in refused.value.got
    assert SECRET not in str(refused.value)
    assert not out.exists()


def test_where_the_answers_cannot_be_written_nothing_is_asked(querier: Querier, tmp_path: Path) -> None:
    batch = tmp_path / "questions.csv"
    batch.write_text(f"subject,purpose\n{GOOD}")
    with pytest.raises(ConfigurationError, match=r"away/answers\.csv: got no folder"):
        _file(querier, batch, tmp_path / "away" / "answers.csv", Console(file=StringIO()))


def test_a_file_that_is_right_is_read_in_its_order(querier: Querier, tmp_path: Path) -> None:
    batch = tmp_path / "questions.csv"
    batch.write_text("\ufeffpurpose,subject\n" + "credit-application,36574261809\n" * 2, encoding="utf-8")
    assert read_questions(batch, querier.check) == [Question("36574261809", "credit-application")] * 2


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_person_is_told_of_a_score_that_is_not_calibrated(calibrated: bool) -> None:
    fresh = Freshness(epoch="ab" * 32, counter=3, as_of=1_700_000_000, closes_at=1_700_604_800, model="cd" * 32)
    outcome = Scored(640.0, 640.0, "good", None, (), 2, False, fresh, calibrated=calibrated)
    told = StringIO()
    show(Answer(Question("nobody", "credit-application"), outcome), Console(file=told, width=120))
    assert ("not calibrated" in told.getvalue()) is not calibrated


@pytest.mark.parametrize(("leaf", "said"), [(b"\x01" * 32, "counts as a ticket"), (b"", "nothing was logged")])
def test_a_person_is_told_what_a_question_without_an_answer_has_cost(leaf: bytes, said: str) -> None:
    told = StringIO()
    outcome = unavailable(Refused("closed", "epoch", got="closing", expected="an epoch that is open"), "relay")
    show(Answer(Question("nobody", "credit-application"), outcome, leaf_hash=leaf), Console(file=told, width=80))
    assert "relay: closed: closing, expected an epoch that is open" in told.getvalue()
    assert said in told.getvalue()


def test_who_writes_identifiers_in_another_way_since_the_roster_was_approved_asks_nothing(tmp_path: Path) -> None:
    """Every answer would be that nobody knows the person."""
    with listening() as outside:
        home = consenting_home(tmp_path, outside, {})
        Querier.open(home).close()
        settings = home.path / "institution.toml"
        settings.write_text(f'{settings.read_text()}\n[lookup]\nidentifiers = "us-tin"\n')
        with pytest.raises(ConfigurationError, match=r"lookup\.identifiers: got us-tin, expected opaque"):
            Querier.open(InstitutionHome.open(home.path))
