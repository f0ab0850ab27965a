"""A person with a wallet and the inquiries one bank may make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from protocols.consent.check import Revocations, check
from protocols.consent.consent import Consent
from protocols.consent.identity import IdentityStatement
from protocols.consent.receipt import Inquiry, Receipt, Scope, SignedReceipt, Subject
from protocols.lookup.roster import Authority
from protocols.signing import SigningKey

NOW = 1_790_000_000
DAY = 86_400
PURPOSE = "credit-application"
SCOPE = Scope("taiwan", bytes(range(32)))
AUTHORITY = SigningKey.from_seed(hashlib.sha256(b"e-id").digest())
AUTHORITIES = (Authority("e-id", AUTHORITY.public),)


def drawn_bytes(name: str, size: int = 32) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size)


@dataclass
class Person:
    """Her key, her identifier and the salts of her receipts."""

    identifier: bytes
    key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = SigningKey.from_seed(hashlib.sha256(b"wallet" + self.identifier).digest())

    def subject(self, number: int = 0) -> Subject:
        return Subject(self.identifier, drawn_bytes(f"salt {self.identifier!r} {number}"))

    def receipt(self, number: int = 0, **changes: Any) -> Receipt:
        receipt = Receipt(
            subject_key=self.key.public,
            subject=self.subject(number).commitment,
            querier="bank-a",
            purpose=PURPOSE,
            scope=SCOPE,
            inquiry=Inquiry.HARD,
            serial=drawn_bytes(f"serial {self.identifier!r} {number}", 16).hex(),
            issued=NOW - DAY,
            expires=NOW + 30 * DAY,
        )
        return replace(receipt, **changes)

    def signed(self, number: int = 0, **changes: Any) -> SignedReceipt:
        return self.receipt(number, **changes).sign(self.key)


def consent(
    person: Person, receipt: SignedReceipt, number: int = 0, *, signer: SigningKey = AUTHORITY, **changes: Any
) -> Consent:
    """What her wallet hands over; `changes` are of the authority's statement."""
    subject = person.subject(number)
    statement = IdentityStatement("e-id", subject.commitment, person.key.public, NOW - 9 * DAY, NOW + 300 * DAY)
    return Consent(receipt, subject.salt, replace(statement, **changes).sign(signer))


def ask(person: Person, signed: SignedReceipt, **changes: Any) -> Receipt:
    """The inquiry that `person.signed()` covers, with `changes`."""
    arguments: dict[str, Any] = {
        "subject": person.subject(),
        "querier": "bank-a",
        "purpose": PURPOSE,
        "scope": SCOPE,
        "now": NOW,
        "known_key": person.key.public,
        "revoked": Revocations(),
    }
    return check(signed, **(arguments | changes))
