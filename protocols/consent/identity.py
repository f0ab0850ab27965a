"""Whose key is whose: a statement by an identity authority (an e-identity issuer), never by who asks.

    subject = Subject(identifier, salt)                                # the wallet's: one salt for all it does
    request = IdentityRequest(subject, key.public).sign(key)           # the wallet, to the authority only
    statement = IdentityStatement("e-id", subject.commitment, key.public, now, until).sign(authority_key)
    statement.key_of(subject, roster.authorities, now)                 # the key that is hers; ConsentRefused

A statement names nobody to whoever has not the salt. Which authorities count is in the lookup roster, that every member
approves: `protocols.lookup.roster.Authority`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.consent.receipt import MAX_IDENTIFIER, Subject
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, integer, sized, take, text, version_one
from protocols.lookup.roster import Authority, authority_name
from protocols.signing import SigningKey, VerifyingKey

MAX_BYTES = 2048
CLOCK_SKEW_S = 300
_STATEMENT = "fedscore/v1/consent/identity"
_REQUEST = "fedscore/v1/consent/identity-request"


@dataclass(frozen=True)
class IdentityStatement:
    """`key` is that of the person behind `subject`. Raises MessageError, or SignatureError for what is no key.

    subject: `Subject.commitment`; start and until: Unix seconds, valid from the first and no more at the second.
    """

    authority: str
    subject: bytes
    key: VerifyingKey
    start: int
    until: int

    def __post_init__(self) -> None:
        authority_name(self.authority, "identity.authority")
        sized(self.subject, "identity.subject", 32)
        integer(self.start, "identity.start")
        integer(self.until, "identity.until", low=self.start + 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "authority": self.authority,
            "subject": self.subject.hex(),
            "key": self.key.hex,
            "start": self.start,
            "until": self.until,
        }

    @classmethod
    def from_json(cls, value: Any) -> IdentityStatement:
        fields = take(value, "identity", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "identity")
        return cls(
            text(fields["authority"], "identity.authority"),
            from_hex(fields["subject"], "identity.subject", 32),
            VerifyingKey.from_hex(text(fields["key"], "identity.key")),
            integer(fields["start"], "identity.start"),
            integer(fields["until"], "identity.until"),
        )

    def sign(self, key: SigningKey) -> SignedIdentity:
        """The authority's signature."""
        return SignedIdentity(self, key.sign(_STATEMENT, canonical(self.to_json())))


@dataclass(frozen=True)
class SignedIdentity:
    """A statement and the signature of the authority that it names; which authorities count is asked in `key_of`."""

    statement: IdentityStatement
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.signature, "identity.signature", 64)

    def verify(self, authorities: Sequence[Authority], at: int) -> IdentityStatement:
        """The statement, if an authority of the roster made it and it is in force at `at` (Unix seconds).

        Raises ConsentRefused (unknown_key): a key nobody vouches for is no known key.
        """
        statement = self.statement
        keys = {authority.name: authority.key for authority in authorities}
        if statement.authority not in keys:
            got, expected = f"authority {statement.authority}", ", ".join(sorted(keys)) or "none is named"
            raise ConsentRefused(Rule.UNKNOWN_KEY, got=got, expected=expected)
        try:
            keys[statement.authority].verify(_STATEMENT, canonical(statement.to_json()), self.signature)
        except SignatureError as error:
            raise ConsentRefused(
                Rule.UNKNOWN_KEY, got="a forged identity statement", expected=error.expected
            ) from error
        if not statement.start - CLOCK_SKEW_S <= at < statement.until:
            expected = f"from {statement.start} to {statement.until}"
            raise ConsentRefused(Rule.UNKNOWN_KEY, got=f"an identity statement at {at}", expected=expected)
        return statement

    def key_of(self, subject: Subject, authorities: Sequence[Authority], at: int) -> VerifyingKey:
        """The key that is this person's at `at`. Raises ConsentRefused (unknown_key) unless it is said of her."""
        statement = self.verify(authorities, at)
        if statement.subject != subject.commitment:
            got = "an identity statement about somebody else"
            raise ConsentRefused(Rule.UNKNOWN_KEY, got=got, expected="one about this person")
        return statement.key

    def to_json(self) -> dict[str, Any]:
        return {"statement": self.statement.to_json(), "signature": self.signature.hex()}

    @classmethod
    def from_json(cls, value: Any) -> SignedIdentity:
        fields = take(value, "signed identity", ("statement", "signature"))
        statement = IdentityStatement.from_json(fields["statement"])
        return cls(statement, from_hex(fields["signature"], "identity.signature", 64))

    def encode(self) -> bytes:
        return canonical(self.to_json())

    @classmethod
    def decode(cls, data: bytes) -> SignedIdentity:
        """NOT yet verified. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        return cls.from_json(_parse(data, "identity"))


@dataclass(frozen=True)
class IdentityRequest:
    """What a wallet asks an authority to state. It shows identifier and salt: for the authority's eyes only."""

    subject: Subject
    key: VerifyingKey

    def to_json(self) -> dict[str, Any]:
        subject = {"identifier": self.subject.identifier.hex(), "salt": self.subject.salt.hex()}
        return {"version": 1, **subject, "key": self.key.hex}

    def sign(self, key: SigningKey) -> bytes:
        """The request as bytes, with the proof that the asker has the key. Raises SignatureError for another key."""
        if key.public != self.key:
            raise SignatureError("identity request", got=f"key {key.public.key_id}", expected=self.key.key_id)
        request = self.to_json()
        return canonical({"request": request, "signature": key.sign(_REQUEST, canonical(request)).hex()})

    @classmethod
    def read(cls, data: bytes) -> IdentityRequest:
        """The request, its proof of possession verified. Raises MessageError, EncodingError or SignatureError."""
        outer = take(_parse(data, "identity request"), "signed identity request", ("request", "signature"))
        fields = take(outer["request"], "identity request", ("version", "identifier", "salt", "key"))
        version_one(fields["version"], "identity request")
        identifier = text(fields["identifier"], "identity request.identifier")
        if len(identifier) > 2 * MAX_IDENTIFIER:
            raise MessageError("identity request.identifier", got="more", expected=f"{MAX_IDENTIFIER} bytes at most")
        subject = Subject(
            from_hex(identifier, "identity request.identifier", len(identifier) // 2),
            from_hex(fields["salt"], "identity request.salt", 32),
        )
        request = cls(subject, VerifyingKey.from_hex(text(fields["key"], "identity request.key")))
        signature = from_hex(outer["signature"], "identity request.signature", 64)
        request.key.verify(_REQUEST, canonical(request.to_json()), signature)
        return request


def _parse(data: bytes, name: str) -> Any:
    if len(data) > MAX_BYTES:
        raise MessageError(name, got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
    return parse_canonical(data)
