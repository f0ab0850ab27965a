"""The regulator's home: its keys, its policy, its own copy of the log, and nothing of anybody's records.

home = RegulatorHome.open("/var/lib/fedscore/regulator")
home.policy, home.database_url, home.registration

regulator.toml   settings                          documents/runs/RUN/NAME.json   what the coordinator published
policy.toml      keys, witnesses, caps             witness.note                   the last checkpoint cosigned
regulator.db     the copy, alerts, own statements  alarm.json                     why nothing is cosigned any more
keys/  signing.pem witness.pem beacon.seed draw.key inquiry.key access.token      inquiries/   openings, sealed
       witness.next.pem (while it is handed over: `clients.regulator.rotation`)
                                                   complaints/  revocations that persons showed
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clients.regulator.policy import Policy
from clients.regulator.policy_template import template
from clients.regulator.settings import RegulatorSettings
from federation.errors import ConfigurationError
from federation.runtime.private_files import (
    check_private_home,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from federation.runtime.settings import parse_settings, read_settings
from protocols.replay import BeaconChain
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import WitnessKey

if TYPE_CHECKING:
    from federation.oversight import RegulatorStatement

SETTINGS_FILE = "regulator.toml"
POLICY_FILE = "policy.toml"
_FOLDERS = ("keys", "documents", "logs")
_SECRET_BYTES = 32


@dataclass(frozen=True)
class RegulatorHome:
    """A home that was opened: valid settings, keys readable by their owner only."""

    path: Path
    settings: RegulatorSettings
    signing_key: SigningKey

    @classmethod
    def create(cls, path: Path | str, settings: str, *, log: VerifyingKey, coordinator: VerifyingKey) -> RegulatorHome:
        """Make the home, its keys and its policy. `settings` is the text of regulator.toml.

        `log` and `coordinator` are the keys that the operator read out. If it was interrupted, the same call goes on
        with the same keys. Raises ConfigurationError if there is a home already or the settings are invalid.
        """
        home = private_directory(Path(path))
        if (home / SETTINGS_FILE).exists():
            raise ConfigurationError(str(home / SETTINGS_FILE), got="an existing home", expected="none")
        parse_settings(RegulatorSettings, settings, where=SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        keys = home / "keys"
        made = {
            "signing.pem": SigningKey.generate().to_pem(),
            "witness.pem": WitnessKey.generate().to_pem(),
            "beacon.seed": secrets.token_hex(_SECRET_BYTES).encode(),
            "draw.key": secrets.token_hex(_SECRET_BYTES).encode(),
            "inquiry.key": secrets.token_hex(_SECRET_BYTES).encode(),
            "access.token": secrets.token_urlsafe(_SECRET_BYTES).encode(),
        }
        for name, data in made.items():
            if not (keys / name).exists():
                write_private(keys / name, data)
        signing = SigningKey.from_pem(read_private(keys / "signing.pem"))
        witness = WitnessKey.from_pem(read_private(keys / "witness.pem"))
        policy = _policy_text(log, coordinator, signing.public, witness)
        write_public(home / POLICY_FILE, policy.encode(), mode=0o600)
        write_public(home / SETTINGS_FILE, settings.encode(), mode=0o600)
        return cls.open(home)

    @classmethod
    def open(cls, path: Path | str) -> RegulatorHome:
        """Raises ConfigurationError (settings, permissions) or SignatureError (keys)."""
        home = Path(path).resolve()
        settings = read_settings(RegulatorSettings, home / SETTINGS_FILE)
        check_private_home(home, _FOLDERS)
        return cls(home, settings, SigningKey.from_pem(read_private(home / "keys" / "signing.pem")))

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def policy(self) -> Policy:
        """As policy.toml says now: people edit it. Raises ConfigurationError, also for another key as the own one."""
        policy = Policy.read(self.path / POLICY_FILE)
        if policy.keys.regulator != self.signing_key.public.hex:
            where = f"{self.path / POLICY_FILE}: keys.regulator"
            raise ConfigurationError(where, got=policy.keys.regulator, expected=self.signing_key.public.hex)
        return policy

    @property
    def database_url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.path / 'regulator.db'}"

    @property
    def authority(self) -> Path | None:
        """The certificate that the log's server must be signed with; None: the system's."""
        return self.path / self.settings.log_authority if self.settings.log_authority else None

    @property
    def documents(self) -> Path:
        return self.path / "documents"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def anchor(self) -> Path:
        """The last checkpoint that was cosigned: beside the database, so that a restored backup cannot undo it."""
        return self.path / "witness.note"

    @property
    def alarm(self) -> Path:
        return self.path / "alarm.json"

    @property
    def witness_file(self) -> Path:
        return self.path / "keys" / "witness.pem"

    @property
    def next_witness_file(self) -> Path:
        """Of the key that the present one is being handed over to."""
        return self.path / "keys" / "witness.next.pem"

    @property
    def witness_key(self) -> WitnessKey:
        """As it is on disk now: another process may have begun to hand it over, and `watch` ends that."""
        return WitnessKey.from_pem(read_private(self.witness_file))

    @property
    def next_witness_key(self) -> WitnessKey | None:
        return WitnessKey.from_pem(read_private(self.next_witness_file)) if self.next_witness_file.exists() else None

    @cached_property
    def beacon_chain(self) -> BeaconChain:
        """Elements are computed from the seed, about a second for a million."""
        return BeaconChain(self._secret("beacon.seed"), self.settings.chain_length)

    @property
    def draw_key(self) -> bytes:
        return self._secret("draw.key")

    @property
    def inquiry_key(self) -> bytes:
        """What seeds of spot checks, and the keys that openings are sealed to, are derived from: never revealed."""
        return self._secret("inquiry.key")

    @property
    def inquiries(self) -> Path:
        """Openings that were handed in, sealed as they came, and draws that wait for another holder's signature."""
        return private_directory(self.path / "inquiries")

    @property
    def complaints(self) -> Path:
        """Revocations that persons handed in, and who acknowledged them."""
        return private_directory(self.path / "complaints")

    @property
    def access_token(self) -> str:
        """What opens the pages. Never logged."""
        return read_private(self.path / "keys" / "access.token").decode()

    @property
    def registration(self) -> RegulatorStatement:
        """What the coordinator's operator enters and its log must say: only public keys."""
        from federation.oversight import RegulatorStatement  # with the ledger's packages

        return RegulatorStatement(
            name=self.name,
            key=self.signing_key.public.hex,
            witness_key=self.witness_key.public.key.hex,
            beacon_anchor=self.beacon_chain.anchor.hex(),
            chain_length=self.settings.chain_length,
        )

    def _secret(self, name: str) -> bytes:
        text = read_private(self.path / "keys" / name).decode(errors="replace")
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise ConfigurationError(f"keys/{name}", got="another form", expected="64 hexadecimal digits")
        return bytes.fromhex(text)


def _policy_text(log: VerifyingKey, coordinator: VerifyingKey, own: VerifyingKey, witness: WitnessKey) -> str:
    """The template with the keys that are known; the members' witnesses are the regulator's to add."""
    text = template()
    for name, key in (("log", log), ("coordinator", coordinator), ("regulator", own)):
        text = text.replace(f'\n{name} = ""', f'\n{name} = "{key.hex}"', 1)
    return text.replace('\nkey = ""', f'\nkey = "{witness.public.key.hex}"', 1)
