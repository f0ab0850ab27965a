"""`fedscore institution subject` at a desk: what is shown, decided, erased, exported, swept, and what is not told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from person_world import TODAY, new_home, people
from scores_world import CATALOGUE
from typer.testing import CliRunner, Result

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.person.desk import Desk
from clients.institution.person.journal_store import Journal
from clients.institution.person.own_record import in_words
from clients.institution.person.retention import sweep
from clients.institution.person.subject_cli import app
from federation.catalogue.document import Column, Special
from federation.jurisdiction import Request
from federation.lookup.identifiers import scheme
from federation.records import read_table
from federation.runtime.database import open_engine
from protocols.lookup.leaf import Leaf
from protocols.lookup.ticket import LeafOpening
from protocols.oprf.group import hash_to_group

NOW = 1_900_000_000


@dataclass(frozen=True)
class Bank:
    home: InstitutionHome
    folder: Path
    subject: str

    def run(self, *words: object, typed: str | None = None) -> Result:
        environment = {"COLUMNS": "200", "FEDSCORE_HOME": str(self.home.path)}
        return CliRunner().invoke(app, [str(word) for word in words], input=typed or self.subject, env=environment)

    def told(self, *words: object, typed: str | None = None) -> Any:
        result = self.run(*words, "--json", typed=typed)
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def asks(self, subject: str, *, nonce: int = 1, issued_at: int = NOW) -> bytes:
        """A question of this institution, as its querier keeps it."""
        leaf = Leaf(
            querier=self.home.name,
            epoch_id=bytes(32),
            qid=bytes([nonce]) * 16,
            purpose="credit-application",
            receipt_serial="s",
            receipt_hash=bytes(32),
            blinded_hash=bytes(32),
            tag=b"",
            ephemeral=bytes(32),
            issued_at=issued_at,
        ).sign(self.home.signing_key)
        store = AskedStore(open_engine(f"sqlite:///{self.home.path / 'lookup.db'}"))
        opening = LeafOpening(hash_to_group(b"r")[:31] + b"\0", bytes(32), b"")
        store.keep([(scheme("opaque").normalise(subject), leaf, opening)])
        return leaf.hash


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    home = new_home(tmp_path)
    return Bank(home, tmp_path, people(home)[7])


def test_a_person_sees_record_score_parts_reasons_and_inquiries(bank: Bank) -> None:
    bank.asks(bank.subject)
    bank.asks(people(bank.home)[8], nonce=2)
    told = bank.told("show", "-", "--model", bank.folder / "model.json")
    table = read_table(bank.home.data)
    assert [item["value"] for item in told["record"]["items"]] == [table[name][7] for name in table.columns]
    titles = {item["column"]: item["title"] for item in told["record"]["items"]}
    assert all(titles[name] == column.title for name, column in CATALOGUE.columns.items() if column.title)
    score = told["score"]
    assert score["outcome"] == "scored"
    assert len(score["parts"]) == 5
    assert sum(score["parts"].values()) == pytest.approx(score["unclamped"])
    assert len(score["reasons"]) <= 5
    (inquiry,) = told["inquiries_here"]
    assert inquiry == {
        "leaf": inquiry["leaf"],
        "querier": "bank-0",
        "purpose": "credit-application",
        "inquiry": None,
        "day": "2030-03-17",
    }
    words = bank.run("show", "-", "--model", bank.folder / "model.json").stdout
    for expected in ("credit-application", "Age", "sum", "No case"):
        assert expected in words


def test_codes_are_shown_as_the_catalogue_words_them() -> None:
    column = Column(
        role="model",
        category="balance",
        type="integer",
        unit="EUR",
        labels={"1": "below 0"},
        allowed=(1, 2),
        missing=(-9,),
        special=(Special(name="no_account", code=-1),),
    )
    said = [in_words(column, value) for value in ("1", "1.0", "2", "-1", "-9", "", None)]
    assert said == ["below 0", "below 0", "2 EUR", "no account", "not known", "not known", "not known"]


def test_a_dispute_corrects_the_score_and_says_from_when(bank: Bank) -> None:
    model = bank.folder / "model.json"
    before = bank.told("show", "-", "--model", model)
    column = next(
        item["column"]
        for item in before["record"]["items"]
        if item["role"] == "model" and item["value"] not in ("", "0")
    )
    case = bank.told("dispute", "-", "--about", column, "--statement", "that is not so")
    assert [each["what"] for each in case["owed"]] == ["furnisher", "answer"]
    done = bank.told("correct", "-", "--case", case["case"][:8], "--set", f"{column}=", "--why", "no proof of it")
    assert (done["result"], done["why"], done["counts"]) == ("corrected", "no proof of it", "from the next epoch")
    after = bank.told("show", "-", "--model", model)
    (item,) = (item for item in after["record"]["items"] if item.get("corrected"))
    assert (item["column"], item["text"]) == (column, "not known")
    assert item["file_says"] == next(i["value"] for i in before["record"]["items"] if i["column"] == column)
    assert after["cases"][0]["state"] == "decided"
    assert bank.told("told", case["case"])["state"] == "closed"


def test_an_erasure_says_what_a_model_retains_and_what_is_kept_until_when(bank: Bank) -> None:
    bank.asks(bank.subject)
    answer = bank.told("erase", "-", "--why", "she is no customer any more")
    assert answer["request"] == "erasure"
    assert "No model was trained" in answer["models"]["words"]
    inquiries = next(each for each in answer["kept"] if "inquiries" in each["what"])
    assert inquiries["until"] == "2032-03-17"  # two years, 15 U.S.C. 1681g(a)(3)
    assert [each["until"] for each in answer["kept"]].count(None) == 2
    told = bank.told("show", "-", "--model", bank.folder / "model.json")
    assert told["record"] == {"held": False, "erased": True, "rows": 0, "items": [], "further": []}
    assert told["score"]["outcome"] == "no_hit"


def test_an_export_holds_all_there_is_and_is_the_owners_alone(bank: Bank) -> None:
    leaf = bank.asks(bank.subject)
    bank.told("dispute", "-", "--statement", "I never lived there")
    out = bank.folder / "mine.json"
    result = bank.run("export", "-", "--out", out, "--model", bank.folder / "model.json")
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text())
    assert told["subject"] == bank.subject
    assert len(told["record"]["items"]) == read_table(bank.home.data).width
    assert [each["leaf"] for each in told["inquiries_here"]] == [leaf.hex()]
    assert told["inquiries_of_all"] == []
    assert told["cases"][0]["statement"] == "I never lived there"
    assert {"score", "retention", "models", "published"} <= set(told)
    assert out.stat().st_mode & 0o077 == 0
    assert bank.run("export", "-", "--out", out).exit_code == 1  # nothing is overwritten


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '{"P-4711": 1}', "no json, P-4711", '{"version": 1, "inquiries": [{"leaf": "P-4711"}]}']
)
def test_an_inquirers_file_of_another_form_is_refused_and_not_quoted(bank: Bank, text: str) -> None:
    theirs = bank.folder / "inquirers.json"
    theirs.write_text(text)
    result = bank.run("inquiries", "-", "--inquirers", theirs)
    assert result.exit_code == 1
    assert "4711" not in str(result.exception) + result.output


def test_an_error_does_not_name_the_person(bank: Bank) -> None:
    case = bank.told("dispute", "-", "--statement", "no")
    for words in (
        ("correct", "-", "--case", case["case"], "--set", "age=400", "--why", "x"),
        ("correct", "-", "--case", "ffff", "--set", "age=40", "--why", "x"),
        ("correct", "-", "--case", case["case"], "--set", "age", "--why", "x"),
        ("decide", case["case"], "--result", "forget", "--why", "x"),
    ):
        result = bank.run(*words)
        assert result.exit_code == 1
        assert bank.subject not in result.output + str(result.exception)


def test_cases_that_are_late_are_listed_with_an_exit_code(bank: Bank) -> None:
    desk = Desk.open(bank.home)
    old = datetime.now(UTC).date() - timedelta(days=60)
    late = desk.open_case(bank.subject, Request.DISPUTE, (), "slow", old)
    desk.open_case(people(bank.home)[0], Request.DISPUTE, (), "fresh", datetime.now(UTC).date())
    result = bank.run("cases", "--late", "--json")
    assert result.exit_code == 3
    assert [case["case"] for case in json.loads(result.stdout)] == [late.id]


def test_the_sweep_erases_what_is_due_and_nothing_else(bank: Bank) -> None:
    desk, said = Desk.open(bank.home), "I was never late with that loan"
    day = date(2030, 3, 18)
    bank.asks(bank.subject, nonce=1, issued_at=NOW)
    bank.asks(bank.subject, nonce=2, issued_at=NOW + 3 * 365 * 86_400)
    case = desk.open_case(bank.subject, Request.DISPUTE, ("age",), said, TODAY)
    desk.correct(case.id, bank.subject, {"age": "40"}, "her passport", TODAY)
    desk.told(case.id, TODAY)
    kept = desk.open_case(bank.subject, Request.DISPUTE, (), "a case that is open", TODAY)
    assert [due.count for due in sweep(desk, day, do=False)][:2] == [0, 0]
    later = date(2032, 4, 1)  # two years after the first inquiry, more than five after the case
    assert [due.count for due in sweep(desk, later, do=False)][:2] == [1, 1]
    assert Journal.open(bank.home).steps()[0].content is not None
    sweep(desk, later, do=True)
    assert [due.count for due in sweep(desk, later, do=False)][:2] == [0, 0]
    assert len(bank.told("show", "-")["inquiries_here"]) == 1
    assert desk.case(kept.id).said["statement"] == "a case that is open"
    _, counting = desk.rows(bank.subject)
    assert counting["age"].to_list() == ["40"]  # a correction outlives its file
    files = b"".join(file.read_bytes() for file in bank.home.path.rglob("*") if file.is_file())
    assert said.encode() not in files


def test_records_that_are_due_are_counted_and_left_to_their_owner(bank: Bank) -> None:
    vintages = read_table(bank.home.data)["vintage"].to_list()
    due = sweep(Desk.open(bank.home), date(2030, 12, 31), do=True)[2]
    assert (due.count, due.ours) == (
        sum(each.startswith("2023") for each in vintages) - sum(e == "2023Q4" for e in vintages),
        False,
    )
    assert read_table(bank.home.data).height == len(vintages)
