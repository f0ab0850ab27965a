"""A person with a wallet and the inquiries one bank may make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from protocols.consent.check import Revocations, check
from protocols.consent.receipt import Inquiry, Receipt, Scope, SignedReceipt, Subject
from protocols.signing import SigningKey, VerifyingKey

NOW = 1_790_000_000
DAY = 86_400
PURPOSE = "credit-application"
SCOPE = Scope("taiwan", bytes(range(32)))


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


class Directory:
    """The keys enrolled for these persons."""

    def __init__(self, *persons: Person, since: int = 0) -> None:
        self._since = since
        self._keys = {person.identifier: person.key.public for person in persons}

    def key_of(self, identifier: bytes, at: int) -> VerifyingKey | None:
        return self._keys.get(identifier) if at >= self._since else None


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
