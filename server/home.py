"""The coordinator's home: settings, authority, keys, membership and the records of its runs.

    home = CoordinatorHome.open("/var/lib/fedscore/coordinator")
    home.signing_key, home.database_url, home.run("2030-spring")

The coordinator holds no record of any person. What it must guard are its keys: the authority admits members, the
signing key proposes plans, the operator token opens the training plane's control interface.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from federation.errors import ConfigurationError
from federation.runtime.pki import (
    SERVER_LIFETIME,
    Authority,
    certificate_fingerprint,
    load_certificate,
    new_tls_key,
    signing_request,
)
from federation.runtime.private_files import (
    check_private_home,
    keep_private,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from federation.runtime.settings import parse_settings, read_settings
from protocols.signing import SigningKey
from protocols.transparency import LogKey
from server.home_settings import CoordinatorSettings

SETTINGS_FILE = "coordinator.toml"
_FOLDERS = ("keys", "runs", "logs")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class CoordinatorHome:
    """A home that was opened: valid settings, keys readable by their owner only."""

    path: Path
    settings: CoordinatorSettings
    signing_key: SigningKey

    @classmethod
    def create(cls, path: Path | str, settings: str, now: datetime) -> CoordinatorHome:
        """Make the home, its authority, its TLS certificate, its signing key and the operator token.

        Raises ConfigurationError if there is a home already or the settings are invalid.
        """
        home = private_directory(Path(path))
        if (home / SETTINGS_FILE).exists():
            raise ConfigurationError(str(home / SETTINGS_FILE), got="an existing home", expected="none")
        parsed = parse_settings(CoordinatorSettings, settings, where=SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        authority = Authority.create(parsed.name, now)
        write_private(keys / "ca.key", authority.key_pem)
        write_public(keys / "ca.crt", authority.certificate_pem)
        write_private(keys / "signing.pem", SigningKey.generate().to_pem())
        write_private(keys / "log.pem", LogKey.generate().to_pem())
        write_private(keys / "operator.token", secrets.token_hex(32).encode())
        write_private(keys / "tls.key", new_tls_key())
        write_public(home / SETTINGS_FILE, settings.encode(), mode=0o600)
        opened = cls.open(home)
        opened.renew_certificate(now)
        return opened

    @classmethod
    def open(cls, path: Path | str) -> CoordinatorHome:
        """Raises ConfigurationError (settings, permissions) or SignatureError (keys)."""
        home = Path(path).resolve()
        settings = read_settings(CoordinatorSettings, home / SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        for name in ("ca.key", "tls.key", "operator.token"):
            read_private(keys / name)
        return cls(home, settings, SigningKey.from_pem(read_private(keys / "signing.pem")))

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def run(self, run_id: str) -> Path:
        """HOME/runs/RUN_ID. Raises ConfigurationError for a name that could leave that folder."""
        if not _RUN_ID.fullmatch(run_id):
            raise ConfigurationError("run", got=run_id[:80], expected="letters, digits, '.', '_' and '-'")
        return self.runs / run_id

    @property
    def database_url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.path / 'coordinator.db'}"

    @property
    def superlink_database(self) -> Path:
        return self.path / "superlink.db"

    @property
    def catalogue(self) -> str | Path:
        """What `load_catalogue` takes: a shipped name, or a path relative to the home."""
        named = self.settings.catalogue
        return self.path / named if named.endswith(".toml") else named

    @property
    def bind(self) -> str:
        """The local address the services listen on."""
        return self.settings.bind or self.settings.host

    def listen(self, port: int) -> str:
        """The local address of one of the services: bind:port."""
        return address(self.bind, port)

    @property
    def enrolment_address(self) -> str:
        return address(self.settings.host, self.settings.enrolment_port)

    @property
    def member_address(self) -> str:
        return address(self.settings.host, self.settings.member_port)

    @property
    def fleet_address(self) -> str:
        return address(self.settings.host, self.settings.fleet_port)

    @property
    def pool_address(self) -> str:
        return address(self.settings.host, self.settings.pool)

    @property
    def log_bind(self) -> str:
        """The local address where the log is read."""
        return self.settings.log_bind or self.bind

    @property
    def log_address(self) -> str:
        """Where a regulator on the same network reads the log."""
        return f"https://{address(self.settings.log_bind or self.settings.host, self.settings.log)}"

    @property
    def log_anchor(self) -> Path:
        """The newest published checkpoint, beside the database: not to be restored from a backup with it."""
        return self.path / "log.checkpoint"

    @property
    def tls_files(self) -> tuple[str, str]:
        """The files of the server's key and certificate chain."""
        return str(self.keys / "tls.key"), str(self.keys / "tls.crt")

    def authority(self) -> Authority:
        """The certificate authority, with its private key."""
        return Authority.from_pem(self.authority_pem, read_private(self.keys / "ca.key"))

    @property
    def authority_pem(self) -> bytes:
        return (self.keys / "ca.crt").read_bytes()

    @property
    def authority_fingerprint(self) -> str:
        """SHA-256 of the authority's certificate: what institutions pin with `enrol --ca`."""
        return certificate_fingerprint(self.authority_pem)

    @property
    def log_key(self) -> LogKey:
        """The transparency log's key, made when it is first asked for."""
        return LogKey.from_pem(read_private(keep_private(self.keys / "log.pem", lambda: LogKey.generate().to_pem())))

    @property
    def operator_token(self) -> str:
        """The secret that opens the guarded Control interface. Never logged, never put on a command line."""
        return read_private(self.keys / "operator.token").decode()

    def renew_certificate(self, now: datetime, *, left: timedelta = SERVER_LIFETIME / 3) -> bool:
        """Sign a new server certificate if there is none or less than `left` of it remains; True if so."""
        file = self.keys / "tls.crt"
        if file.exists() and load_certificate(file.read_bytes()).not_valid_after_utc - now > left:
            return False
        request = signing_request(read_private(self.keys / "tls.key"), self.settings.host)
        # 127.0.0.1 always: the coordinator's own processes meet there under the same certificate.
        hosts = tuple(dict.fromkeys((self.settings.host, *self.settings.extra_hosts, "127.0.0.1")))
        write_public(file, self.authority().sign_server(request, hosts, now))
        return True


def address(host: str, port: int) -> str:
    """host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
