"""That whoever says something knows the secret behind an element: Schnorr's proof, bound to what is said.

    proof = prove_possession(secret, public, statement, random, label)      # 64 bytes: challenge, response
    holds(proof, public, statement, label)                                  # True or False

The challenge covers the element and the statement (the strong form of Fiat and Shamir: Bernhard, Pereira and Warinschi,
ASIACRYPT 2012). The nonce is hedged, as in `protocols.oprf.dleq`.
"""

from __future__ import annotations

from protocols.oprf.group import (
    SIZE,
    Element,
    Random,
    Scalar,
    add,
    base,
    check_element,
    check_scalar,
    hash_to_scalar,
    multiply,
    respond,
)

PROOF_SIZE = 2 * SIZE
_CHALLENGE, _NONCE = b"/challenge", b"/nonce"


def prove_possession(secret: Scalar, statement: bytes, random: Random, label: bytes) -> bytes:
    """For public = secret * BASE. `statement` is of one length for each label, and covers the public element."""
    nonce = hash_to_scalar(secret + random(32) + statement, label + _NONCE)
    challenge = hash_to_scalar(statement + base(nonce), label + _CHALLENGE)
    return challenge + respond(nonce, challenge, secret)


def holds(proof: bytes, public: Element, statement: bytes, label: bytes) -> bool:
    """Whether the maker of `proof` knows the secret of `public`. Raises MessageError for what is no element or scalar.

    80 microseconds.
    """
    check_element(public, "public key")
    challenge = check_scalar(proof[:SIZE], "challenge")
    response = check_scalar(proof[SIZE:], "response")
    nonce = add(base(response), multiply(challenge, public))
    return hash_to_scalar(statement + nonce, label + _CHALLENGE) == challenge
