"""The tag by which oversight, and nobody else, finds the requests about one person (ElGamal over ristretto255).

tag = (e G, H(id) + e Y), e = HKDF(nonce), Y the oversight key, shared between parties none of whom holds it alone. A
keyed hash would let whoever once learned the key scan the log for a person; here each look-up takes joint decryption.

ElGamal can be altered: from the tag of a stranger's request anybody makes one that is about himself if, and only if,
that request is about a person he guessed; whoever then asks for the requests about himself has learned whom the
stranger's is about. So every tag comes with a proof that its maker knows e (Schnorr, bound to the request): who knows e
knows already whom the tag is about, and learns nothing from a test of it (Schnorr and Jakobsson, ASIACRYPT 2000).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.canonical import digest
from protocols.errors import MessageError, ProofError
from protocols.lookup.fields import sized
from protocols.oprf.group import SIZE, Element, Random, Scalar, add, base, multiply, random_scalar
from protocols.oprf.possession import PROOF_SIZE, holds, prove_possession

TAG_BYTES = 64
_INFO = b"fedscore/v1/lookup/tag"
_STATEMENT = "fedscore/v1/lookup/tag-proof"
_LABEL = b"fedscore/v1/lookup/tag-proof"


def make_tag(person: Element, nonce: bytes, oversight: Element) -> bytes:
    """64 bytes. `person` is H(id); `nonce` is secret and serves one request."""
    secret = _scalar(nonce)
    return base(secret) + add(person, multiply(secret, oversight))


def check_tag(tag: bytes, person: Element, nonce: bytes, oversight: Element) -> None:
    """For a spot check, which learns `person` and `nonce`. Raises ProofError unless the tag is theirs."""
    if tag != make_tag(person, nonce, oversight):
        raise ProofError("tag", got="one of somebody else", expected="the tag of this person under this nonce")


def prove_tag(tag: bytes, bond: bytes, nonce: bytes, random: Random) -> bytes:
    """64 bytes: whoever made `tag` for the request that `bond` (32 bytes) names knows its e."""
    return prove_possession(_scalar(nonce), _statement(tag, bond), random, _LABEL)


def check_tag_proof(tag: bytes, bond: bytes, proof: bytes, where: str = "tag") -> None:
    """Raises ProofError naming `where`: a tag that was made of another one, or for another request. 80 microseconds."""
    try:
        known = len(proof) == PROOF_SIZE and holds(proof, tag[:SIZE], _statement(tag, bond), _LABEL)
    except MessageError as error:
        raise ProofError(f"{where}, {error.field}", got=error.got, expected=error.expected) from error
    if not known:
        raise ProofError(where, got="no proof of its maker's", expected="one for this tag in this request")


def _statement(tag: bytes, bond: bytes) -> bytes:
    sized(tag, "tag", TAG_BYTES)
    sized(bond, "bond", 32)
    return digest(_STATEMENT, tag + bond)


def _scalar(nonce: bytes) -> Scalar:
    return random_scalar(lambda size: HKDF(SHA512(), size, salt=None, info=_INFO).derive(nonce))
