"""What a wallet sends to each holder: her signed request, who says that it is she, and the tags, each with its proof.

    question = TagQuestion(request.sign(key), identity, salt, tags)
    question.check_asker(authorities, now)        # a holder, before anything else: ConsentRefused
    question.check_tags()                         # ProofError: a tag that its maker cannot have made
    test = question.test(oversight_key)           # the same for everybody who has the question

The holders need no copy of the log. That all of its tags are asked about is checked by the only one who cares: the
person (`federation.inquiries.log_leaves`). That a tag asked about tells nothing new is shown by its proof, wherever the
tag comes from (`protocols.lookup.elgamal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.consent.holders import OversightKey
from protocols.consent.identity import SignedIdentity
from protocols.consent.receipt import Subject
from protocols.consent.tag_lookup import TagTest
from protocols.consent.tag_request import SignedTagRequest, TagRequest
from protocols.errors import MessageError
from protocols.lookup.elgamal import TAG_BYTES, check_tag_proof
from protocols.lookup.fields import sized
from protocols.lookup.roster import Authority

MAX_QUESTION = 1024
"""Tags in one question: about a second of a holder's time."""
_PROOF, _BOND = 64, 32
_BYTES = TAG_BYTES + _PROOF + _BOND


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
