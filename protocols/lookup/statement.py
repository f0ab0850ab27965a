"""What parties say while a ticket is made: an element, a DLEQ proof for it, a signature; 160 bytes.

| role | by | element | proves |
|---|---|---|---|
| evaluation | member j | Z_j = k_j B | the scalar behind K_j |
| combination | relay | D = z (sum of Z_j) | the scalar behind L |
| pad | member j | W_j = s_j D | the scalar behind S_j; sealed to the leaf's ephemeral key, then signed |

Proof, signature and seal are bound to epoch, leaf, role and maker, so none serves for another ticket. A pad is signed
in its sealed form: then the relay, which cannot open it, can still tell whose fault a damaged one is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from protocols.errors import MessageError, ProofError, SignatureError
from protocols.lookup.fault import Fault
from protocols.lookup.fields import sized
from protocols.lookup.seal import OVERHEAD
from protocols.oprf import dleq
from protocols.oprf.group import BASE, Element, Random, Scalar, multiply
from protocols.signing import SigningKey, VerifyingKey

PROVEN_BYTES = 32 + 64
STATEMENT_BYTES = PROVEN_BYTES + 64
SEALED_PAD_BYTES = PROVEN_BYTES + OVERHEAD + 64
_LABEL = "fedscore/v1/lookup/ticket"


class Role(StrEnum):
    EVALUATION = "evaluation"
    COMBINATION = "combination"
    PAD = "pad"


@dataclass(frozen=True)
class Bond:
    """What a statement belongs to: one role of one maker for one logged leaf of one epoch."""

    role: Role
    maker: str
    epoch_id: bytes
    leaf_hash: bytes

    def __post_init__(self) -> None:
        sized(self.epoch_id, "epoch_id", 32)
        sized(self.leaf_hash, "leaf hash", 32)

    @property
    def label(self) -> str:
        return f"{_LABEL}/{self.role}"

    @property
    def bytes(self) -> bytes:
        """No two bonds have the same: the leading parts are of fixed size, the label ends at the first zero byte."""
        return self.label.encode() + b"\x00" + self.epoch_id + self.leaf_hash + self.maker.encode()


def prove(bond: Bond, secret: Scalar, public: Element, given: Element, random: Random) -> tuple[Element, bytes]:
    """(element, element || proof) for element = secret * given; `given` is checked. Raises MessageError."""
    element = multiply(secret, given)
    proof = dleq.prove(secret, BASE, public, [given], [element], random, context=bond.bytes)
    return element, element + proof


def check_proven(bond: Bond, public: Element, given: Element, proven: bytes) -> Element:
    """The element in `proven`. Raises Fault naming the maker unless it is the public key's scalar times `given`."""
    element = proven[:32]
    try:
        dleq.verify(proven[32:], BASE, public, [given], [element], context=bond.bytes)
    except (MessageError, ProofError) as error:
        raise Fault(bond.maker, bond.role, f"{error.field}: {error.got}") from error
    return element


def check_made(
    bond: Bond, data: bytes, public: Element, given: Element, key: VerifyingKey, carrier: str, *, proof_alone: bool
) -> Element:
    """The element of a signed statement in the open. Raises Fault, naming its maker if it signed what does not hold.

    `proof_alone` is for who neither keeps the statement nor passes it on. The proof is bound to maker and leaf, and
    only who knows the maker's secret can make it: where it holds a signature adds nothing, and is not looked at.
    """
    if proof_alone and len(data) == STATEMENT_BYTES:
        with suppress(Fault):
            return check_proven(bond, public, given, data[:PROVEN_BYTES])
    return check_proven(bond, public, given, check_signed(bond, data, STATEMENT_BYTES, key, carrier))


def signed(bond: Bond, content: bytes, key: SigningKey) -> bytes:
    """`content` followed by its maker's signature."""
    return content + key.sign(bond.label, bond.bytes + content)


def check_signed(bond: Bond, data: bytes, size: int, key: VerifyingKey, carrier: str) -> bytes:
    """The content. Without the maker's signature nothing speaks against the maker: Fault names the `carrier`."""
    if len(data) != size:
        raise Fault(carrier, bond.role, f"{len(data)} bytes for {bond.maker}", expected=f"{size} bytes")
    content = data[:-64]
    try:
        key.verify(bond.label, bond.bytes + content, data[-64:])
    except SignatureError as error:
        raise Fault(carrier, bond.role, f"no signature of {bond.maker}", expected="the maker's signature") from error
    return content
