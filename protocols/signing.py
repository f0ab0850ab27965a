"""Ed25519 signatures (RFC 8032) under a domain label.

>>> key = SigningKey.from_seed(bytes(32))
>>> signature = key.sign("fedscore/v1/example", b"payload")
>>> key.public.verify("fedscore/v1/example", b"payload", signature)
>>> key.public.verify("fedscore/v1/other", b"payload", signature)
Traceback (most recent call last):
protocols.errors.SignatureError: signature: got one that does not verify, expected a signature by key 139e3940e64b5491

What is signed is digest(label, payload): a signature for one kind of document is worthless for any other.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from protocols.canonical import digest
from protocols.edwards import is_public_key
from protocols.errors import SignatureError

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class VerifyingKey:
    """An Ed25519 public key, 32 raw bytes: a point of prime order, never one of the few that verify anything."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise SignatureError("public key", got=f"{len(self.raw)} bytes", expected="32 bytes")
        if not is_public_key(self.raw):
            raise SignatureError("public key", got="no point of prime order", expected="a key of Ed25519 (RFC 8032)")

    @classmethod
    def from_hex(cls, text: str) -> VerifyingKey:
        """Raises SignatureError unless `text` is 64 lower-case hexadecimal digits, and a key."""
        if type(text) is not str or not _HEX.fullmatch(text):
            raise SignatureError("public key", got="another form", expected="64 lower-case hexadecimal digits")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        return self.raw.hex()

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of SHA-256(raw): short enough to read out over a telephone."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def verify(self, label: str, payload: bytes, signature: bytes) -> None:
        """Raises SignatureError unless `signature` is this key's over `payload` under `label`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, digest(label, payload))
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(
                "signature", got="one that does not verify", expected=f"a signature by key {self.key_id}"
            ) from error


class SigningKey:
    """An Ed25519 private key. Never printed, never logged; it leaves only as PEM, to the file of its owner."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyingKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key from the operating system's generator."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed (RFC 8032, section 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Raises SignatureError unless `pem` holds an unencrypted Ed25519 key in PKCS #8."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SignatureError("private key", got="unreadable bytes", expected="PKCS #8 PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SignatureError("private key", got=type(key).__name__, expected="Ed25519")
        return cls(key)

    def to_pem(self) -> bytes:
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, label: str, payload: bytes) -> bytes:
        """64 bytes over digest(label, payload)."""
        return self._key.sign(digest(label, payload))

    def __repr__(self) -> str:
        return f"SigningKey(key_id={self.public.key_id!r})"
