"""What a wallet sends to each holder: her signed request, who says that it is she, and the tags, each with its proof.

    question = TagQuestion(request.sign(key), identity, salt, tags)
    question.check_asker(authorities, now)        # a holder, before anything else: ConsentRefused
    question.check_tags()                         # ProofError: a tag that its maker cannot have made
    test = question.test(oversight_key)           # the same for everybody who has the question
    question.check_order("regulator", steps, order)      # before it decrypts: ConsentRefused

The holders need no copy of the log. That all of its tags are asked about is checked by the only one who cares: the
person (`federation.inquiries.log_leaves`). That a tag asked about tells nothing new is shown by its proof, wherever the
tag comes from (`protocols.lookup.elgamal`). Every holder has her question, and the steps of those before it: so none
decrypts for who has only these, but on her order, signed for this holder and these very steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.canonical import canonical, digest
from protocols.consent.holders import OversightKey
from protocols.consent.identity import SignedIdentity
from protocols.consent.receipt import Subject
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.consent.tag_lookup import TagTest
from protocols.consent.tag_request import SignedTagRequest, TagRequest
from protocols.errors import MessageError, SignatureError
from protocols.lookup.elgamal import TAG_BYTES, check_tag_proof
from protocols.lookup.fields import sized
from protocols.lookup.roster import Authority
from protocols.signing import SigningKey

MAX_QUESTION = 1024
"""Tags in one question: about a second of a holder's time."""
_PROOF, _BOND = 64, 32
_BYTES = TAG_BYTES + _PROOF + _BOND
_ORDER = "fedscore/v1/consent/tag-decrypt"


@dataclass(frozen=True)
class ProvenTag:
    """A leaf's tag, the proof of its maker, and `Leaf.tag_bond`. Raises MessageError for other sizes."""

    tag: bytes
    proof: bytes
    bond: bytes

    def __post_init__(self) -> None:
        for name, size in (("tag", TAG_BYTES), ("proof", _PROOF), ("bond", _BOND)):
            sized(getattr(self, name), f"tag.{name}", size)

    def check(self) -> None:
        """Raises ProofError unless its maker knows what is in it."""
        check_tag_proof(self.tag, self.bond, self.proof)


@dataclass(frozen=True)
class TagQuestion:
    """Raises MessageError: no tags, too many, or more than the leaves that the request is about."""

    signed: SignedTagRequest
    identity: SignedIdentity
    salt: bytes = field(repr=False)
    tags: tuple[ProvenTag, ...]

    def __post_init__(self) -> None:
        sized(self.salt, "question.salt", 32)
        most = min(MAX_QUESTION, self.request.size - self.request.first)
        if not 0 < len(self.tags) <= most:
            raise MessageError("question.tags", got=len(self.tags), expected=f"1 to {most}")

    @property
    def request(self) -> TagRequest:
        return self.signed.request

    def check_asker(self, authorities: Sequence[Authority], now: int) -> None:
        """Raises ConsentRefused unless it is the person herself who asks. Costs two signatures and no more."""
        subject = Subject(self.request.identifier, self.salt)
        self.signed.check(self.identity.key_of(subject, authorities, now), now)

    def check_tags(self) -> None:
        """Raises ProofError. 80 microseconds for each."""
        for tag in self.tags:
            tag.check()

    def order(self, key: SigningKey, holder: str, steps: Sequence[bytes]) -> bytes:
        """The person's order to one holder to decrypt what went through these steps (encoded)."""
        return key.sign(_ORDER, self._ordered(holder, steps))

    def check_order(self, holder: str, steps: Sequence[bytes], order: bytes) -> None:
        """Raises ConsentRefused (forged) unless she, and not another holder, wants these steps decrypted by `holder`.

        After `check_asker`: by then it is known that the request's key is hers.
        """
        try:
            self.request.subject_key.verify(_ORDER, self._ordered(holder, steps), order)
        except SignatureError as error:
            raise ConsentRefused(Rule.FORGED, got=error.got, expected="her order to this holder") from error

    def _ordered(self, holder: str, steps: Sequence[bytes]) -> bytes:
        hashes = [digest(_ORDER, step).hex() for step in steps]
        return canonical({"session": self.request.session.hex(), "holder": holder, "steps": list(hashes)})

    def test(self, key: OversightKey) -> TagTest:
        """Raises MessageError (a tag twice, or no elements)."""
        tags = tuple(each.tag for each in self.tags)
        return TagTest(self.request.session, self.request.person, tags, key.shares, key.public)


def write_tags(tags: Sequence[ProvenTag]) -> bytes:
    """160 bytes for each."""
    return b"".join(each.tag + each.proof + each.bond for each in tags)


def read_tags(data: bytes) -> tuple[ProvenTag, ...]:
    """NOT yet checked. Raises MessageError."""
    if len(data) % _BYTES or len(data) > _BYTES * MAX_QUESTION:
        raise MessageError("question.tags", got=f"{len(data)} bytes", expected=f"{_BYTES} for each of {MAX_QUESTION}")
    rows = (data[place : place + _BYTES] for place in range(0, len(data), _BYTES))
    return tuple(ProvenTag(row[:TAG_BYTES], row[TAG_BYTES:-_BOND], row[-_BOND:]) for row in rows)
