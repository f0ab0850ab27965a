"""The wallet and an institution's acknowledgement: what it keeps, what it does not, what it hands to a regulator."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_world import key_of, log_key
from typer.testing import CliRunner
from wallets import Persons

from clients.subject.cli import app
from clients.subject.wallet import Wallet
from federation.errors import ConfigurationError, FederationError
from federation.inquiries.acknowledged import Acknowledged, Complaint
from federation.oversight.inquiries import RevocationTaken
from protocols.consent.acknowledgement import Acknowledgement, commitment
from protocols.consent.receipt import SignedRevocation
from protocols.errors import ProtocolError
from protocols.transparency import LogKey, Promise

MARY, NOW = "P-0017", int(time.time())
LOG = log_key()


def acknowledged(
    signed: SignedRevocation, *, bank: str = "bank-a", index: int = 7, log: LogKey = LOG, **changes: Any
) -> Acknowledged:
    """What an institution would hand over, its log entry at place `index`."""
    said = replace(Acknowledgement(bank, signed.hash, None, NOW), **changes)
    nonce = b"n" * 32
    entry = RevocationTaken(bank, commitment(nonce, said).hex()).entry(key_of(bank))
    promise = Promise.make(log, leaf_hash=entry.hash, index=index, issued_at=NOW, merge_delay_s=60)
    return Acknowledged(said, nonce, entry, promise)


@pytest.fixture
def persons(tmp_path: Path) -> Persons:
    return Persons.under(tmp_path)


@pytest.fixture
def wallet(persons: Persons) -> Wallet:
    return persons.wallet(MARY)


def run(wallet: Wallet, *words: object, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--wallet", str(wallet.path), "--json"])
    assert done.exit_code == code, done.output
    return dict(json.loads(done.stdout))


def test_from_revocation_to_complaint_by_the_commands(wallet: Wallet, persons: Persons, tmp_path: Path) -> None:
    serial = persons.consent(MARY, "bank-a").serial
    run(wallet, "revoke", serial, "--out", tmp_path / "revocation.json")
    signed = SignedRevocation.decode((tmp_path / "revocation.json").read_bytes())
    assert run(wallet, "show")["receipts"][0]["acknowledged"] is None
    bare = run(wallet, "complain", serial, "--out", tmp_path / "bare.json")
    assert not bare["acknowledged"]
    assert Complaint.decode((tmp_path / "bare.json").read_bytes()).acknowledged is None
    shown = acknowledged(signed)
    (tmp_path / "a.json").write_bytes(shown.encode())
    told = run(wallet, "acknowledged", tmp_path / "a.json")
    assert (told["index"], told["served"], told["verified"]) == (7, False, False)
    said = run(wallet, "show")["receipts"][0]
    assert (said["state"], said["acknowledged"]["index"]) == ("revoked", 7)
    assert "acknowledged" in CliRunner().invoke(app, ["show", "--wallet", str(wallet.path)]).output
    assert run(wallet, "complain", serial, "--out", tmp_path / "c.json")["acknowledged"]
    assert Complaint.decode((tmp_path / "c.json").read_bytes()) == Complaint(signed, shown)
    identifier = MARY.encode()
    for secret in (identifier, identifier.hex().encode(), wallet.subject.salt.hex().encode()):
        assert secret not in (tmp_path / "c.json").read_bytes()


def test_what_is_not_in_order_is_not_kept(wallet: Wallet, persons: Persons) -> None:
    consent, other = persons.consent(MARY, "bank-a"), persons.consent(MARY, "bank-a")
    signed, unknown = wallet.revoke(consent.serial), persons.consent("P-0018", "bank-a")
    stranger = persons.wallet("P-0018").revoke(unknown.serial)
    good = acknowledged(signed)
    wrong = {
        "in another institution's name": acknowledged(signed, bank="bank-b"),
        "another person's": acknowledged(stranger),
        "not logged as said": replace(good, said=replace(good.said, time=1)),
        "another nonce": replace(good, nonce=b"m" * 32),
        "a promise of another entry": replace(good, promise=acknowledged(signed, time=1).promise),
    }
    for name, shown in wrong.items():
        with pytest.raises(ProtocolError):
            wallet.acknowledge(shown.encode(), NOW)
        assert wallet.acknowledgement(consent.serial) is None, name
    broken = json.loads(good.encode())
    broken["statement"]["signature"] = "00" * 64
    with pytest.raises(ProtocolError):
        wallet.acknowledge(json.dumps(broken, sort_keys=True, separators=(",", ":")).encode(), NOW)
    with pytest.raises(ConfigurationError, match="in force"):
        wallet.complaint(other.serial)
    with pytest.raises(FederationError):
        wallet.complaint("00" * 16)


def test_a_promise_of_no_log_is_not_kept_where_the_log_is_known_and_takes_no_others_place(
    wallet: Wallet, persons: Persons
) -> None:
    serial = persons.consent(MARY, "bank-a").serial
    signed = wallet.revoke(serial)
    forged = acknowledged(signed, index=0, log=LogKey.from_seed(LOG.public.name, b"f" * 32))
    with pytest.raises(ProtocolError):
        wallet.acknowledge(forged.encode(), NOW, LOG.public)
    wallet.acknowledge(forged.encode(), NOW)  # nothing to hold it against
    good = acknowledged(signed)
    wallet.acknowledge(good.encode(), NOW, LOG.public)
    assert wallet.acknowledgement(serial) == good
    wallet.acknowledge(forged.encode(), NOW)
    assert wallet.acknowledgement(serial) == good
