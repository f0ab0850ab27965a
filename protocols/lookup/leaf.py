"""The logged request for one ticket. It names the querier and binds B, and says nothing about the person.

Only the querier can sign it, so nobody is framed; every party to a ticket checks it against the same epoch; and its
hash in the log is what Z_j, D and W_j are made for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.context import EpochContext
from protocols.lookup.elgamal import TAG_BYTES, check_tag_proof
from protocols.lookup.fault import TicketRefused
from protocols.lookup.fields import from_hex, sized, take, text, unix_time, version_one
from protocols.oprf.group import Element, check_element
from protocols.signing import SigningKey
from protocols.transparency import frame, leaf_hash

KIND = "lookup-leaf"
LABEL = "fedscore/v1/lookup/leaf"
MAX_BYTES = 4096
MAX_AGE_S = 86_400
CLOCK_SKEW_S = 300
TAG_PROOF_BYTES = 64
_BLINDED = "fedscore/v1/lookup/blinded"
_RECEIPT = "fedscore/v1/lookup/receipt"
_BOND = "fedscore/v1/lookup/tag-bond"


@dataclass(frozen=True)
class Leaf:
    """Raises MessageError for a field of another form. `tag` is b"" where the roster names no oversight key.

    tag_proof: that its maker knows what is in the tag (`protocols.lookup.elgamal`), checked by `SignedLeaf.check`;
    qid: 16 random bytes; receipt_hash: H(nonce, receipt); blinded_hash: H(B); ephemeral: the X25519 key to which pads
    are sealed; issued_at: Unix seconds.
    """

    querier: str
    epoch_id: bytes
    qid: bytes
    purpose: str
    receipt_serial: str
    receipt_hash: bytes
    blinded_hash: bytes
    tag: bytes
    ephemeral: bytes
    issued_at: int
    tag_proof: bytes = b""

    def __post_init__(self) -> None:
        for name, value in (("querier", self.querier), ("purpose", self.purpose), ("serial", self.receipt_serial)):
            if not 0 < len(value) <= 64 or not value.isprintable():  # no database may refuse what the log took
                raise MessageError(f"leaf.{name}", got=f"{len(value)} characters", expected="1 to 64, printable")
        sized(self.qid, "leaf.qid", 16)
        for field in ("epoch_id", "receipt_hash", "blinded_hash", "ephemeral"):
            sized(getattr(self, field), f"leaf.{field}", 32)
        if self.tag:
            check_element(self.tag[:32], "leaf.tag")
            check_element(self.tag[32:], "leaf.tag")
        if len(self.tag_proof) not in (0, TAG_PROOF_BYTES):
            raise MessageError("leaf.tag_proof", got=f"{len(self.tag_proof)} bytes", expected=TAG_PROOF_BYTES)
        unix_time(self.issued_at, "leaf.issued_at")

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "querier": self.querier,
            "epoch_id": self.epoch_id.hex(),
            "qid": self.qid.hex(),
            "purpose": self.purpose,
            "receipt_serial": self.receipt_serial,
            "receipt_hash": self.receipt_hash.hex(),
            "blinded_hash": self.blinded_hash.hex(),
            "tag": self.tag.hex(),
            "tag_proof": self.tag_proof.hex(),
            "ephemeral": self.ephemeral.hex(),
            "issued_at": self.issued_at,
        }

    @classmethod
    def from_json(cls, value: Any) -> Leaf:
        fields = take(value, "leaf", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "leaf")
        tag, proof = text(fields["tag"], "leaf.tag"), text(fields["tag_proof"], "leaf.tag_proof")
        return cls(
            querier=text(fields["querier"], "leaf.querier"),
            epoch_id=from_hex(fields["epoch_id"], "leaf.epoch_id", 32),
            qid=from_hex(fields["qid"], "leaf.qid", 16),
            purpose=text(fields["purpose"], "leaf.purpose"),
            receipt_serial=text(fields["receipt_serial"], "leaf.receipt_serial"),
            receipt_hash=from_hex(fields["receipt_hash"], "leaf.receipt_hash", 32),
            blinded_hash=from_hex(fields["blinded_hash"], "leaf.blinded_hash", 32),
            tag=from_hex(tag, "leaf.tag", TAG_BYTES) if tag else b"",
            ephemeral=from_hex(fields["ephemeral"], "leaf.ephemeral", 32),
            issued_at=unix_time(fields["issued_at"], "leaf.issued_at"),
            tag_proof=from_hex(proof, "leaf.tag_proof", TAG_PROOF_BYTES) if proof else b"",
        )

    @property
    def tag_bond(self) -> bytes:
        """What the proof of the tag is bound to: this request of this querier, and none that copies its tag."""
        return tag_bond(self.querier, self.epoch_id, self.qid)

    @cached_property
    def signed_bytes(self) -> bytes:
        return canonical(self.to_json())

    def sign(self, key: SigningKey) -> SignedLeaf:
        return SignedLeaf(self, key.sign(LABEL, self.signed_bytes))


@dataclass(frozen=True)
class SignedLeaf:
    """A leaf and its querier's signature; `encode` gives the body that is logged under KIND."""

    leaf: Leaf
    signature: bytes

    def encode(self) -> bytes:
        """Canonical JSON: the keys are in order, and the leaf is canonical."""
        return b'{"leaf":%b,"signature":"%b"}' % (self.leaf.signed_bytes, self.signature.hex().encode())

    @staticmethod
    @lru_cache(maxsize=1024)  # a member reads each leaf twice, once for Z_j and once for W_j
    def decode(data: bytes) -> SignedLeaf:
        """NOT yet checked against an epoch. Raises MessageError or EncodingError for bytes `encode` would not give."""
        if len(data) > MAX_BYTES:
            raise MessageError("leaf", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "signed leaf", ("leaf", "signature"))
        return SignedLeaf(Leaf.from_json(fields["leaf"]), from_hex(fields["signature"], "leaf.signature", 64))

    @cached_property
    def hash(self) -> bytes:
        """Its leaf hash in the log, 32 bytes: the name of this request."""
        return leaf_hash(frame(KIND, self.encode()))

    def check(self, context: EpochContext, now: float) -> None:
        """Everything that can be said of a request without knowing others.

        Raises SignatureError (not the querier's), MessageError (another epoch, unknown querier or purpose, tag),
        ProofError (a tag made of another one), StageError (the epoch is not open yet), TicketRefused (its time is over,
        or the date is too far off).
        """
        leaf = self.leaf
        self.check_epoch(context)
        self.check_signature(context)
        context.check_open(now)
        if leaf.purpose not in context.purposes:
            raise MessageError("leaf.purpose", got=leaf.purpose, expected=", ".join(context.purposes))
        if bool(leaf.tag) != (context.oversight is not None):
            raise MessageError("leaf.tag", got="one" if leaf.tag else "none", expected="as the roster's oversight says")
        if leaf.tag:
            check_tag_proof(leaf.tag, leaf.tag_bond, leaf.tag_proof, "leaf.tag")
        if not now - MAX_AGE_S <= leaf.issued_at <= now + CLOCK_SKEW_S:
            raise TicketRefused("conflict", "leaf.issued_at", got=leaf.issued_at, expected=f"about {int(now)}")

    def check_epoch(self, context: EpochContext) -> None:
        """Raises MessageError for a request of another epoch."""
        got = self.leaf.epoch_id
        if got != context.epoch_id:
            raise MessageError("leaf.epoch_id", got=got.hex()[:16], expected=context.epoch_id.hex()[:16])

    def check_signature(self, context: EpochContext) -> None:
        """Raises SignatureError unless the named querier signed, MessageError if the roster has no such member."""
        key = context.roster.member(self.leaf.querier).key
        try:
            key.verify(LABEL, self.leaf.signed_bytes, self.signature)
        except SignatureError as error:
            raise SignatureError("leaf", got="a signature of somebody else", expected=self.leaf.querier) from error


def tag_bond(querier: str, epoch_id: bytes, qid: bytes) -> bytes:
    """32 bytes that name one request: `qid` is 16 random bytes of its querier's."""
    return digest(_BOND, canonical({"querier": querier, "epoch_id": epoch_id.hex(), "qid": qid.hex()}))


def check_blinded(leaf: Leaf, blinded: Element) -> None:
    """Raises MessageError unless B is an element and the very one that was logged."""
    check_element(blinded, "blinded")
    if blinded_hash(blinded) != leaf.blinded_hash:
        raise MessageError("blinded", got="another element", expected="the one whose hash was logged")


def blinded_hash(blinded: Element) -> bytes:
    """H(B)."""
    return digest(_BLINDED, blinded)


def receipt_hash(nonce: bytes, receipt: bytes) -> bytes:
    """H(nonce, receipt): commits to the subject's receipt and hides it."""
    sized(nonce, "nonce", 32)
    return digest(_RECEIPT, nonce + receipt)
