"""The tag by which oversight, and nobody else, finds the requests about one person (ElGamal over ristretto255).

tag = (e G, H(id) + e Y), e = HKDF(nonce), Y the oversight key, shared between parties none of whom holds it alone. A
keyed hash would let whoever once learned the key scan the log for a person; here each look-up takes joint decryption.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.errors import ProofError
from protocols.oprf.group import Element, Scalar, add, base, multiply, random_scalar

TAG_BYTES = 64
_INFO = b"fedscore/v1/lookup/tag"


def make_tag(person: Element, nonce: bytes, oversight: Element) -> bytes:
    """64 bytes. `person` is H(id); `nonce` is secret and serves one request."""
    secret = _scalar(nonce)
    return base(secret) + add(person, multiply(secret, oversight))


def check_tag(tag: bytes, person: Element, nonce: bytes, oversight: Element) -> None:
    """For a spot check, which learns `person` and `nonce`. Raises ProofError unless the tag is theirs."""
    if tag != make_tag(person, nonce, oversight):
        raise ProofError("tag", got="one of somebody else", expected="the tag of this person under this nonce")


def _scalar(nonce: bytes) -> Scalar:
    return random_scalar(lambda size: HKDF(SHA512(), size, salt=None, info=_INFO).derive(nonce))
