"""Invitations travel by hand and over networks: what in them is believed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from blind_homes import Blind

from clients.lender.home import LenderHome
from federation.blind.invitation import Invitation
from federation.errors import ConfigurationError
from federation.runtime.pki import Authority
from protocols.errors import SignatureError
from protocols.signing import SigningKey


def test_whoever_passes_an_invitation_on_cannot_put_an_authority_of_its_own_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, scores of its choice would be believed: the fingerprint that is read out is the owner's all the same."""
    blind, home = Blind(tmp_path), LenderHome.create(tmp_path / "b", "acme", "synthetic")
    application, file = tmp_path / "acme.csr", tmp_path / "acme.json"
    application.write_bytes(home.request)
    arguments = ["--application", str(application), "--fingerprint", home.fingerprint, "--address", "127.0.0.1:1"]
    assert blind.owner("allow", "acme", *arguments, "--out", str(file)).exit_code == 0
    mine, now = Authority.create("bank-0", datetime.now(UTC)), datetime.now(UTC)
    honest = Invitation.read(file.read_bytes())
    changed = {
        "authority": mine.certificate_pem.decode(),
        "chain": mine.sign_member(home.request, "acme", now).decode(),
        "address": "127.0.0.1:666",
    }
    forged, fingerprint = honest.model_copy(update=changed), blind.opened.home.fingerprint
    for swapped in (forged, forged.model_copy(update={"signature": ""}), forged.signed_by(SigningKey.generate())):
        with pytest.raises(SignatureError):
            home.join(swapped.canonical(), fingerprint, now)
    assert not (home.path / "invitation.json").exists()
    with monkeypatch.context() as unchecked:
        unchecked.setattr(Invitation, "verify", lambda _: None)
        assert home.join(forged.canonical(), fingerprint, now).address == "127.0.0.1:666"
    (home.path / "invitation.json").unlink()
    assert home.join(honest.canonical(), fingerprint, now).address == "127.0.0.1:1"
    with pytest.raises(ConfigurationError, match="address"):  # it is printed to a terminal
        Invitation.read(honest.canonical().replace(b"127.0.0.1:1", b"\\u001b[2Jbank:1"))
