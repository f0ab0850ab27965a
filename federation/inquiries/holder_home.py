"""A holder's home: its share of the oversight key, its TLS keys, and the document that names all holders.

home = HolderHome.create(path, settings_text(...), signing_key)     # the regulator's own key, or a fresh one
home.statement                                                       # holder.json: goes to the other holder
home.join(others, fingerprint)                                       # oversight.json: to operator, members, persons

holder.toml    settings                  holder.db       the questions of the last day
holder.json    who this holder is        oversight.json  all of them
keys/  signing.pem share.key ca.key ca.crt tls.key tls.crt
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import grpc
from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from federation.errors import ConfigurationError
from federation.runtime import pki
from federation.runtime.private_files import (
    check_private_home,
    keep_private,
    private_directory,
    read_private,
    write_public,
)
from federation.runtime.rpc import server_tls
from federation.runtime.settings import HexDigest, HomeSettings, MetricsSetting, Name, parse_settings, read_settings
from protocols.consent.holders import HolderStatement, OversightKey, SignedHolder
from protocols.lookup.fields import from_hex
from protocols.lookup.roster import Authority
from protocols.oprf.joint_key import KeyShare
from protocols.signing import SigningKey, VerifyingKey

SETTINGS_FILE, STATEMENT_FILE, OVERSIGHT_FILE = "holder.toml", "holder.json", "oversight.json"
_FOLDERS = ("keys", "logs")


class HolderSettings(HomeSettings):
    """HOME/holder.toml. `host`: under which persons reach it; `daily_tags`: one person may ask about, in a day."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_HOLDER_")

    name: Name
    log: HexDigest
    coordinator: HexDigest
    host: str = Field(min_length=1, max_length=255)
    bind: str = "127.0.0.1"
    port: int = Field(default=9490, ge=0, le=65535)
    daily_tags: PositiveInt = 200_000
    metrics: MetricsSetting = "auto"
    authorities: dict[Annotated[str, Field(min_length=1, max_length=64)], HexDigest] = Field(min_length=1)


def settings_text(
    *, name: str, log: str, coordinator: str, host: str, bind: str, port: int, authorities: Mapping[str, str]
) -> str:
    """The text of a new holder.toml."""
    named = "\n".join(f"{json.dumps(each)} = {json.dumps(key)}" for each, key in sorted(authorities.items()))
    return f"""# A holder of the oversight key. The environment (FEDSCORE_HOLDER_*) wins over it.
name = {json.dumps(name)}

# The federation, by the keys of its log and its coordinator.
log = {json.dumps(log)}
coordinator = {json.dumps(coordinator)}

# Where persons ask: the name or address they use, and what this process listens on.
host = {json.dumps(host)}
bind = {json.dumps(bind)}
port = {port}

# How many tags one person may ask about in a day: a thousand are a second of this machine.
daily_tags = 200000

# Metrics and health on 127.0.0.1: "auto", "off", or a port to count from (docs/observability.md).
metrics = "auto"

# Who states whose key is whose (name = key): as in the roster of the private query.
[authorities]
{named}
"""


@dataclass(frozen=True)
class HolderHome:
    """A home that was opened: valid settings, keys readable by their owner only."""

    path: Path
    settings: HolderSettings

    @classmethod
    def create(cls, path: Path | str, settings: str, signing: SigningKey | None = None) -> HolderHome:
        """Make the home, its share and its statement, signed with `signing` (a fresh key of its own if None).

        If it was interrupted, the same call goes on with the same keys. Raises ConfigurationError if there is a home
        already or the settings are invalid.
        """
        home = private_directory(Path(path))
        if (home / SETTINGS_FILE).exists():
            raise ConfigurationError(str(home / SETTINGS_FILE), got="an existing home", expected="none")
        parsed = parse_settings(HolderSettings, settings, where=SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        keep_private(keys / "share.key", lambda: KeyShare.generate(os.urandom).secret.hex().encode())
        if signing is None:
            keep_private(keys / "signing.pem", lambda: SigningKey.generate().to_pem())
            signing = SigningKey.from_pem(read_private(keys / "signing.pem"))
        if not (keys / "ca.crt").exists():
            authority = pki.Authority.create(parsed.name, datetime.now(UTC))
            (keys / "ca.key").unlink(missing_ok=True)
            keep_private(keys / "ca.key", lambda: authority.key_pem)
            write_public(keys / "ca.crt", authority.certificate_pem)
        opened = cls(home.resolve(), parsed)
        said = HolderStatement(
            name=parsed.name,
            log=VerifyingKey.from_hex(parsed.log),
            coordinator=VerifyingKey.from_hex(parsed.coordinator),
            public=opened.share.public,
            address=f"[{parsed.host}]:{parsed.port}" if ":" in parsed.host else f"{parsed.host}:{parsed.port}",
            authority=(keys / "ca.crt").read_text(),
        )
        write_public(home / STATEMENT_FILE, said.sign(signing, opened.share, os.urandom).encode())
        write_public(home / SETTINGS_FILE, settings.encode(), mode=0o600)
        return opened

    @classmethod
    def open(cls, path: Path | str) -> HolderHome:
        """Raises ConfigurationError (settings, permissions)."""
        home = Path(path).resolve()
        settings = read_settings(HolderSettings, home / SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        return cls(home, settings)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def share(self) -> KeyShare:
        text = read_private(self.path / "keys" / "share.key").decode(errors="replace")
        return KeyShare(from_hex(text, "keys/share.key", 32))

    @property
    def statement(self) -> SignedHolder:
        """Who this holder is. Raises ConfigurationError, ProtocolError."""
        return SignedHolder.decode(_read(self.path / STATEMENT_FILE))

    @property
    def authorities(self) -> tuple[Authority, ...]:
        named = sorted(self.settings.authorities.items())
        return tuple(Authority(name, VerifyingKey.from_hex(key)) for name, key in named)

    @property
    def joined(self) -> bool:
        return (self.path / OVERSIGHT_FILE).exists()

    @property
    def oversight(self) -> OversightKey:
        """All holders. Raises ConfigurationError before `join`, ProtocolError for a document that does not hold."""
        key = OversightKey.decode(_read(self.path / OVERSIGHT_FILE))
        if key.shares.get(self.name) != self.share.public:
            raise ConfigurationError(OVERSIGHT_FILE, got="another share for this holder", expected="its own")
        return key

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.path / 'holder.db'}"

    @property
    def certificate_ends(self) -> datetime:
        """Of the TLS certificate that `server_credentials` made last."""
        return pki.load_certificate(_read(self.path / "keys" / "tls.crt")).not_valid_after_utc

    def join(self, other: SignedHolder, fingerprint: str) -> OversightKey:
        """The oversight key of this holder and `other`, kept for good.

        `fingerprint`: of the other's signing key, as its people read it out. Raises ConfigurationError for another key
        or a joint key that is there already; MessageError, ProofError, SignatureError for a statement that is none.
        """
        if not pki.same_fingerprint(pki.key_fingerprint(other.key), fingerprint):
            got = pki.key_fingerprint(other.key)
            raise ConfigurationError(f"key of {other.statement.name}", got=got, expected=fingerprint)
        key = OversightKey.of([self.statement, other])
        if self.joined and self.oversight != key:
            raise ConfigurationError(OVERSIGHT_FILE, got="another joint key", expected="none, or this one")
        write_public(self.path / OVERSIGHT_FILE, key.encode())
        return key

    def server_credentials(self) -> grpc.ServerCredentials:
        """TLS under this holder's own authority; a certificate is made afresh where a third of its time is left."""
        keys, now = self.path / "keys", datetime.now(UTC)
        keep_private(keys / "tls.key", pki.new_tls_key)
        file = keys / "tls.crt"
        if not file.exists() or self.certificate_ends - now < pki.SERVER_LIFETIME / 3:
            request = pki.signing_request(read_private(keys / "tls.key"), self.settings.host)
            authority = pki.Authority.from_pem((keys / "ca.crt").read_bytes(), read_private(keys / "ca.key"))
            write_public(file, authority.sign_server(request, (self.settings.host,), now))
        return server_tls(read_private(keys / "tls.key"), file.read_bytes())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), got=error.strerror, expected="a file: see `join`") from error
