"""A lender's home: its TLS key, its catalogue, the owner it was invited by, the offer it has accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic_settings import SettingsConfigDict

from federation.blind import SignedOffer
from federation.blind.invitation import Invitation, public_key_fingerprint
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.runtime.pki import (
    key_fingerprint,
    load_certificate,
    load_request,
    member_of,
    new_tls_key,
    same_fingerprint,
    signing_request,
    verify_issued,
)
from federation.runtime.private_files import (
    check_private_home,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from federation.runtime.settings import HomeSettings, Name, parse_settings, read_settings
from protocols.signing import VerifyingKey

SETTINGS_FILE = "lender.toml"
MAX_OFFER_BYTES = 4 * 2**20


class LenderSettings(HomeSettings):
    """HOME/lender.toml. `catalogue`: a shipped name, or a TOML file relative to the home."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_LENDER_")

    name: Name
    catalogue: str


@dataclass(frozen=True)
class LenderHome:
    """A home that was opened."""

    path: Path
    settings: LenderSettings

    @classmethod
    def create(cls, path: Path, name: str, catalogue: str) -> LenderHome:
        """Raises ConfigurationError if there is a home, or CatalogueError for a catalogue that cannot be read."""
        home = private_directory(path)
        if (home / SETTINGS_FILE).exists():
            raise ConfigurationError(str(home / SETTINGS_FILE), got="an existing home", expected="none")
        load_catalogue(catalogue)
        named = str(Path(catalogue).resolve()) if catalogue.endswith(".toml") else catalogue
        standard = f"# The data standard that applicants are encoded by.\ncatalogue = {json.dumps(named)}\n"
        text = f"name = {json.dumps(name)}\n\n{standard}"
        parse_settings(LenderSettings, text, where=SETTINGS_FILE)
        check_private_home(home, ("keys",))
        (home / "keys" / "tls.key").unlink(missing_ok=True)  # of an `init` that was interrupted: nobody has seen it
        write_private(home / "keys" / "tls.key", new_tls_key())
        write_public(home / SETTINGS_FILE, text.encode(), mode=0o600)
        return cls.open(home)

    @classmethod
    def open(cls, path: Path) -> LenderHome:
        """Raises ConfigurationError."""
        home = path.resolve()
        settings = read_settings(LenderSettings, home / SETTINGS_FILE)
        check_private_home(home, ("keys",))
        return cls(home, settings)

    @property
    def key(self) -> bytes:
        return read_private(self.path / "keys" / "tls.key")

    @property
    def request(self) -> bytes:
        """What the owner certifies: PKCS #10, DER."""
        return signing_request(self.key, self.settings.name)

    @property
    def fingerprint(self) -> str:
        """Of the TLS key, to be read out to the owner."""
        public = load_request(self.request).public_key()
        return public_key_fingerprint(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def catalogue(self) -> Catalogue:
        named = self.settings.catalogue
        return load_catalogue(self.path / named if named.endswith(".toml") else named)

    @property
    def chain(self) -> bytes:
        """The certificate that the owner gave. Raises ConfigurationError before `join`."""
        return self._read("keys/tls.crt", "`fedscore lender join`")

    def join(self, data: bytes, fingerprint: str, now: datetime) -> Invitation:
        """Trust this owner from now on. Raises ConfigurationError unless its key has `fingerprint`, the certificate is
        for this home's key, and no other owner is trusted here already; SignatureError for what that key did not sign,
        or another authority's certificate.
        """
        invitation = Invitation.read(data)
        owner = key_fingerprint(VerifyingKey.from_hex(invitation.owner_key))
        if not same_fingerprint(owner, fingerprint):
            raise ConfigurationError("fingerprint", got=owner, expected="what the owner read out")
        invitation.verify()
        chain = invitation.chain.encode()
        verify_issued(chain, invitation.authority.encode(), now)
        if load_certificate(chain).public_key() != load_request(self.request).public_key():
            raise ConfigurationError("invitation.chain", got="another key's", expected="this home's")
        file = self.path / "invitation.json"
        if file.exists() and self.invitation().owner_key != invitation.owner_key:
            raise ConfigurationError(
                str(file), got="another owner", expected="the one that is trusted: a home for each"
            )
        self.keep_chain(chain)
        write_public(file, invitation.canonical(), mode=0o600)
        return invitation

    def invitation(self) -> Invitation:
        """Raises ConfigurationError before `join`."""
        return Invitation.read(self._read("invitation.json", "`fedscore lender join`"))

    def keep_chain(self, chain: bytes) -> None:
        """A certificate that the owner gave. Raises SignatureError if it names nobody."""
        member_of(chain)
        write_public(self.path / "keys" / "tls.crt", chain)

    def accepted(self) -> SignedOffer | None:
        """The offer that was accepted, None before `terms`. Raises SignatureError if it is not the owner's."""
        if not (self.path / "offer.json").exists():
            return None
        data = self._read("offer.json", "an offer")
        signature = self._read("offer.sig", "its signature")
        return SignedOffer.read(data, signature, VerifyingKey.from_hex(self.invitation().owner_key))

    def accept(self, offer: SignedOffer) -> None:
        """Ask under this offer, and no other, from now on."""
        write_public(self.path / "offer.sig", offer.signature, mode=0o600)
        write_public(self.path / "offer.json", offer.offer.canonical(), mode=0o600)

    def _read(self, name: str, expected: str) -> bytes:
        path = self.path / name
        try:
            return path.read_bytes()[:MAX_OFFER_BYTES]
        except OSError as error:
            raise ConfigurationError(str(path), got=error.strerror, expected=expected) from error
