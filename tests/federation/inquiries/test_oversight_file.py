"""The oversight key as operator and members take it: from its holders' document, and for their own federation."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clients.institution.lookup.roster_cli import holders
from federation.errors import ConfigurationError
from federation.inquiries.holder_home import HolderHome, settings_text
from federation.inquiries.oversight_file import read_oversight
from federation.runtime import pki
from federation.runtime.pki import key_fingerprint
from federation.runtime.private_files import read_private
from protocols.consent.holders import OversightKey
from protocols.errors import ProtocolError
from protocols.oprf.group import base, random_scalar
from protocols.signing import SigningKey
from server.cli_epoch import _oversight

LOG, COORDINATOR = SigningKey.generate(), SigningKey.generate()


def made(folder: Path, name: str, **changes: Any) -> HolderHome:
    fields = {
        "log": LOG.public.hex,
        "coordinator": COORDINATOR.public.hex,
        "host": "127.0.0.1",
        "bind": "127.0.0.1",
        "port": 9490,
        "authorities": {"e-id": SigningKey.generate().public.hex},
    }
    return HolderHome.create(folder / name, settings_text(name=name, **fields | changes))


@pytest.fixture
def homes(tmp_path: Path) -> list[HolderHome]:
    return [made(tmp_path, name) for name in ("ombudsman", "regulator")]


def joined(homes: list[HolderHome]) -> OversightKey:
    one, other = homes
    one.join(other.statement, key_fingerprint(other.statement.key))
    return other.join(one.statement, key_fingerprint(one.statement.key))


def test_both_have_the_same_document_and_keep_it(homes: list[HolderHome]) -> None:
    key = joined(homes)
    assert [HolderHome.open(home.path).oversight for home in homes] == [key, key]
    assert joined(homes) == key  # once more changes nothing
    other = made(homes[0].path.parent, "third")
    with pytest.raises(ConfigurationError, match="another joint key"):
        homes[0].join(other.statement, key_fingerprint(other.statement.key))


def test_who_has_not_compared_the_key_joins_nobody(homes: list[HolderHome]) -> None:
    for wrong in ("", key_fingerprint(homes[0].statement.key), key_fingerprint(homes[1].statement.key)[:-2]):
        with pytest.raises(ConfigurationError, match="key of regulator"):
            homes[0].join(homes[1].statement, wrong)
    assert not homes[0].joined
    with pytest.raises(ConfigurationError, match="join"):
        _ = homes[0].oversight


def test_a_holder_of_another_federation_is_not_joined(homes: list[HolderHome], tmp_path: Path) -> None:
    other = made(tmp_path, "elsewhere", log=SigningKey.generate().public.hex)
    with pytest.raises(ProtocolError, match="federations"):
        homes[0].join(other.statement, key_fingerprint(other.statement.key))


def test_operator_and_members_read_the_same_key(homes: list[HolderHome]) -> None:
    key = joined(homes)
    file = homes[0].path / "oversight.json"
    log = SimpleNamespace(public=SimpleNamespace(key=LOG.public))
    coordinator: Any = SimpleNamespace(log_key=log, signing_key=COORDINATOR)
    assert _oversight(coordinator, file) == key.public.hex()
    assert _oversight(coordinator, None) == ""
    proposal = {"log_key": LOG.public.hex, "coordinator_key": COORDINATOR.public.hex, "oversight": key.public.hex()}
    named = holders(file, proposal)["keys"]
    assert named == {home.name: key_fingerprint(home.statement.key) for home in homes}
    for other in ("", base(random_scalar(os.urandom)).hex()):
        with pytest.raises(ConfigurationError, match="oversight key"):
            holders(file, {**proposal, "oversight": other})


def test_the_document_of_another_federation_is_refused(homes: list[HolderHome]) -> None:
    joined(homes)
    file, stranger = homes[0].path / "oversight.json", SigningKey.generate().public
    for keys in ({"log": stranger}, {"coordinator": stranger}):
        with pytest.raises(ConfigurationError):
            read_oversight(file, **{"log": LOG.public, "coordinator": COORDINATOR.public, **keys})
    with pytest.raises(ConfigurationError, match=r"oversight\.json"):
        read_oversight(file.with_name("none"), log=LOG.public, coordinator=COORDINATOR.public)


def test_a_home_is_made_once_and_its_secrets_are_its_owners(homes: list[HolderHome], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="existing home"):
        made(tmp_path, "ombudsman")
    for name in ("share.key", "ca.key", "signing.pem"):
        file = homes[0].path / "keys" / name
        assert file.stat().st_mode & 0o077 == 0
        file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode"):
        _ = homes[0].share
    assert homes[1].share.secret.hex() not in repr(homes[1].share)
    with pytest.raises(ConfigurationError):
        made(tmp_path, "nobody", authorities={})


def test_a_certificate_is_made_afresh_when_a_third_of_its_time_is_left(homes: list[HolderHome]) -> None:
    home, file = homes[0], homes[0].path / "keys" / "tls.crt"
    home.server_credentials()
    first = file.read_bytes()
    home.server_credentials()
    assert file.read_bytes() == first
    keys, old = home.path / "keys", datetime.now(UTC) - timedelta(days=61)
    request = pki.signing_request(read_private(keys / "tls.key"), "127.0.0.1")
    authority = pki.Authority.from_pem((keys / "ca.crt").read_bytes(), read_private(keys / "ca.key"))
    file.write_bytes(authority.sign_server(request, ("127.0.0.1",), old))
    home.server_credentials()
    left = pki.load_certificate(file.read_bytes()).not_valid_after_utc - datetime.now(UTC)
    assert left > timedelta(days=89)
