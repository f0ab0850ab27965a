"""An institution's home: the folder where its settings, keys, ledger and socket live, and nothing of anyone else's.

    home = InstitutionHome.open("/var/lib/fedscore/bank-a")
    home.name, home.signing_key, home.database_url, home.settings.caps.year

institution.toml is written once by `init` and belongs to people; what enrolment brought (membership.json) and which
bundles were accepted (bundles.json) belong to the program.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from clients.institution.home_settings import CapSettings, InstitutionSettings, fitting, settings_text
from federation.errors import ConfigurationError
from federation.runtime.node_keys import new_flower_key
from federation.runtime.pki import key_fingerprint, new_tls_key
from federation.runtime.private_files import (
    check_private_home,
    keep_private,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from federation.runtime.settings import HexDigest, parse_settings, read_settings
from protocols.signing import SigningKey, VerifyingKey

if TYPE_CHECKING:
    from federation.ledger import Caps

__all__ = [
    "SETTINGS_FILE",
    "CapSettings",
    "CoordinatorIdentity",
    "InstitutionHome",
    "InstitutionSettings",
    "settings_text",
]

SETTINGS_FILE = "institution.toml"
_FOLDERS = ("keys", "quarantine", "logs")
_SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 108 bytes
_BUNDLES = TypeAdapter(tuple[HexDigest, ...])


class CoordinatorIdentity(BaseModel):
    """What enrolment pinned: whose plans this institution considers, and where its node connects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    key: HexDigest
    authority: HexDigest
    enrolment_address: str
    member_address: str
    fleet_address: str
    bundle_hash: str
    log_key: str = ""


@dataclass(frozen=True)
class InstitutionHome:
    """A home that was opened: its settings were valid and its keys were readable by their owner only."""

    path: Path
    settings: InstitutionSettings
    signing_key: SigningKey

    @classmethod
    def create(
        cls, path: Path | str, settings: str, *, opening: Callable[[InstitutionHome], None] = lambda home: None
    ) -> InstitutionHome:
        """Make the home and its four private keys. `settings` is the text of institution.toml.

        `opening` is called before the settings are written: until it returned there is no home that could be used. If
        it was interrupted, the same call goes on with the same keys.
        Raises ConfigurationError if there is a home already or the settings are invalid.
        """
        home = private_directory(Path(path))
        if (home / SETTINGS_FILE).exists():
            raise ConfigurationError(str(home / SETTINGS_FILE), got="an existing home", expected="none")
        parsed = fitting(parse_settings(InstitutionSettings, settings, where=SETTINGS_FILE), SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        if not (keys / "signing.pem").exists():  # the last key that is made
            _make_keys(keys)
        opening(cls(home.resolve(), parsed, SigningKey.from_pem(read_private(keys / "signing.pem"))))
        write_public(home / SETTINGS_FILE, settings.encode(), mode=0o600)
        return cls.open(home)

    @classmethod
    def open(cls, path: Path | str) -> InstitutionHome:
        """Raises ConfigurationError (settings, permissions) or SignatureError (keys)."""
        home = Path(path).resolve()
        settings = fitting(read_settings(InstitutionSettings, home / SETTINGS_FILE), str(home / SETTINGS_FILE))
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        for name in ("tls.key", "flower_key"):
            read_private(keys / name)
        return cls(home, settings, SigningKey.from_pem(read_private(keys / "signing.pem")))

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def fingerprint(self) -> str:
        """What to read out to the coordinator's operator, over a channel that is not this network."""
        return key_fingerprint(self.signing_key.public)

    @property
    def witness_key(self) -> SigningKey:
        """What cosigns the log's checkpoints, made when it is first asked for: a key of its own, for it signs texts."""
        made = keep_private(self.keys / "witness.pem", lambda: SigningKey.generate().to_pem())
        return SigningKey.from_pem(read_private(made))

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def database_url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.path / 'institution.db'}"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def data(self) -> Path:
        """The record file; a relative path is relative to the home."""
        return self.path / self.settings.data

    @property
    def catalogue(self) -> str | Path:
        """What `load_catalogue` takes: a shipped name, or a path relative to the home."""
        named = self.settings.catalogue
        return self.path / named if named.endswith(".toml") else named

    @cached_property
    def socket(self) -> Path:
        """Where the node listens: HOME/node.sock, or a short path of the same owner where that would be too long."""
        natural = self.path / "node.sock"
        if len(os.fsencode(natural)) <= _SOCKET_PATH_LIMIT:
            return natural
        folder = private_directory(Path(tempfile.gettempdir()) / f"fedscore-{os.geteuid()}")
        return folder / f"{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}.sock"

    def caps(self) -> Caps:
        """The caps as the ledger takes them."""
        from federation.ledger import Caps  # SQLAlchemy and the accountants are not needed to open a home

        return Caps(**self.settings.caps.model_dump())

    def coordinator(self) -> CoordinatorIdentity:
        """The coordinator that admitted this institution. Raises ConfigurationError before enrolment."""
        file = self.path / "membership.json"
        try:
            return CoordinatorIdentity.model_validate_json(file.read_bytes())
        except FileNotFoundError as error:
            raise ConfigurationError(str(file), got="none", expected="a finished enrolment") from error
        except ValidationError as error:
            raise ConfigurationError(str(file), got="an unreadable file", expected="what enrolment wrote") from error

    @property
    def log_key(self) -> VerifyingKey:
        """The key of the coordinator's log. Raises ConfigurationError before an enrolment that brought it."""
        key = self.coordinator().log_key
        if not key:
            raise ConfigurationError("membership.json: log_key", got="none", expected="`institution enrol`, run again")
        return VerifyingKey.from_hex(key)

    @property
    def coordinator_key(self) -> VerifyingKey:
        """The key under which plans and requests must be signed. Raises ConfigurationError before enrolment."""
        return VerifyingKey.from_hex(self.coordinator().key)

    def save_coordinator(self, coordinator: CoordinatorIdentity) -> None:
        """Pin the coordinator. Raises ConfigurationError if another key or authority is pinned already."""
        file = self.path / "membership.json"
        if file.exists():
            pinned = self.coordinator()
            if (pinned.key, pinned.authority) != (coordinator.key, coordinator.authority):
                raise ConfigurationError(str(file), got="another coordinator", expected="the one pinned at enrolment")
        write_public(file, coordinator.model_dump_json(indent=2).encode(), mode=0o600)

    def save_certificate(self, chain: bytes, authority: bytes) -> None:
        """Store the member certificate and the pinned authority, PEM."""
        write_public(self.keys / "ca.crt", authority)
        write_public(self.keys / "tls.crt", chain)

    @property
    def allowed_bundles(self) -> frozenset[str]:
        """SHA-256 of the Flower bundles this institution runs; read anew, so that acceptance needs no restart."""
        file = self.path / "bundles.json"
        try:
            return frozenset(_BUNDLES.validate_json(file.read_bytes()))
        except FileNotFoundError:
            return frozenset()
        except ValidationError as error:
            raise ConfigurationError(str(file), got="an unreadable list", expected="SHA-256 digests") from error

    def accept_bundle(self, bundle_hash: str) -> None:
        """Allow one more bundle. Raises ConfigurationError unless `bundle_hash` is a SHA-256 in hexadecimal."""
        try:
            accepted = _BUNDLES.validate_python(sorted({*self.allowed_bundles, bundle_hash}))
        except ValidationError as error:
            raise ConfigurationError("bundle", got=bundle_hash[:80], expected="64 hexadecimal digits") from error
        write_public(self.path / "bundles.json", json.dumps(accepted, indent=2).encode(), mode=0o600)


def _make_keys(keys: Path) -> None:
    for name in ("tls.key", "flower_key", "witness.pem"):
        (keys / name).unlink(missing_ok=True)  # of an `init` that was interrupted: nobody has seen them
    private, public = new_flower_key()
    write_private(keys / "tls.key", new_tls_key())
    write_private(keys / "flower_key", private)
    write_public(keys / "flower_key.pub", public)
    write_private(keys / "witness.pem", SigningKey.generate().to_pem())
    write_private(keys / "signing.pem", SigningKey.generate().to_pem())
