"""The person's wallet: what it signs is covered, what it keeps is hers alone, what is wrong is refused by name."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from wallets import PURPOSE, Persons, scope_of

from clients.subject.wallet import IDENTITY_FILE, Wallet
from federation.errors import ConfigurationError, FederationError
from federation.lookup.identifiers import scheme
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent, check_consent
from protocols.consent.identity import IdentityRequest, SignedIdentity
from protocols.consent.receipt import Inquiry, SignedRevocation
from protocols.errors import ProtocolError

MARY, JOHN = "36574261809", "86095742719"


@pytest.fixture
def persons(tmp_path: Path) -> Persons:
    return Persons.under(tmp_path, "de-steuer-id")


def covered(persons: Persons, consent: Consent, identifier: str, revoked: Revocations | None = None) -> Inquiry:
    receipt = check_consent(
        consent,
        identifier=scheme("de-steuer-id").normalise(identifier),
        querier="bank-a",
        purpose=PURPOSE,
        scope=scope_of(),
        now=int(time.time()),
        authorities=(persons.authority.authority,),
        revoked=revoked or Revocations(),
    )
    return receipt.inquiry


def test_what_she_permits_covers_the_inquiry_until_she_takes_it_back(persons: Persons) -> None:
    consent = persons.consent(MARY, "bank-a")
    wallet = persons.wallet(MARY)
    assert covered(persons, consent, "36 574 261 809") is Inquiry.HARD  # as the bank writes the identifier
    signed = wallet.revoke(consent.serial)
    assert SignedRevocation.decode(signed.encode()) == signed == wallet.revoke(consent.serial)
    assert wallet.revoked(consent.serial)
    with pytest.raises(ProtocolError, match="revoked"):
        covered(persons, consent, MARY, Revocations.of([(signed, int(time.time()))]))


def test_every_receipt_is_kept_and_has_a_number_of_its_own(persons: Persons) -> None:
    given = [persons.consent(MARY, f"bank-{number}", now=1000 + number, until=9999) for number in range(3)]
    assert Wallet.open(persons.wallet(MARY).path).permitted() == tuple(given)
    assert len({consent.serial for consent in given}) == 3


def test_nobody_else_can_read_a_wallet(persons: Persons, tmp_path: Path) -> None:
    persons.wallet(MARY).revoke(persons.consent(MARY, "bank-a").serial)
    for home in (persons.wallet(MARY).path, persons.authority.path):
        files = [file for file in home.rglob("*") if file.is_file()]
        assert len(files) >= 3
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in home.rglob("*") if folder.is_dir()} == {0o700}
    (persons.wallet(MARY).path / "wallet.json").chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode 0644"):
        Wallet.open(persons.wallet(MARY).path)


def test_neither_repr_nor_error_shows_who_she_is(persons: Persons) -> None:
    wallet = persons.wallet(MARY)
    for shown in (repr(wallet), repr(wallet.subject), repr(persons.consent(MARY, "bank-a"))):
        assert MARY not in shown
        assert wallet.subject.salt.hex() not in shown
        assert repr(wallet.subject.salt) not in shown
    with pytest.raises(FederationError) as refused:
        Wallet.create(persons.folder / "other", "36574261808", "de-steuer-id")
    assert "36574261808" not in str(refused.value)


def test_a_wallet_is_never_made_over_another(persons: Persons) -> None:
    path, key = persons.wallet(MARY).path, persons.wallet(MARY).key.public
    with pytest.raises(ConfigurationError, match="existing"):
        Wallet.create(path, JOHN, "de-steuer-id")
    assert Wallet.open(path).key.public == key


def test_without_a_statement_of_an_authority_nothing_is_permitted(persons: Persons, tmp_path: Path) -> None:
    wallet = Wallet.create(tmp_path / "new", MARY, "de-steuer-id")
    assert wallet.identity is None
    with pytest.raises(ConfigurationError, match="identity"):
        wallet.permit(querier="bank-a", purpose=PURPOSE, scope=scope_of(), inquiry=Inquiry.SOFT, now=1, until=2)
    assert wallet.permitted() == ()


def test_a_wallet_takes_only_a_statement_about_itself(persons: Persons) -> None:
    other = persons.wallet(JOHN).identity
    assert other is not None
    before = persons.wallet(MARY).identity
    for wrong in (other, replace(other, statement=replace(other.statement, key=persons.wallet(MARY).key.public))):
        with pytest.raises(ConfigurationError, match="another wallet"):
            persons.wallet(MARY).accept(wrong.encode())
    with pytest.raises(ProtocolError):
        persons.wallet(MARY).accept(b"{}")
    assert persons.wallet(MARY).identity == before


def test_only_receipts_of_this_wallet_are_revoked(persons: Persons) -> None:
    hers = persons.consent(JOHN, "bank-a").serial
    for serial in (hers, "../../e-id/signing", "00"):
        with pytest.raises((ConfigurationError, ProtocolError)):
            persons.wallet(MARY).revoke(serial)


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"version": 2}), "[1"])
def test_a_wallet_of_another_form_is_refused(text: str, persons: Persons) -> None:
    file = persons.wallet(MARY).path / "wallet.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"wallet\.json"):
        Wallet.open(file.parent)


def test_the_authority_states_what_it_verified_and_not_what_a_wallet_claims(persons: Persons) -> None:
    """John brings a request about Mary: with the comparison off, his key would be hers."""
    wallet = Wallet.create(persons.folder / "false", MARY, "de-steuer-id")
    now = int(time.time())
    with pytest.raises(ConfigurationError, match="somebody else") as refused:
        persons.authority.certify(wallet.request(), JOHN, start=now, until=now + 9)
    assert MARY not in str(refused.value)
    assert not (wallet.path / IDENTITY_FILE).exists()
    assert len(persons.authority.statements()) == 0
    persons.authority.certify(wallet.request(), MARY, start=now, until=now + 9)
    assert [each.statement.key for each in persons.authority.statements()] == [wallet.key.public]


def test_the_authority_keeps_no_identifier(persons: Persons) -> None:
    persons.wallet(MARY)
    for file in persons.authority.path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert MARY.encode() not in data
            assert scheme("de-steuer-id").normalise(MARY).hex().encode() not in data
    [signed] = persons.authority.statements()
    assert isinstance(signed, SignedIdentity)
    assert IdentityRequest.read(persons.wallet(MARY).request()).key == signed.statement.key
