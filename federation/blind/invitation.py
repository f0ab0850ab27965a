"""What an owner hands to a lender it allows: where to ask, whom to trust, and the lender's certificate."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from federation.rounds.plan import Document
from federation.runtime.settings import HexDigest, Name


class Invitation(Document):
    """Nothing in it is secret: it is of use only with the lender's key. PEM; `owner_key` signs offers (Ed25519)."""

    format: Literal["fedscore/v1/blind-invitation"] = "fedscore/v1/blind-invitation"
    lender: Name
    address: str = Field(max_length=300)
    owner_key: HexDigest
    authority: str = Field(max_length=8192)
    chain: str = Field(max_length=16384)


def public_key_fingerprint(key: bytes) -> str:
    """SHA-256 of a public key (DER, SubjectPublicKeyInfo), 64 hexadecimal digits in groups of four.

    >>> public_key_fingerprint(b"")[:14]
    'e3b0 c442 98fc'
    """
    text = hashlib.sha256(key).hexdigest()
    return " ".join(text[start : start + 4] for start in range(0, 64, 4))
