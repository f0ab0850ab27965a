"""A person's signed question to the holders of the oversight key: which of these leaves are about me?

    signed = TagRequest(key.public, identifier, os.urandom(32), first=0, size=5_000, issued=now).sign(key)
    request = signed.check(directory.key_of(signed.request.identifier, now), now)     # every holder, before its step
    TagTest(request.session, request.person, tags, holders, oversight)

It shows the holders who asks, and goes to nobody else. A holder answers one session once: it remembers the sessions of
the last MAX_AGE_S.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.consent.check import CLOCK_SKEW_S
from protocols.consent.receipt import MAX_IDENTIFIER
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, integer, sized, take, text, version_one
from protocols.oprf.group import Element, hash_to_group
from protocols.signing import SigningKey, VerifyingKey

MAX_AGE_S = 86_400
MAX_BYTES = 2048
_REQUEST = "fedscore/v1/consent/tag-request"


@dataclass(frozen=True)
class TagRequest:
    """Raises MessageError. session: 32 fresh bytes; the leaves first <= i < size of the log; issued: Unix seconds."""

    subject_key: VerifyingKey
    identifier: bytes = field(repr=False)
    session: bytes
    first: int
    size: int
    issued: int

    def __post_init__(self) -> None:
        if not 0 < len(self.identifier) <= MAX_IDENTIFIER:
            raise MessageError("identifier", got=f"{len(self.identifier)} bytes", expected=f"1 to {MAX_IDENTIFIER}")
        sized(self.session, "request.session", 32)
        integer(self.first, "request.first")
        integer(self.size, "request.size", self.first + 1)
        integer(self.issued, "request.issued")

    @property
    def person(self) -> Element:
        """H(id), that the test is about."""
        return hash_to_group(self.identifier)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "subject_key": self.subject_key.hex,
            "identifier": self.identifier.hex(),
            "session": self.session.hex(),
            "first": self.first,
            "size": self.size,
            "issued": self.issued,
        }

    @classmethod
    def from_json(cls, value: Any) -> TagRequest:
        fields = take(value, "request", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "request")
        identifier = text(fields["identifier"], "request.identifier")
        first, size, issued = (integer(fields[name], f"request.{name}") for name in ("first", "size", "issued"))
        return cls(
            subject_key=VerifyingKey.from_hex(text(fields["subject_key"], "request.subject_key")),
            identifier=from_hex(identifier, "request.identifier", len(identifier) // 2),
            session=from_hex(fields["session"], "request.session", 32),
            first=first,
            size=size,
            issued=issued,
        )

    def sign(self, key: SigningKey) -> SignedTagRequest:
        """Raises SignatureError for a key the request does not name."""
        if key.public != self.subject_key:
            raise SignatureError("request", got=f"key {key.public.key_id}", expected=self.subject_key.key_id)
        return SignedTagRequest(self, key.sign(_REQUEST, canonical(self.to_json())))


@dataclass(frozen=True)
class SignedTagRequest:
    """A question and the signature of who asks."""

    request: TagRequest
    signature: bytes

    def check(self, known_key: VerifyingKey | None, now: int) -> TagRequest:
        """The request, if its maker is the person it is about. Raises ConsentRefused naming the rule.

        known_key: the key enrolled for `request.identifier`, never the one the request names. now: Unix seconds.
        """
        request = self.request
        if known_key is None or request.subject_key != known_key:
            raise ConsentRefused(Rule.UNKNOWN_KEY, got=request.subject_key.key_id, expected="the key enrolled for her")
        try:
            known_key.verify(_REQUEST, canonical(request.to_json()), self.signature)
        except SignatureError as error:
            raise ConsentRefused(Rule.FORGED, got=error.got, expected=error.expected) from error
        if now < request.issued - CLOCK_SKEW_S:
            raise ConsentRefused(Rule.NOT_YET_VALID, got=now, expected=f"{request.issued} or later")
        if now >= request.issued + MAX_AGE_S:
            raise ConsentRefused(Rule.EXPIRED, got=now, expected=f"before {request.issued + MAX_AGE_S}")
        return request

    def encode(self) -> bytes:
        return canonical({"request": self.request.to_json(), "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> SignedTagRequest:
        """NOT yet checked. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        if len(data) > MAX_BYTES:
            raise MessageError("request", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "signed request", ("request", "signature"))
        return cls(TagRequest.from_json(fields["request"]), from_hex(fields["signature"], "request.signature", 64))
