"""The members' joint pseudonym key: k = sum of k_j, of which each member knows its own part only.

    share = KeyShare.generate(os.urandom)
    commitment, opening = commit(share, institution, context, os.urandom)     # 1. publish the commitment
    public = open_all(commitments, openings, context)                         # 2. with all there, publish openings

Adding public keys as they come hands k to whoever speaks last: it publishes K' - sum of the others, so that the sum is
its own K'. Two measures: nobody sees a key before having committed to its own, and every opening proves that its maker
knows the secret, for this institution and this roster (Schnorr; on proofs of possession: Ristenpart and Yilek,
EUROCRYPT 2007). `context` identifies the roster: its members' signing keys and its parameters.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from protocols.canonical import canonical, digest
from protocols.errors import MessageError, ProofError
from protocols.oprf.group import (
    IDENTITY,
    SIZE,
    Element,
    Random,
    Scalar,
    base,
    check_element,
    check_scalar,
    random_scalar,
    sum_of,
)
from protocols.oprf.possession import holds, prove_possession

_COMMITMENT = "fedscore/v1/oprf/key-commitment"
_POSSESSION = "fedscore/v1/oprf/key-possession"
_KEY = b"fedscore/v1/oprf/key-possession"


@dataclass(frozen=True)
class KeyShare:
    """One member's k_j and its public K_j = k_j * BASE. The secret is never printed."""

    secret: Scalar = field(repr=False)

    def __post_init__(self) -> None:
        check_scalar(self.secret, "key share")
        object.__setattr__(self, "public", base(self.secret))

    public: Element = field(init=False)

    @classmethod
    def generate(cls, random: Random) -> KeyShare:
        return cls(random_scalar(random))


@dataclass(frozen=True)
class Opening:
    """What a commitment hid: the public key, the proof of possession (64 bytes) and the salt (32 bytes)."""

    public: Element
    proof: bytes
    salt: bytes

    def __post_init__(self) -> None:
        for name, expected in (("public", SIZE), ("proof", 2 * SIZE), ("salt", SIZE)):
            if len(getattr(self, name)) != expected:
                raise MessageError(name, got=f"{len(getattr(self, name))} bytes", expected=f"{expected} bytes")


def commit(share: KeyShare, institution: str, context: bytes, random: Random) -> tuple[bytes, Opening]:
    """The commitment (32 bytes, to publish first) and its opening (to publish when all commitments are there)."""
    opening = Opening(share.public, prove_key(share, institution, context, random), random(32))
    return _commitment(opening, institution, context), opening


def check_opening(opening: Opening, commitment: bytes, institution: str, context: bytes) -> Element:
    """K_j of `institution`. Raises ProofError, naming it, unless the opening matches its commitment and proves k_j."""
    if not hmac.compare_digest(_commitment(opening, institution, context), commitment):
        raise ProofError(f"key of {institution}", got="another opening", expected="the one that was committed to")
    check_possession(opening.public, opening.proof, institution, context)
    return opening.public


def prove_key(share: KeyShare, institution: str, context: bytes, random: Random) -> bytes:
    """64 bytes: `institution` knows its share."""
    return prove_possession(share.secret, _statement(institution, context, share.public), random, _KEY)


def check_possession(public: Element, proof: bytes, institution: str, context: bytes) -> None:
    """Raises ProofError, naming it, unless `institution` knows the secret of `public`."""
    try:
        known = holds(proof, public, _statement(institution, context, public), _KEY)
    except MessageError as error:
        raise ProofError(f"{error.field} of {institution}", got=error.got, expected=error.expected) from error
    if not known:
        raise ProofError(f"key of {institution}", got="no proof of possession", expected="knowledge of the secret key")


def open_all(commitments: Mapping[str, bytes], openings: Mapping[str, Opening], context: bytes) -> Element:
    """The joint public key of all members. Raises ProofError, naming the member that is missing, extra or at fault."""
    for institution in sorted(commitments.keys() ^ openings.keys()):
        got = "no opening" if institution in commitments else "an opening without a commitment"
        raise ProofError(f"key of {institution}", got=got, expected="a commitment and its opening")
    return joint_public(check_opening(openings[name], commitments[name], name, context) for name in sorted(commitments))


def joint_public(publics: Iterable[Element]) -> Element:
    """The sum of the members' public keys. Raises MessageError if one is no element, or the sum is the identity."""
    total = sum_of([check_element(public, "public key") for public in publics])
    if total == IDENTITY:
        raise MessageError("joint public key", got="the identity", expected="another element of ristretto255")
    return total


def _statement(institution: str, context: bytes, public: Element) -> bytes:
    document = {"context": context.hex(), "institution": institution, "public": public.hex()}
    return digest(_POSSESSION, canonical(document))


def _commitment(opening: Opening, institution: str, context: bytes) -> bytes:
    document = {
        "context": context.hex(),
        "institution": institution,
        "proof": opening.proof.hex(),
        "public": opening.public.hex(),
        "salt": opening.salt.hex(),
    }
    return digest(_COMMITMENT, canonical(document))
