"""Sealing to a public key of X25519: HPKE (RFC 9180), base mode, HKDF-SHA256, ChaCha20-Poly1305.

The encapsulated key is drawn inside the library, from the operating system. `info` says what is sealed for whom; bytes
opened under another `info` do not open. A sealed message is 48 bytes longer than what is in it.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from protocols.errors import MessageError

OVERHEAD = 48
KEY_BYTES = 32
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Raises MessageError for a key of small order: its holder would be everybody."""
    try:
        return _SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info=info)
    except ValueError as error:
        raise MessageError("sealing key", got="no key, or one of small order", expected="an X25519 key") from error


def open_sealed(key: X25519PrivateKey, sealed: bytes, info: bytes) -> bytes:
    """Raises MessageError for bytes that were not sealed to this key under this `info`."""
    try:
        return _SUITE.decrypt(sealed, key, info=info)
    except (InvalidTag, ValueError) as error:
        raise MessageError("sealed bytes", got="bytes that do not open", expected="bytes sealed to this key") from error
