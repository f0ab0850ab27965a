"""What an owner hands to a lender it allows: where to ask, whom to trust, and the lender's certificate.

It travels by hand and over networks, and says whose TLS certificates are believed: so it is signed by the key whose
fingerprint is read out. Otherwise whoever passed it on could put in an authority and an address of its own, hand out
the owner's signed offer, which is no secret, and answer with scores of its choice.
"""

from __future__ import annotations

import hashlib
from typing import Literal, Self

from pydantic import Field

from federation.rounds.plan import Document
from federation.runtime.settings import HexDigest, Name
from protocols.canonical import canonical
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/blind/invitation"


class Invitation(Document):
    """Nothing in it is secret: it is of use only with the lender's key. PEM; `owner_key` signs it and offers (Ed25519).

    signature  of everything else in it, 128 hexadecimal digits; "" before `signed_by`
    """

    format: Literal["fedscore/v1/blind-invitation"] = "fedscore/v1/blind-invitation"
    lender: Name
    address: str = Field(pattern=r"^[\x21-\x7e]{1,300}$")
    owner_key: HexDigest
    authority: str = Field(max_length=8192)
    chain: str = Field(max_length=16384)
    signature: str = Field(default="", pattern=r"^([0-9a-f]{128})?$")

    def signed_by(self, key: SigningKey) -> Self:
        return self.model_copy(update={"signature": key.sign(LABEL, self._payload()).hex()})

    def verify(self) -> None:
        """Raises SignatureError unless `owner_key` signed all of it."""
        VerifyingKey.from_hex(self.owner_key).verify(LABEL, self._payload(), bytes.fromhex(self.signature))

    def _payload(self) -> bytes:
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


def public_key_fingerprint(key: bytes) -> str:
    """SHA-256 of a public key (DER, SubjectPublicKeyInfo), 64 hexadecimal digits in groups of four.

    >>> public_key_fingerprint(b"")[:14]
    'e3b0 c442 98fc'
    """
    text = hashlib.sha256(key).hexdigest()
    return " ".join(text[start : start + 4] for start in range(0, 64, 4))
