"""What shows one inquiry about a person to somebody who believes neither her, nor the holders, nor who brings the file.

    evidence = Evidence(body, note, path, match)                # her wallet, of a leaf that was found
    signed = evidence.check(index, holders, person, anchors, now)          # the leaf, or an error that names the step

Anchors are the reader's own: the keys of log and coordinator that it pinned, what the log says of members (proved), the
oversight key and the identity authorities of the roster that it approved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import Any, NamedTuple

from federation.inquiries.log_leaves import LoggedLeaf
from federation.oversight.members import Roster
from protocols.consent.question import ProvenTag
from protocols.consent.tag_match import TagMatch
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, take, text
from protocols.lookup.leaf import KIND, LABEL, SignedLeaf
from protocols.lookup.roster import Authority
from protocols.oprf.group import Element
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, VerifierKey, frame, leaf_hash, open_checkpoint, verify_inclusion
from protocols.transparency.merkle import MAX_PATH


@dataclass(frozen=True)
class Anchors:
    """statements: (place, entry) of all that the log says of members and regulators, in order, proved to be in it."""

    log_key: VerifierKey
    coordinator: VerifyingKey
    statements: Sequence[tuple[int, Entry]]
    oversight: Element
    authorities: Sequence[Authority]

    def roster(self, size: int) -> Roster:
        """Who was a member, and who cosigned, after `size` entries."""
        return self._rosters[bisect_left(self.statements, size, key=itemgetter(0))]

    @cached_property
    def _rosters(self) -> tuple[Roster, ...]:
        """After none of the statements, after the first, and so on: folded once, for all inquiries of all files."""
        start = Roster(self.coordinator)
        return tuple(accumulate(self.statements, lambda before, said: before.after(said[1], said[0]), initial=start))


@dataclass(frozen=True)
class Evidence:
    """body: the logged leaf (`SignedLeaf.encode`); path: of inclusion in the tree of `note`, a cosigned checkpoint."""

    body: bytes
    note: bytes
    path: tuple[bytes, ...]
    match: TagMatch

    def check(
        self, index: int, holders: Mapping[str, Element], person: Element, anchors: Anchors, now: float
    ) -> SignedLeaf:
        """1. The tree is one that a quorum of the witnesses of that time cosigned; 2. the leaf stands in it at `index`;
        3. the member that it names signed it, with the key it had at that place; 4. its maker knew whom it is about;
        5. and that is `person`: the holders' proofs, under keys whose sum the caller has checked.

        Raises MessageError, SignatureError or ProofError.
        """
        size = open_checkpoint(self.note, anchors.log_key).size
        checkpoint = anchors.roster(size).quorum.check(self.note, anchors.log_key, now).checkpoint
        verify_inclusion(self.path, leaf_hash(frame(KIND, self.body)), index, size, checkpoint.root)
        signed = SignedLeaf.decode(self.body)
        leaf, member = signed.leaf, anchors.roster(index).members.get(signed.leaf.querier)
        if member is None:
            raise SignatureError("leaf", got="a querier that is no member", expected="a member's signature")
        VerifyingKey.from_hex(member.key).verify(LABEL, leaf.signed_bytes, signed.signature)
        ProvenTag(leaf.tag, leaf.tag_proof, leaf.tag_bond).check()
        self.match.check(leaf.tag, person, holders)
        return signed

    def to_json(self) -> dict[str, Any]:
        return {
            "body": self.body.hex(),
            "note": self.note.decode(),
            "path": [node.hex() for node in self.path],
            "match": self.match.encode().hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Evidence:
        """NOT yet checked. Raises MessageError."""
        fields = take(value, "evidence", cls.__dataclass_fields__)
        body, match = (text(fields[name], f"evidence.{name}") for name in ("body", "match"))
        if not isinstance(fields["path"], list) or len(fields["path"]) > MAX_PATH:
            raise MessageError("evidence.path", got="another form", expected=f"at most {MAX_PATH} hashes")
        return cls(
            from_hex(body, "evidence.body", len(body) // 2),
            text(fields["note"], "evidence.note").encode(),
            tuple(from_hex(node, "evidence.path", 32) for node in fields["path"]),
            TagMatch.decode(from_hex(match, "evidence.match", len(match) // 2)),
        )


class Shown(NamedTuple):
    """A leaf about her, as her wallet keeps it."""

    leaf: LoggedLeaf
    evidence: Evidence
