"""The consent document: all that a wallet hands to who may ask, in one file, and whether it covers an inquiry.

    consent = Consent(signed_receipt, salt, signed_identity)
    check_consent(Consent.decode(data), identifier=identifier, querier="bank-a", purpose=purpose, scope=scope, now=now,
                  authorities=roster.authorities, revoked=revocations)                 # ConsentRefused names the rule

The logged leaf commits to these bytes, and an opening shows them: a regulator judges with the authorities' keys alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.canonical import canonical, parse_canonical
from protocols.consent.check import Revocations, check
from protocols.consent.identity import SignedIdentity
from protocols.consent.receipt import MAX_BYTES, Receipt, Scope, SignedReceipt, Subject
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import MessageError, ProtocolError
from protocols.lookup.fields import from_hex, sized, take, version_one
from protocols.lookup.roster import Authority


@dataclass(frozen=True)
class Consent:
    """A signed receipt, the wallet's salt (32 bytes) and the statement whose key signed. Raises MessageError."""

    receipt: SignedReceipt
    salt: bytes = field(repr=False)
    identity: SignedIdentity

    def __post_init__(self) -> None:
        sized(self.salt, "consent.salt", 32)

    @property
    def serial(self) -> str:
        """Of the receipt; the log shows it, and lets it serve once."""
        return self.receipt.receipt.serial

    def encode(self) -> bytes:
        receipt = parse_canonical(self.receipt.encode())
        fields = {"receipt": receipt, "salt": self.salt.hex(), "identity": self.identity.to_json()}
        return canonical({"version": 1, **fields})

    @classmethod
    def decode(cls, data: bytes) -> Consent:
        """NOT yet checked. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        if len(data) > MAX_BYTES:
            raise MessageError("consent", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "consent", ("version", "receipt", "salt", "identity"))
        version_one(fields["version"], "consent")
        return cls(
            SignedReceipt.decode(canonical(fields["receipt"])),
            from_hex(fields["salt"], "consent.salt", 32),
            SignedIdentity.from_json(fields["identity"]),
        )


def read_consent(data: bytes) -> Consent:
    """What was presented as consent. Raises ConsentRefused: missing for no bytes, malformed for other bytes."""
    if not data:
        raise ConsentRefused(Rule.MISSING, got="no consent document", expected="the person's")
    try:
        return Consent.decode(data)
    except ProtocolError as error:
        raise ConsentRefused(
            Rule.MALFORMED, got=f"{error.field}: {error.got}", expected="a consent document"
        ) from error


def check_consent(
    consent: Consent,
    *,
    identifier: bytes,
    querier: str,
    purpose: str,
    scope: Scope,
    now: int,
    authorities: Sequence[Authority],
    revoked: Revocations,
) -> Receipt:
    """The receipt, if the document covers this inquiry at `now` (Unix seconds); else ConsentRefused.

    The key is the one that an authority of the roster states for the commitment in the receipt; `check` holds that
    commitment against the identifier that is asked about.
    """
    statement = consent.identity.verify(authorities, now)
    same = statement.subject == consent.receipt.receipt.subject
    return check(
        consent.receipt,
        subject=Subject(identifier, consent.salt),
        querier=querier,
        purpose=purpose,
        scope=scope,
        now=now,
        known_key=statement.key if same else None,
        revoked=revoked,
    )
