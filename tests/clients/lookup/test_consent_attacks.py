"""A bank that would ask without consent: its own node refuses by the rule, and not one byte leaves it.

The coordinator is a socket that counts what comes. With the check off the same question dials it: the test can fail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from consenting_home import Listener, consenting_home, listening
from typer.testing import CliRunner
from wallets import DAY_S, PURPOSE, Persons, scope_of

from clients.identity.authority import IdentityHome
from clients.institution.home import InstitutionHome
from clients.institution.lookup import gate as gate_module
from clients.institution.lookup.consent_cli import app as consent_app
from clients.institution.lookup.gate import Admitted, Gate
from clients.institution.lookup.querier import Querier
from clients.institution.lookup.query_cli import NO_CONSENT, UNAVAILABLE, app
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable
from protocols.consent.consent import Consent
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.signing import SigningKey

MARY, JOHN = "P-0017", "P-0018"


@dataclass
class Attack:
    """A bank, its persons, and the socket behind which everybody else would be."""

    home: InstitutionHome
    persons: Persons
    outside: Listener

    def query(self, receipt: bytes | None, *words: str, subject: str = MARY) -> Any:
        """`fedscore institution query` with this consent document."""
        given: list[str] = []
        if receipt is not None:
            file = self.persons.folder / f"receipt-{time.monotonic_ns()}.json"
            file.write_bytes(receipt)
            given = ["--receipt", str(file)]
        fixed = ["-", "--home", str(self.home.path), "--purpose", PURPOSE, "--patience", "0", *given, *words]
        return CliRunner().invoke(app, fixed, input=subject)

    def good(self, person: str = MARY, **changes: Any) -> Consent:
        return self.persons.consent(person, "bank-a", **changes)

    def revoke(self, consent: Consent) -> Any:
        file = self.persons.folder / f"revocation-{consent.serial}.json"
        file.write_bytes(self.persons.wallet(MARY).revoke(consent.serial).encode())
        return CliRunner().invoke(consent_app, ["revoke", str(file), "--home", str(self.home.path), "--json"])


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    persons = Persons.under(tmp_path)
    with listening() as outside:
        yield Attack(consenting_home(tmp_path, outside, persons.authorities), persons, outside)


def signed_by_the_bank(attack: Attack) -> bytes:
    """A receipt about Mary under the bank's own key, beside the true statement of whose key is hers."""
    good = attack.good()
    key = SigningKey.generate()
    return replace(good, receipt=replace(good.receipt.receipt, subject_key=key.public).sign(key)).encode()


def own_authority(attack: Attack) -> bytes:
    """The bank runs an authority of the same name, that states Mary's key is one of its own."""
    home = IdentityHome.create(attack.persons.folder / "false", "e-id", "opaque")
    false = Persons(attack.persons.folder / "own", home)
    false.folder.mkdir()
    return false.consent(MARY, "bank-a").encode()


def revoked(attack: Attack) -> bytes:
    consent = attack.good()
    assert attack.revoke(consent).exit_code == 0
    return consent.encode()


def prolonged(attack: Attack) -> bytes:
    """Her expired receipt, its date put off."""
    old = attack.good(now=int(time.time()) - 9 * DAY_S, until=int(time.time()) - DAY_S)
    later = replace(old.receipt.receipt, expires=int(time.time()) + DAY_S)
    return replace(old, receipt=replace(old.receipt, receipt=later)).encode()


def of_another_catalogue(attack: Attack) -> bytes:
    return attack.good(scope=replace(scope_of(), hash=bytes(32))).encode()


def expired(attack: Attack) -> bytes:
    return attack.good(now=1, until=2).encode()


def not_yet(attack: Attack) -> bytes:
    now = int(time.time())
    return attack.good(now=now + DAY_S, until=now + 2 * DAY_S).encode()


WRONG: dict[str, tuple[Rule, Callable[[Attack], bytes | None]]] = {
    "none": (Rule.MISSING, lambda attack: None),
    "an empty file": (Rule.MISSING, lambda attack: b""),
    "no document": (Rule.MALFORMED, lambda attack: b"she said yes"),
    "a receipt without the rest": (Rule.MALFORMED, lambda attack: attack.good().receipt.encode()),
    "signed by the bank": (Rule.UNKNOWN_KEY, signed_by_the_bank),
    "stated by the bank's own authority": (Rule.UNKNOWN_KEY, own_authority),
    "its date put off": (Rule.FORGED, prolonged),
    "another person's": (Rule.WRONG_SUBJECT, lambda attack: attack.good(JOHN).encode()),
    "for another bank": (Rule.WRONG_QUERIER, lambda attack: attack.persons.consent(MARY, "bank-b").encode()),
    "for another purpose": (Rule.WRONG_PURPOSE, lambda attack: attack.good(purpose="credit-review").encode()),
    "of another catalogue": (Rule.WRONG_SCOPE, of_another_catalogue),
    "of tomorrow": (Rule.NOT_YET_VALID, not_yet),
    "expired": (Rule.EXPIRED, expired),
    "revoked": (Rule.REVOKED, revoked),
}


@pytest.mark.parametrize("kind", list(WRONG))
def test_a_question_without_consent_is_refused_by_its_rule_and_not_a_byte_leaves(kind: str, attack: Attack) -> None:
    rule, make = WRONG[kind]
    receipt = make(attack)
    told = attack.query(receipt, "--json")
    assert told.exit_code == NO_CONSENT, told.output
    assert json.loads(told.output)["refused"] == rule
    assert MARY not in told.output
    with Querier.open(attack.home, patience=0.0) as querier:
        for ask in (lambda: querier.ask(MARY, PURPOSE, receipt or b""), lambda: _all(querier, receipt or b"")):
            with pytest.raises(ConsentRefused) as refused:
                ask()
            assert refused.value.rule is rule
    time.sleep(0.05)
    assert (attack.outside.connections, attack.outside.received) == (0, b"")


def _all(querier: Querier, receipt: bytes) -> None:
    list(querier.ask_many([Question(MARY, PURPOSE, receipt)]))


@pytest.mark.parametrize("kind", list(WRONG))
def test_with_the_check_off_the_same_question_goes_out(
    kind: str, attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = WRONG[kind][1](attack)
    monkeypatch.setattr(Gate, "check", lambda gate, question: Admitted(question.subject.encode()))
    told = attack.query(receipt, "--json")
    assert told.exit_code == UNAVAILABLE, told.output
    assert attack.outside.connections > 0
    assert len(attack.outside.received) > 0


def test_a_good_receipt_passes_the_gate_and_dials(attack: Attack) -> None:
    told = attack.query(attack.good().encode(), "--json")
    assert told.exit_code == UNAVAILABLE, told.output  # nobody answers behind the socket
    assert json.loads(told.output)["party"] == "relay"
    assert attack.outside.connections > 0


def test_under_a_roster_without_authorities_nobody_is_asked_for_consent(attack: Attack, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    home = consenting_home(other, attack.outside, {})
    with Querier.open(home, patience=0.0) as querier:
        assert isinstance(querier.ask(MARY, PURPOSE).outcome, Unavailable)
    assert attack.outside.connections > 0


def test_an_authority_outside_of_the_roster_is_taken_where_the_roster_is_not_looked_at(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection is the roster's word for whose statements count: with the document's own, the forgery passes."""
    forged = Consent.decode(own_authority(attack))
    false = IdentityHome.open(attack.persons.folder / "false").authority
    real = gate_module.check_consent
    monkeypatch.setattr(
        gate_module, "check_consent", lambda given, **of: real(given, **(of | {"authorities": (false,)}))
    )
    assert attack.query(forged.encode(), "--json").exit_code == UNAVAILABLE


def test_a_file_with_one_wrong_receipt_asks_nothing(attack: Attack, tmp_path: Path) -> None:
    receipts = tmp_path / "receipts"
    receipts.mkdir()
    good = [attack.good(), attack.good()]
    for name, data in (("1", good[0].encode()), ("2", good[1].encode()), ("3", expired(attack))):
        (receipts / name).write_bytes(data)
    batch, out = tmp_path / "questions.csv", tmp_path / "answers.csv"

    def ask(*lines: str, header: str = "subject,purpose,receipt") -> Any:
        batch.write_text("\n".join((header, *lines)) + "\n")
        words = ["--batch", str(batch), "--out", str(out), "--home", str(attack.home.path), "--patience", "0", "--json"]
        return CliRunner().invoke(app, words)

    first, second, third = (f"{MARY},{PURPOSE},receipts/{name}" for name in "123")
    for lines, rule, line in (
        ((first, second, third), Rule.EXPIRED, 4),
        ((first, f"{MARY},{PURPOSE},"), Rule.MISSING, 3),
        ((first, second, first), Rule.USED, 4),
    ):
        told = ask(*lines)
        assert told.exit_code == NO_CONSENT, told.output
        facts = json.loads(told.output)
        assert facts["refused"] == rule
        assert f"line {line}" in facts["got"]
        assert MARY not in told.output
    assert json.loads(ask(f"{MARY},{PURPOSE}", header="subject,purpose").output)["refused"] == Rule.MISSING
    assert ask(f"{MARY},{PURPOSE},receipts/9").exit_code == 1
    assert not out.exists()
    assert attack.outside.connections == 0
    assert ask(first, second).exit_code == UNAVAILABLE
    assert attack.outside.connections > 0
