"""A wallet that comes from an older copy: what it handed out since is not lost to her."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner
from wallets import Persons

from clients.subject.cli import app
from clients.subject.wallet import Wallet
from federation.errors import ConfigurationError
from protocols.errors import ProtocolError
from protocols.signing import SigningKey

MARY, JOHN = "P-0017", "P-0018"


def test_what_was_handed_out_since_can_be_revoked_once_it_is_kept_again(tmp_path: Path) -> None:
    persons = Persons.under(tmp_path)
    wallet, copy = persons.wallet(MARY), tmp_path / "copy"
    shutil.copytree(wallet.path, copy)
    given = persons.consent(MARY, "bank-a")
    (tmp_path / "c.json").write_bytes(given.encode())
    restored = Wallet.open(copy)
    with pytest.raises(ConfigurationError, match=given.serial):
        restored.revoke(given.serial)
    for _ in range(2):
        told = CliRunner().invoke(app, ["keep", str(tmp_path / "c.json"), "--wallet", str(copy)])
        assert told.exit_code == 0, told.output
    (file,) = (copy / "receipts").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert restored.revoke(given.serial) == wallet.revoke(given.serial)


def test_nothing_is_kept_that_the_wallet_did_not_sign_about_its_owner(tmp_path: Path) -> None:
    """A bank would have her believe that she permitted what it asked."""
    persons = Persons.under(tmp_path)
    wallet, good, bank = persons.wallet(MARY), persons.consent(MARY, "bank-a"), SigningKey.generate()
    receipt = good.receipt.receipt
    own = replace(good, receipt=replace(receipt, subject_key=bank.public, serial="ab" * 16).sign(bank))
    changed = replace(good, receipt=replace(good.receipt, receipt=replace(receipt, serial="cd" * 16)))
    of_another = replace(good, receipt=replace(receipt, subject=bytes(32), serial="ef" * 16).sign(wallet.key))
    before = wallet.permitted()
    for wrong in (own, changed, of_another, persons.consent(JOHN, "bank-a")):
        with pytest.raises(ProtocolError):
            wallet.keep(wrong.encode())
    with pytest.raises(ProtocolError):
        wallet.keep(b"{}")
    assert wallet.permitted() == before
