"""HOME/blind: made once by `init`; the model in it may be replaced, its authority and its count stay.

folder = BlindFolder.open(home)
folder.model_file().model(catalogue), folder.settings.quota(model), folder.count()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clients.institution.blind.count_store import CountStore
from clients.institution.blind.model_file import ModelFile
from clients.institution.blind.settings import BlindSettings
from clients.institution.home import InstitutionHome
from federation.blind import Limits, Offer, SignedOffer
from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.runtime.pki import Authority, new_tls_key, signing_request
from federation.runtime.private_files import keep_private, private_directory, read_private, write_private, write_public
from federation.runtime.settings import parse_settings, read_settings
from protocols.blind import BlindModel, Quota

SETTINGS_FILE = "blind.toml"
MAX_MODEL_BYTES = 4 * 2**20


@dataclass(frozen=True)
class BlindFolder:
    """Raises ConfigurationError where there is none, or others could read it."""

    home: InstitutionHome
    settings: BlindSettings

    @classmethod
    def create(cls, home: InstitutionHome, settings: str, model: ModelFile) -> BlindFolder:
        """The folder, its authority and its TLS key. Raises ConfigurationError if there is one."""
        path = private_directory(home.path / "blind")
        if (path / SETTINGS_FILE).exists():
            raise ConfigurationError(str(path), got="a blind model", expected="none, or --replace-model")
        parsed = parse_settings(BlindSettings, settings, where=SETTINGS_FILE)
        folder = cls(home, parsed)
        if not (path / "authority.crt").exists():  # an init that was interrupted has made what nobody has seen
            authority = Authority.create(home.name, datetime.now(UTC))
            (path / "authority.key").unlink(missing_ok=True)
            write_private(path / "authority.key", authority.key_pem)
            write_public(path / "authority.crt", authority.certificate_pem)
        keep_private(path / "tls.key", new_tls_key)
        folder.replace_model(model)
        write_public(path / SETTINGS_FILE, settings.encode(), mode=0o600)
        return cls.open(home)

    @classmethod
    def open(cls, home: InstitutionHome) -> BlindFolder:
        path = home.path / "blind"
        if not (path / SETTINGS_FILE).exists():
            raise ConfigurationError(str(path), got="no blind model", expected="`fedscore institution blind init`")
        private_directory(path)
        return cls(home, read_settings(BlindSettings, path / SETTINGS_FILE))

    @property
    def path(self) -> Path:
        return self.home.path / "blind"

    @property
    def database_url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.path / 'blind.db'}"

    def count(self, clock: Callable[[], float] = time.time) -> CountStore:
        """Raises ConfigurationError for a database that is an older copy."""
        return CountStore.open(self.database_url, clock, self.path / "answered.json")

    def authority(self) -> Authority:
        """Raises ConfigurationError or SignatureError."""
        return Authority.from_pem((self.path / "authority.crt").read_bytes(), read_private(self.path / "authority.key"))

    def server_chain(self, authority: Authority, now: datetime) -> bytes:
        """A certificate for the names of the settings, made anew by every process that serves."""
        request = signing_request(read_private(self.path / "tls.key"), self.home.name)
        return authority.sign_server(request, self.settings.names, now)

    def replace_model(self, model: ModelFile) -> None:
        """Whole or not at all, and never readable by others."""
        write_public(self.path / "model.json", model.canonical(), mode=0o600)

    def model_file(self) -> ModelFile:
        """Raises ConfigurationError for a file that is missing, readable by others, or holds no model."""
        return ModelFile.read(read_private(self.path / "model.json", most=MAX_MODEL_BYTES))

    def offer(self, model: ModelFile, catalogue: Catalogue) -> tuple[BlindModel, Quota, SignedOffer]:
        """What is served. Raises MessageError for limits that give the weights away unsaid."""
        blind = model.model(catalogue)
        quota, terms = self.settings.quota(blind), blind.terms()
        limits = Limits(
            lifetime=quota.lifetime,
            per_lender=quota.per_requester,
            per_day=quota.per_day,
            per_request=min(
                self.settings.per_request, quota.most_in_request(terms), quota.per_day or quota.per_requester
            ),
            weights_may_be_extracted=quota.may_extract,
        )
        offer = Offer(
            owner=self.home.name,
            terms=terms.to_bytes().hex(),
            catalogue=model.catalogue,
            pairs=model.pairs,
            by=model.by,
            parts=model.columns(catalogue).parts,
            knots=model.knots,
            scaling=model.scaling,
            limits=limits,
        )
        return blind, quota, SignedOffer.sign(offer, self.home.signing_key)
