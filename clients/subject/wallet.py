"""A person's wallet: one key and one salt, the authority's statement about them, what was permitted and taken back.

    wallet = Wallet.create(folder, "36 574 261 809", "de-steuer-id")
    wallet.request()                                        # to an identity authority, to nobody else
    wallet.accept(statement)                                # its answer
    consent = wallet.permit(querier="bank-a", purpose=..., scope=..., inquiry=Inquiry.HARD, now=now, until=until)
    revocation = wallet.revoke(consent.serial)              # to the same querier
    wallet.acknowledge(document, now)                       # what it gives back: that it has it, and since when
    wallet.complaint(consent.serial)                        # to the regulator, who judges inquiries by it

wallet.json        identifier, salt              identity.json            the authority's statement
signing.pem        the key                       receipts/SERIAL.json     consent documents that were handed out
                                                 revocations/SERIAL.json  those that were taken back
                                                 acknowledgements/SERIAL.json   the institution's word that it knows

oversight.json     the key under which she asked who inquired about her, and log-bookmark.json how far (`bookmark`)

Every file has mode 0600. Whoever has the wallet is the person.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from federation.errors import ConfigurationError
from federation.inquiries.acknowledged import Acknowledged, Complaint
from federation.lookup.identifiers import scheme
from federation.runtime.private_files import (
    check_private_home,
    private_directory,
    read_private,
    write_private,
    write_public,
)
from protocols.canonical import canonical, parse_canonical
from protocols.consent.consent import Consent
from protocols.consent.identity import IdentityRequest, SignedIdentity
from protocols.consent.receipt import (
    MAX_IDENTIFIER,
    SERIAL_BYTES,
    Inquiry,
    Receipt,
    Revocation,
    Scope,
    SignedRevocation,
    Subject,
)
from protocols.errors import MessageError, ProtocolError
from protocols.lookup.fields import from_hex, take, text, version_one
from protocols.signing import SigningKey
from protocols.transparency import VerifierKey, verify_promise

WALLET_FILE, KEY_FILE, IDENTITY_FILE = "wallet.json", "signing.pem", "identity.json"
_RECEIPTS, _REVOCATIONS, _ACKNOWLEDGEMENTS = "receipts", "revocations", "acknowledgements"


@dataclass(frozen=True)
class Wallet:
    """A wallet that was opened. `subject`: the normalised identifier and the salt that every document shares."""

    path: Path
    scheme: str
    subject: Subject = field(repr=False)
    key: SigningKey

    @classmethod
    def create(
        cls, path: Path, identifier: str, identifiers: str, *, random: Callable[[int], bytes] = os.urandom
    ) -> Wallet:
        """Raises ConfigurationError for a wallet that is there, IdentifierError for what is no identifier."""
        subject = Subject(scheme(identifiers).normalise(identifier), random(32))
        home = private_directory(path)
        write_private(home / KEY_FILE, SigningKey.generate().to_pem())
        fields = {"identifier": subject.identifier.hex(), "salt": subject.salt.hex()}
        write_private(home / WALLET_FILE, canonical({"version": 1, "scheme": identifiers, **fields}))
        return cls.open(home)

    @classmethod
    def open(cls, path: Path) -> Wallet:
        """Raises ConfigurationError (no wallet, permissions, another form) or SignatureError (the key)."""
        home = path.resolve()
        if not (home / WALLET_FILE).exists():
            raise ConfigurationError(str(home), got="no wallet", expected="one made by `fedscore subject init`")
        check_private_home(home, (_RECEIPTS, _REVOCATIONS, _ACKNOWLEDGEMENTS))
        key = SigningKey.from_pem(read_private(home / KEY_FILE))
        try:
            fields = take(
                parse_canonical(read_private(home / WALLET_FILE)), "wallet", ("version", "scheme", "identifier", "salt")
            )
            version_one(fields["version"], "wallet")
            identifier = text(fields["identifier"], "wallet.identifier")[: 2 * MAX_IDENTIFIER + 2]
            subject = Subject(
                from_hex(identifier, "wallet.identifier", len(identifier) // 2),
                from_hex(fields["salt"], "wallet.salt", 32),
            )
            return cls(home, text(fields["scheme"], "wallet.scheme"), subject, key)
        except ProtocolError as error:
            raise ConfigurationError(str(home / WALLET_FILE), got=error.field, expected="what init wrote") from error

    def request(self) -> bytes:
        """What to show an identity authority: identifier, salt, key, and the proof that the key is here."""
        return IdentityRequest(self.subject, self.key.public).sign(self.key)

    def accept(self, statement: bytes) -> SignedIdentity:
        """Keep an authority's statement about this wallet, in the place of an earlier one.

        Raises MessageError, EncodingError or SignatureError for other bytes, ConfigurationError for a statement about
        another person or key. Which authorities count is the federation's to say.
        """
        signed = SignedIdentity.decode(statement)
        stated = (signed.statement.subject, signed.statement.key)
        if stated != (self.subject.commitment, self.key.public):
            raise ConfigurationError("identity statement", got="another wallet's", expected="one about this wallet")
        write_public(self.path / IDENTITY_FILE, signed.encode(), mode=0o600)
        return signed

    @property
    def identity(self) -> SignedIdentity | None:
        """The statement that was accepted last."""
        file = self.path / IDENTITY_FILE
        return SignedIdentity.decode(read_private(file)) if file.exists() else None

    @property
    def stated(self) -> SignedIdentity:
        """Likewise. Raises ConfigurationError before one was."""
        if (identity := self.identity) is None:
            raise ConfigurationError("identity", got="none", expected="an authority's statement: `subject accept`")
        return identity

    def permit(
        self,
        *,
        querier: str,
        purpose: str,
        scope: Scope,
        inquiry: Inquiry,
        now: int,
        until: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> Consent:
        """One inquiry by one institution, as a document for it; kept here. Times in Unix seconds.

        Raises ConfigurationError before an authority's statement was accepted, MessageError for a field that cannot be.
        """
        identity = self.stated
        receipt = Receipt(
            subject_key=self.key.public,
            subject=self.subject.commitment,
            querier=querier,
            purpose=purpose,
            scope=scope,
            inquiry=inquiry,
            serial=random(SERIAL_BYTES).hex(),
            issued=now,
            expires=until,
        )
        consent = Consent(receipt.sign(self.key), self.subject.salt, identity)
        write_private(self.path / _RECEIPTS / f"{consent.serial}.json", consent.encode())
        return consent

    def keep(self, document: bytes) -> Consent:
        """Take back a consent document of this wallet's that it has not: it was restored from an older copy.

        Else what was permitted since could not be revoked, and inquiries on it would look as if nobody had permitted
        them. Raises MessageError, EncodingError or SignatureError for what this wallet did not sign about its owner.
        """
        consent = Consent.decode(document)
        consent.receipt.verify(self.key.public)
        if (consent.receipt.receipt.subject, consent.salt) != (self.subject.commitment, self.subject.salt):
            raise MessageError("receipt.subject", got="another person's", expected="this wallet's")
        file = self.path / _RECEIPTS / f"{consent.serial}.json"
        if not file.exists():
            write_private(file, consent.encode())
        return consent

    def permitted(self) -> tuple[Consent, ...]:
        """All that was handed out, oldest first."""
        given = [Consent.decode(read_private(file)) for file in (self.path / _RECEIPTS).glob("*.json")]
        return tuple(sorted(given, key=lambda consent: (consent.receipt.receipt.issued, consent.serial)))

    def revoke(self, serial: str) -> SignedRevocation:
        """Take back what was permitted; the same document however often. It counts once the querier has it.

        Raises ConfigurationError for a receipt that this wallet did not sign.
        """
        self._permitted(serial)
        signed = Revocation(self.key.public, serial).sign(self.key)
        write_public(self._revocation(serial), signed.encode(), mode=0o600)
        return signed

    def revoked(self, serial: str) -> bool:
        """Whether the receipt was taken back here."""
        return self._revocation(serial).exists()

    def acknowledge(self, document: bytes, now: float, log: VerifierKey | None = None) -> Acknowledged:
        """Keep an institution's acknowledgement of a revocation of this wallet.

        One that was not held against the log's key takes no other's place. Raises MessageError, EncodingError or
        SignatureError for other bytes, for another's revocation or in another institution's name, and, with the log's
        key, for a promise that is not the log's.
        """
        shown = Acknowledged.decode(document)
        consent, revocation = self._acknowledged(shown)
        shown.check(revocation, consent.receipt.receipt.querier)
        if log is not None:
            verify_promise(shown.promise, shown.entry.hash, log, now)
        if log is not None or self.acknowledgement(consent.serial) is None:
            write_public(self.path / _ACKNOWLEDGEMENTS / f"{consent.serial}.json", document, mode=0o600)
        return shown

    def acknowledgement(self, serial: str) -> Acknowledged | None:
        """What was kept for this revocation."""
        file = self.path / _ACKNOWLEDGEMENTS / f"{serial}.json"
        return Acknowledged.decode(read_private(file)) if file.exists() else None

    def complaint(self, serial: str) -> Complaint:
        """Revocation and acknowledgement, for the regulator. It shows the wallet's key and this receipt's number.

        Raises ConfigurationError for a receipt that was not taken back.
        """
        self._permitted(serial)
        if not self.revoked(serial):
            raise ConfigurationError("serial", got=f"{serial}, in force", expected="a receipt that was taken back")
        return Complaint(self.revoke(serial), self.acknowledgement(serial))

    def _acknowledged(self, shown: Acknowledged) -> tuple[Consent, SignedRevocation]:
        """The receipt and the revocation that `shown` is about. Raises MessageError for another wallet's."""
        for consent in self.permitted():
            if self.revoked(consent.serial):
                revocation = self.revoke(consent.serial)
                if revocation.hash == shown.said.revocation:
                    return consent, revocation
        raise MessageError("acknowledgement.revocation", got="another one's", expected="one of this wallet")

    def _permitted(self, serial: str) -> None:
        from_hex(serial, "serial", SERIAL_BYTES)
        if not (self.path / _RECEIPTS / f"{serial}.json").exists():
            raise ConfigurationError("serial", got=serial, expected="that of a receipt of this wallet: `subject show`")

    def _revocation(self, serial: str) -> Path:
        return self.path / _REVOCATIONS / f"{serial}.json"
