"""Consent as a document: what a person permits, signed with the PERSON's key; and its revocation, by the same key.

    subject = Subject(identifier, os.urandom(32))                     # the wallet draws the salt
    signed = Receipt(subject_key=key.public, subject=subject.commitment, querier="bank-a", ...).sign(key)
    signed.encode()                                                   # to the querier, with the salt

One signed by the querier proves nothing: whose key it has to be is said by enrolment (`protocols.consent.check`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, integer, sized, take, text, version_one
from protocols.signing import SigningKey, VerifyingKey

MAX_BYTES = 4096
SERIAL_BYTES = 16
MAX_IDENTIFIER = 256
_RECEIPT = "fedscore/v1/consent/receipt"
_REVOCATION = "fedscore/v1/consent/revocation"
_REVOCATION_HASH = "fedscore/v1/consent/revocation/hash"
_SUBJECT = "fedscore/v1/consent/subject"


class Inquiry(StrEnum):
    """A hard inquiry follows an application and counts in a score; a soft one (a review) never does."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True)
class Subject:
    """Whom a receipt is about, for those who may know: the normalised identifier, and the wallet's 32 random bytes.

    Identifiers are few enough to be tried one by one, so a receipt holds their salted hash. Raises MessageError.
    """

    identifier: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.identifier) <= MAX_IDENTIFIER:
            raise MessageError("identifier", got=f"{len(self.identifier)} bytes", expected=f"1 to {MAX_IDENTIFIER}")
        sized(self.salt, "salt", 32)

    @property
    def commitment(self) -> bytes:
        """H(salt, identifier), 32 bytes. The salt has one length, so no two pairs share their bytes."""
        return digest(_SUBJECT, self.salt + self.identifier)


@dataclass(frozen=True)
class Scope:
    """What is asked for: scores under one catalogue, by its name and the 32 bytes of its hash. Raises MessageError."""

    catalogue: str
    hash: bytes

    def __post_init__(self) -> None:
        _name(self.catalogue, "receipt.catalogue")
        sized(self.hash, "receipt.catalogue_hash", 32)


@dataclass(frozen=True)
class Receipt:
    """What a person permits. Raises MessageError, or SignatureError for what is no key, naming the field.

    subject: `Subject.commitment`; serial: 32 hexadecimal digits, random, shown in the logged leaf; issued and expires:
    Unix seconds, valid from the first and no more at the second.
    """

    subject_key: VerifyingKey
    subject: bytes
    querier: str
    purpose: str
    scope: Scope
    inquiry: Inquiry
    serial: str
    issued: int
    expires: int

    def __post_init__(self) -> None:
        sized(self.subject, "receipt.subject", 32)
        _name(self.querier, "receipt.querier")
        _name(self.purpose, "receipt.purpose")
        from_hex(self.serial, "receipt.serial", SERIAL_BYTES)
        integer(self.issued, "receipt.issued")
        integer(self.expires, "receipt.expires", low=self.issued + 1)
        _inquiry(self.inquiry)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "subject_key": self.subject_key.hex,
            "subject": self.subject.hex(),
            "querier": self.querier,
            "purpose": self.purpose,
            "catalogue": self.scope.catalogue,
            "catalogue_hash": self.scope.hash.hex(),
            "inquiry": str(self.inquiry),
            "serial": self.serial,
            "issued": self.issued,
            "expires": self.expires,
        }

    @classmethod
    def from_json(cls, value: Any) -> Receipt:
        names = ("subject_key", "subject", "querier", "purpose", "catalogue", "catalogue_hash", "inquiry")
        fields = take(value, "receipt", ("version", *names, "serial", "issued", "expires"))
        version_one(fields["version"], "receipt")
        catalogue = text(fields["catalogue"], "receipt.catalogue")
        return cls(
            subject_key=VerifyingKey.from_hex(text(fields["subject_key"], "receipt.subject_key")),
            subject=from_hex(fields["subject"], "receipt.subject", 32),
            querier=text(fields["querier"], "receipt.querier"),
            purpose=text(fields["purpose"], "receipt.purpose"),
            scope=Scope(catalogue, from_hex(fields["catalogue_hash"], "receipt.catalogue_hash", 32)),
            inquiry=_inquiry(fields["inquiry"]),
            serial=text(fields["serial"], "receipt.serial"),
            issued=integer(fields["issued"], "receipt.issued"),
            expires=integer(fields["expires"], "receipt.expires"),
        )

    def sign(self, key: SigningKey) -> SignedReceipt:
        """Raises SignatureError for a key the receipt does not name."""
        _check_own(key, self.subject_key, "receipt")
        return SignedReceipt(self, key.sign(_RECEIPT, canonical(self.to_json())))


@dataclass(frozen=True)
class SignedReceipt:
    """A receipt and the signature under the key it names; whether that key is the person's is asked in `check`."""

    receipt: Receipt
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.signature, "receipt.signature", 64)

    def verify(self, key: VerifyingKey) -> None:
        """Raises SignatureError unless `key` signed it."""
        key.verify(_RECEIPT, canonical(self.receipt.to_json()), self.signature)

    def encode(self) -> bytes:
        return canonical({"receipt": self.receipt.to_json(), "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> SignedReceipt:
        """NOT yet verified. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        fields = _parse(data, "receipt")
        return cls(Receipt.from_json(fields["receipt"]), from_hex(fields["signature"], "receipt.signature", 64))


@dataclass(frozen=True)
class Revocation:
    """The holder of `subject_key` takes receipt `serial` back. It bears no date: it counts from when it is delivered.

    Were the person to state the date, inquiries made before could be turned into forbidden ones afterwards.
    """

    subject_key: VerifyingKey
    serial: str

    def __post_init__(self) -> None:
        from_hex(self.serial, "revocation.serial", SERIAL_BYTES)

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, "subject_key": self.subject_key.hex, "serial": self.serial}

    @classmethod
    def from_json(cls, value: Any) -> Revocation:
        fields = take(value, "revocation", ("version", "subject_key", "serial"))
        version_one(fields["version"], "revocation")
        key = VerifyingKey.from_hex(text(fields["subject_key"], "revocation.subject_key"))
        return cls(key, text(fields["serial"], "revocation.serial"))

    def sign(self, key: SigningKey) -> SignedRevocation:
        """Raises SignatureError for a key the revocation does not name."""
        _check_own(key, self.subject_key, "revocation")
        return SignedRevocation(self, key.sign(_REVOCATION, canonical(self.to_json())))


@dataclass(frozen=True)
class SignedRevocation:
    """A revocation and its signature."""

    revocation: Revocation
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.signature, "revocation.signature", 64)

    def verify(self) -> None:
        """Raises SignatureError unless the key it names signed it. Another key's revocation has no effect on yours."""
        payload = canonical(self.revocation.to_json())
        self.revocation.subject_key.verify(_REVOCATION, payload, self.signature)

    @property
    def hash(self) -> bytes:
        """What names it in an acknowledgement, 32 bytes."""
        return digest(_REVOCATION_HASH, self.encode())

    def encode(self) -> bytes:
        return canonical({"revocation": self.revocation.to_json(), "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> SignedRevocation:
        """NOT yet verified. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        fields = _parse(data, "revocation")
        signature = from_hex(fields["signature"], "revocation.signature", 64)
        return cls(Revocation.from_json(fields["revocation"]), signature)


def _parse(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise MessageError(name, got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
    return take(parse_canonical(data), f"signed {name}", (name, "signature"))


def _name(value: str, field: str) -> None:
    """As in a leaf: what one admits, the other must be able to say."""
    if not 0 < len(value) <= 64 or not value.isprintable():
        raise MessageError(field, got=f"{len(value)} characters", expected="1 to 64, printable")


def _inquiry(value: Any) -> Inquiry:
    if value not in tuple(Inquiry):
        raise MessageError("receipt.inquiry", got="another word", expected=" or ".join(Inquiry))
    return Inquiry(value)


def _check_own(key: SigningKey, named: VerifyingKey, what: str) -> None:
    if key.public != named:
        raise SignatureError(what, got=f"key {key.public.key_id}", expected=f"the key it names, {named.key_id}")
