"""That one logged tag is about one person, for whoever was not there when she asked: her pair of a look-up, whole.

    shown = TagMatch.of(test, steps, decryptions, place)        # the person, of a tag that `matches` found
    shown.check(tag, hash_to_group(identifier), holders)        # anybody who knows of whom: ProofError

With L, R the halves of the tag: the holders' proofs tie z to (L, R - P) -> (z L, z (R - P)), z not 0, and every y_i
behind Y_i to y_i z L. The sum of these is z (R - P), so R - P = y L, and the tag is P under Y (Chaum and Pedersen,
CRYPTO 1992). That follows from the statements alone, whoever proved them and in answer to whatever: all holders
together cannot show it of another person's tag. So the question is named by a hash that nobody need be able to compute.

It holds nothing of the other tags that were asked about. Whoever has it and guesses the person can verify the guess;
without P the elements are random (decisional Diffie-Hellman), and the proofs say nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from protocols.consent.tag_lookup import (
    Decryption,
    Pair,
    Step,
    TagTest,
    check_blinded,
    check_decrypted,
    round_context,
)
from protocols.errors import MessageError, ProofError
from protocols.lookup.elgamal import TAG_BYTES
from protocols.lookup.fields import sized
from protocols.oprf.dleq import PROOF_SIZE
from protocols.oprf.group import SIZE, Element, check_element, subtract, sum_of

_HASH = 32
_STEP = 3 * SIZE + 2 * PROOF_SIZE


@dataclass(frozen=True)
class Part:
    """What one holder did: the blinded pair, and its decryption, each with a proof of 64 bytes. NOT verified."""

    pair: Pair
    blinded: bytes
    element: Element
    decrypted: bytes

    def encode(self) -> bytes:
        """224 bytes."""
        return b"".join((*self.pair, self.blinded, self.element, self.decrypted))

    @classmethod
    def decode(cls, data: bytes) -> Part:
        ends = (0, SIZE, 2 * SIZE, 2 * SIZE + PROOF_SIZE, 3 * SIZE + PROOF_SIZE, _STEP)
        left, right, blinded, element, decrypted = (data[a:b] for a, b in pairwise(ends))
        return cls((left, right), blinded, element, decrypted)


@dataclass(frozen=True)
class TagMatch:
    """question: `TagTest.hash` (32 bytes); parts: one for every holder, in the order of their names."""

    question: bytes
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, test: TagTest, steps: Sequence[Step], decryptions: Mapping[str, Decryption], place: int) -> TagMatch:
        """Of the tag at `place` of the question. Raises MessageError for one that was not tested."""
        if place not in test.open:
            raise MessageError("match", got=f"tag {place}", expected="one that was tested")
        at = test.open.index(place)
        each = (
            Part(step.pairs[at], step.proofs[at], decryptions[name].elements[at], decryptions[name].proofs[at])
            for name, step in zip(test.holders, steps, strict=True)
        )
        return cls(test.hash, tuple(each))

    def check(self, tag: bytes, person: Element, holders: Mapping[str, Element]) -> None:
        """Raises ProofError, naming the holder where it is one's, unless `tag` (64 bytes) is that of `person`.

        holders: Y_i by name; that their sum is the oversight key of the roster is the caller's to check.
        """
        sized(tag, "tag", TAG_BYTES)
        for half in (tag[:SIZE], tag[SIZE:]):
            check_element(half, "tag")
        names = sorted(holders)
        if len(self.parts) != len(names):
            raise ProofError("match", got=f"{len(self.parts)} parts", expected=f"one of each of {', '.join(names)}")
        pair = (tag[:SIZE], subtract(tag[SIZE:], person))
        for name, part in zip(names, self.parts, strict=True):
            check_blinded(pair, part.pair, part.blinded, round_context(self.question, "blind", name), name)
            pair = part.pair
        for name, part in zip(names, self.parts, strict=True):
            context = round_context(self.question, "decrypt", name)
            check_decrypted(pair[0], holders[name], part.element, part.decrypted, context, name)
        if sum_of([part.element for part in self.parts]) != pair[1]:
            raise ProofError("match", got="a tag of somebody else", expected="one of this person")

    def encode(self) -> bytes:
        """32 bytes and 224 for each holder."""
        return self.question + b"".join(part.encode() for part in self.parts)

    @classmethod
    def decode(cls, data: bytes) -> TagMatch:
        """NOT yet verified. Raises MessageError."""
        count, rest = divmod(len(data) - _HASH, _STEP)
        if rest or count < 2:
            raise MessageError("match", got=f"{len(data)} bytes", expected=f"{_HASH} and {_STEP} for each holder")
        rows = (data[place : place + _STEP] for place in range(_HASH, len(data), _STEP))
        return cls(data[:_HASH], tuple(Part.decode(row) for row in rows))
