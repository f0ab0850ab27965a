"""An identity authority's home: a key that the lookup roster names, and copies of the statements it made.

    home = IdentityHome.create("/var/lib/fedscore/e-id", "e-id", "de-steuer-id")
    statement = home.certify(request, "36 574 261 809", start=now, until=now + 365 * 86_400)

signing.pem       the key (0600)               authority.json    name, identifier scheme
statements/       SUBJECT-START.json: what was stated, by commitment and without identifiers

The authority verifies the person by its own means (a passport, a national e-identity) before it certifies; what it
verified is typed in and compared with the request, so that it never states what only the wallet said.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from federation.errors import ConfigurationError
from federation.lookup.identifiers import Scheme, scheme
from federation.runtime.private_files import (
    check_private_home,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from protocols.consent.identity import IdentityRequest, IdentityStatement, SignedIdentity
from protocols.lookup.roster import Authority
from protocols.signing import SigningKey

KEY_FILE, SETTINGS_FILE, _STATEMENTS = "signing.pem", "authority.json", "statements"


@dataclass(frozen=True)
class IdentityHome:
    """A home that was opened; its key is readable by its owner alone."""

    path: Path
    authority: Authority
    scheme: Scheme
    signing_key: SigningKey

    @classmethod
    def create(cls, path: Path, name: str, identifiers: str) -> IdentityHome:
        """Raises ConfigurationError for a home that is there, or an unknown scheme; MessageError for a bad name."""
        key = SigningKey.generate()
        Authority(name, key.public)
        scheme(identifiers)
        home = private_directory(path)
        write_private(home / KEY_FILE, key.to_pem())
        settings = {"version": 1, "name": name, "identifiers": identifiers}
        write_public(home / SETTINGS_FILE, json.dumps(settings).encode(), mode=0o600)
        return cls.open(home)

    @classmethod
    def open(cls, path: Path) -> IdentityHome:
        """Raises ConfigurationError (no home, permissions) or SignatureError (the key)."""
        home = path.resolve()
        if not (home / SETTINGS_FILE).is_file():
            raise ConfigurationError(str(home), got="no authority", expected="a home made by `fedscore identity init`")
        check_private_home(home, (_STATEMENTS,))
        key = SigningKey.from_pem(read_private(home / KEY_FILE))
        try:
            settings = json.loads((home / SETTINGS_FILE).read_bytes())
            return cls(home, Authority(settings["name"], key.public), scheme(settings["identifiers"]), key)
        except (OSError, ValueError, KeyError, TypeError) as error:
            where = str(home / SETTINGS_FILE)
            raise ConfigurationError(where, got=type(error).__name__, expected="what init wrote") from error

    def certify(self, request: bytes, identifier: str, *, start: int, until: int) -> SignedIdentity:
        """The statement that the request asks for, about the person whom the authority has verified.

        Raises IdentifierError, MessageError, EncodingError or SignatureError (no possession of the key), and
        ConfigurationError where the request is about somebody else than `identifier`.
        """
        asked, verified = IdentityRequest.read(request), self.scheme.normalise(identifier)
        if not hmac.compare_digest(asked.subject.identifier, verified):
            raise ConfigurationError("identity request", got="somebody else", expected="the person who was verified")
        statement = IdentityStatement(self.authority.name, asked.subject.commitment, asked.key, start, until)
        signed = statement.sign(self.signing_key)
        write_public(self._file(statement), signed.encode(), mode=0o600)
        return signed

    def statements(self) -> tuple[SignedIdentity, ...]:
        """What was stated here, in no order that says anything."""
        files = sorted((self.path / _STATEMENTS).glob("*.json"))
        return tuple(SignedIdentity.decode(file.read_bytes()) for file in files)

    def _file(self, statement: IdentityStatement) -> Path:
        return self.path / _STATEMENTS / f"{statement.subject.hex()[:32]}-{statement.start}.json"
