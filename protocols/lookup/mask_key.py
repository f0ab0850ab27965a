"""What an X25519 public key must be before anybody agrees on a mask with it (RFC 7748, sections 5 and 6.1)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocols.errors import MessageError
from protocols.lookup.fields import sized

_PRIME = 2**255 - 19
_ANY = X25519PrivateKey.from_private_bytes(bytes(32))
"""Every X25519 scalar is a multiple of 8, so each one sends the points of small order, and them alone, to zero."""


def check_mask_key(data: bytes, field: str) -> None:
    """Raises MessageError unless `data` is the one spelling of a point whose order is not small.

    With another, no pair of masks can be made, or everybody knows it: better refused from whoever publishes it than
    found by those who build tables.
    """
    sized(data, field, 32)
    if int.from_bytes(data, "little") >= _PRIME:
        raise MessageError(field, got="another spelling of a point", expected="one below 2^255 - 19")
    try:
        _ANY.exchange(X25519PublicKey.from_public_bytes(data))
    except ValueError as error:
        raise MessageError(field, got="a point of small order", expected="another") from error
