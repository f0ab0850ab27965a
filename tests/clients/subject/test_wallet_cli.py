"""`fedscore identity` and `fedscore subject`, from a new wallet to a receipt, a revocation and every refusal."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from clients.identity.cli import app as identity
from clients.subject.cli import app as subject
from federation.errors import ConfigurationError
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, SignedRevocation

PERSON = "36574261809"


class Desk:
    """One authority, one person, their commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def identity(self, *words: object, stdin: str = "") -> Result:
        line = [*map(str, words), "--home", str(self.folder / "e-id")]
        return CliRunner().invoke(identity, line, input=stdin)

    def subject(self, *words: object, stdin: str = "") -> Result:
        line = [*map(str, words), "--wallet", str(self.folder / "wallet")]
        return CliRunner().invoke(subject, line, input=stdin)

    def receipt(self, name: str = "receipt.json", *words: object) -> Result:
        fixed = ("--querier", "bank-a", "--purpose", "credit-application", "--scope", "synthetic")
        return self.subject("receipt", *fixed, "--out", self.folder / name, *words)

    def shown(self) -> Any:
        return json.loads(self.subject("show", "--json").output)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    ran = [
        made.identity("init", "--name", "e-id", "--identifiers", "de-steuer-id"),
        made.subject("init", "-", "--identifiers", "de-steuer-id", "--request", tmp_path / "r.json", stdin=PERSON),
        made.identity("certify", tmp_path / "r.json", "-", "--out", tmp_path / "i.json", stdin="36 574 261 809"),
        made.subject("accept", tmp_path / "i.json"),
    ]
    assert [each.exit_code for each in ran] == [0] * 4, [each.output for each in ran]
    assert not any(PERSON in each.output for each in ran)
    return made


def test_a_receipt_from_the_command_line_is_a_consent_document(desk: Desk, tmp_path: Path) -> None:
    told = json.loads(desk.receipt("a.json", "--json").output)
    consent = Consent.decode((tmp_path / "a.json").read_bytes())
    given = consent.receipt.receipt
    assert told["serial"] == consent.serial
    assert (given.querier, given.purpose, given.inquiry) == ("bank-a", "credit-application", Inquiry.HARD)
    assert given.expires - given.issued == 30 * 86_400
    for file in ("a.json", "r.json", "i.json"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600


def test_an_application_is_a_hard_inquiry_and_a_review_a_soft_one_unless_she_says_otherwise(desk: Desk) -> None:
    desk.receipt("a.json")
    review = ("--querier", "bank-a", "--purpose", "credit-review", "--scope", "synthetic")
    desk.subject("receipt", *review, "--out", desk.folder / "b.json")
    desk.subject("receipt", *review, "--inquiry", "hard", "--out", desk.folder / "c.json")
    inquiries = [Consent.decode((desk.folder / f"{name}.json").read_bytes()).receipt.receipt.inquiry for name in "abc"]
    assert inquiries == [Inquiry.HARD, Inquiry.SOFT, Inquiry.HARD]


def test_show_tells_what_was_permitted_and_taken_back_and_not_who_she_is(desk: Desk, tmp_path: Path) -> None:
    desk.receipt("a.json")
    desk.receipt("b.json")
    first = desk.shown()["receipts"][0]["serial"]
    told = json.loads(desk.subject("revoke", first, "--out", tmp_path / "revoked.json", "--json").output)
    assert told["serial"] == first
    signed = SignedRevocation.decode((tmp_path / "revoked.json").read_bytes())
    signed.verify()
    states = {each["serial"]: each["state"] for each in desk.shown()["receipts"]}
    assert sorted(states.values()) == ["revoked", "valid"]
    assert states[first] == "revoked"
    assert desk.shown()["authority"] == "e-id"
    text = desk.subject("show").output
    assert "revoked" in text
    assert PERSON not in text
    assert PERSON not in desk.subject("show", "--json").output


def test_nothing_is_overwritten(desk: Desk) -> None:
    desk.receipt("a.json")
    again = desk.receipt("a.json")
    assert isinstance(again.exception, ConfigurationError)
    assert len(desk.shown()["receipts"]) == 1  # nor is one made that nobody gets


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (("certify", "r.json", "-", "--out", "x.json"), "86095742719"),  # another person's
        (("certify", "r.json", "-", "--out", "x.json"), "no identifier"),
        (("certify", "missing.json", "-", "--out", "x.json"), PERSON),
        (("certify", "r.json", "-", "--out", "i.json"), PERSON),  # there already
    ],
)
def test_the_authority_refuses_and_writes_nothing(words: Any, stdin: str, desk: Desk, tmp_path: Path) -> None:
    before = (tmp_path / "i.json").read_bytes()
    line = [tmp_path / word if word.endswith(".json") else word for word in words]
    refused = desk.identity(*line, stdin=stdin)
    assert refused.exit_code != 0
    assert PERSON not in refused.output + str(refused.exception)
    assert not (tmp_path / "x.json").exists()
    assert (tmp_path / "i.json").read_bytes() == before


def test_the_authority_is_told_as_the_operator_writes_it(desk: Desk, tmp_path: Path) -> None:
    made = CliRunner().invoke(identity, ["init", "--home", str(tmp_path / "other"), "--name", "e-id north"])
    key = json.loads(CliRunner().invoke(identity, ["show", "--home", str(tmp_path / "other"), "--json"]).output)["key"]
    assert f'[authorities]\n  "e-id north" = "{key}"' in made.output
    shown = json.loads(desk.identity("show", "--json").output)
    assert len(shown["statements"]) == 1
    assert "1 statements" in desk.identity("show").output
