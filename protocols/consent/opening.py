"""What a querier shows for one logged leaf, and the verdict that anybody reaches who sees it.

    answer = Opening(leaf.hash, identifier, ticket.opening).sign(key)        # the querier, to the regulator only
    verdict = judge(leaf, querier_key, answer, Terms(scope, oversight, roster.authorities, revocations))
    verdict.rule                                                             # None, or what the querier broke

An opening shows the person and, with recorded traffic, her record: it goes to the regulator and is never logged. It is
signed, and names its leaf: nobody can be blamed by an opening it did not make, or made for something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent, check_consent, read_consent
from protocols.consent.receipt import MAX_BYTES as MAX_RECEIPT
from protocols.consent.receipt import MAX_IDENTIFIER, Inquiry, Scope
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import MessageError, ProofError, ProtocolError, SignatureError
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.lookup.leaf import LABEL as LEAF
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.roster import Authority
from protocols.lookup.ticket_querier import LeafOpening
from protocols.oprf.group import Element, check_scalar
from protocols.signing import SigningKey, VerifyingKey

MAX_BYTES = 2 * (MAX_RECEIPT + MAX_IDENTIFIER) + 1024
_OPENING = "fedscore/v1/consent/opening"
_BROKEN = {
    "opening.blind": Rule.WRONG_PERSON,
    "opening.receipt": Rule.WRONG_RECEIPT,
    "tag": Rule.WRONG_TAG,
}


@dataclass(frozen=True)
class Opening:
    """(id; r, nonce, consent document) of the leaf with this hash. Raises MessageError. Never printed."""

    leaf_hash: bytes
    identifier: bytes = field(repr=False)
    secrets: LeafOpening = field(repr=False)

    def __post_init__(self) -> None:
        sized(self.leaf_hash, "opening.leaf_hash", 32)
        if not 0 < len(self.identifier) <= MAX_IDENTIFIER:
            got = f"{len(self.identifier)} bytes"
            raise MessageError("opening.identifier", got=got, expected=f"1 to {MAX_IDENTIFIER}")
        check_scalar(self.secrets.blind, "opening.blind")
        sized(self.secrets.nonce, "opening.nonce", 32)
        if len(self.secrets.receipt) > MAX_RECEIPT:
            got = f"{len(self.secrets.receipt)} bytes"
            raise MessageError("opening.receipt", got=got, expected=f"at most {MAX_RECEIPT}")

    def encode(self) -> bytes:
        return canonical(
            {
                "version": 1,
                "leaf_hash": self.leaf_hash.hex(),
                "identifier": self.identifier.hex(),
                "blind": self.secrets.blind.hex(),
                "nonce": self.secrets.nonce.hex(),
                "receipt": self.secrets.receipt.hex(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Opening:
        """Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("opening", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        names = ("leaf_hash", "identifier", "blind", "nonce", "receipt")
        fields = take(parse_canonical(data), "opening", ("version", *names))
        version_one(fields["version"], "opening")
        leaf_hash, blind, nonce = (
            from_hex(fields[name], f"opening.{name}", 32) for name in ("leaf_hash", "blind", "nonce")
        )
        identifier = _any_hex(fields["identifier"], "opening.identifier")
        return cls(leaf_hash, identifier, LeafOpening(blind, nonce, _any_hex(fields["receipt"], "opening.receipt")))

    def sign(self, key: SigningKey) -> SignedOpening:
        payload = self.encode()
        return SignedOpening(self.leaf_hash, payload, key.sign(_OPENING, self.leaf_hash + payload))


@dataclass(frozen=True)
class SignedOpening:
    """An answer to one leaf, as its querier signed it; `payload` may be anything, and is then the querier's fault."""

    leaf_hash: bytes
    payload: bytes = field(repr=False)
    signature: bytes

    def __post_init__(self) -> None:
        sized(self.leaf_hash, "opening.leaf_hash", 32)
        sized(self.signature, "opening.signature", 64)
        if len(self.payload) > MAX_BYTES:
            raise MessageError("opening", got=f"{len(self.payload)} bytes", expected=f"at most {MAX_BYTES}")

    def verify(self, key: VerifyingKey) -> None:
        """Raises SignatureError unless `key` signed this payload for this leaf."""
        key.verify(_OPENING, self.leaf_hash + self.payload, self.signature)

    def encode(self) -> bytes:
        """leaf hash (32), signature (64), payload: the whole goes to the regulator, sealed by its transport."""
        return self.leaf_hash + self.signature + self.payload

    @classmethod
    def decode(cls, data: bytes) -> SignedOpening:
        """NOT yet verified. Raises MessageError."""
        return cls(data[:32], data[96:], data[32:96])


@dataclass(frozen=True)
class Terms:
    """What a leaf is judged by: the epoch's scope, its roster's oversight key and authorities, revocations."""

    scope: Scope
    oversight: Element | None
    authorities: Sequence[Authority]
    revoked: Revocations


@dataclass(frozen=True)
class Verdict:
    """On one leaf: `rule` is what `querier` broke, or None, and then `inquiry` says whether it was hard or soft."""

    querier: str
    leaf_hash: bytes
    rule: Rule | None
    inquiry: Inquiry | None = None


def judge(leaf: SignedLeaf, querier_key: VerifyingKey, answer: SignedOpening | None, terms: Terms) -> Verdict:
    """The verdict on one drawn leaf; None for an answer that did not come in time, which any answer refutes later.

    Raises SignatureError, and blames nobody, if leaf or answer is not this querier's, or the answer another leaf's.
    """
    querier = leaf.leaf.querier
    # 1. The querier, and nobody in its name, asked this and answered for it.
    querier_key.verify(LEAF, leaf.leaf.signed_bytes, leaf.signature)
    if answer is None:
        return Verdict(querier, leaf.hash, Rule.NOT_OPENED)
    answer.verify(querier_key)
    if answer.leaf_hash != leaf.hash:
        raise SignatureError("opening", got="one for another leaf", expected=leaf.hash.hex()[:16])
    try:
        opening = _read(answer)
        # 2. The leaf is about this person, on this receipt, and she can find it.
        _check_leaf(leaf, opening, terms.oversight)
        # 3. The receipt covered the inquiry when it was made.
        receipt = check_consent(
            _consent(leaf, opening),
            identifier=opening.identifier,
            querier=querier,
            purpose=leaf.leaf.purpose,
            scope=terms.scope,
            now=leaf.leaf.issued_at,
            authorities=terms.authorities,
            revoked=terms.revoked,
        )
    except ConsentRefused as refused:
        return Verdict(querier, leaf.hash, refused.rule)
    return Verdict(querier, leaf.hash, None, receipt.inquiry)


def _read(answer: SignedOpening) -> Opening:
    try:
        opening = Opening.decode(answer.payload)
    except ProtocolError as error:
        raise ConsentRefused(Rule.MALFORMED, got=error.field, expected="an opening") from error
    if opening.leaf_hash != answer.leaf_hash:
        raise ConsentRefused(Rule.MALFORMED, got="two leaves", expected="one")
    return opening


def _check_leaf(leaf: SignedLeaf, opening: Opening, oversight: Element | None) -> None:
    try:
        opening.secrets.check(leaf.leaf, opening.identifier, oversight)
    except ProofError as error:
        raise ConsentRefused(_BROKEN[error.field], got=error.got, expected=error.expected) from error


def _consent(leaf: SignedLeaf, opening: Opening) -> Consent:
    consent = read_consent(opening.secrets.receipt)
    if consent.serial != leaf.leaf.receipt_serial:
        raise ConsentRefused(Rule.WRONG_RECEIPT, got="another serial", expected="the one that was logged")
    return consent


def _any_hex(value: Any, name: str) -> bytes:
    return from_hex(value, name, len(text(value, name)) // 2)
