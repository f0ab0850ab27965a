"""Which logged leaves are about one person: she asks, two holders of the oversight key answer, neither can tell alone.

    test = TagTest(session, hash_to_group(identifier), tags, {"ombudsman": Y1, "regulator": Y2}, oversight)
    holder = Holder(test, "regulator", share)                     # each of the two, in the order of their names
    step = holder.blind(steps_before, os.urandom)                 # 1. from one to the next
    decryption = holder.decrypt(all_steps, os.urandom)            # 2. to the person only
    matches(test, all_steps, {"ombudsman": d1, "regulator": d2})  # 3. she: True for a leaf about her

A plaintext equality test (Jakobsson and Juels, ASIACRYPT 2000) on tags (e G, P + e Y). Minus P, a tag of this person
is (e G, e Y), and of another (e G, D + e Y). Every holder multiplies both halves by a fresh secret z, the same for
both, so that joint decryption gives the identity for her leaves and, for all others, a random element that says
nothing of whom they are about. Chaum-Pedersen proofs (`protocols.oprf.dleq`) tie each z to both halves, and each
decryption to the holder's public key: a holder that hides or invents a match is named.

Whether it is the person who asks, each holder finds out before it takes part (`protocols.consent.tag_request`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

from protocols.canonical import JSON, canonical, digest
from protocols.errors import MessageError, ProofError, StageError
from protocols.lookup.elgamal import TAG_BYTES
from protocols.lookup.fields import sized
from protocols.oprf.dleq import PROOF_SIZE, prove, verify
from protocols.oprf.group import (
    BASE,
    SIZE,
    Element,
    Random,
    check_element,
    multiply,
    random_scalar,
    subtract,
    sum_of,
)
from protocols.oprf.joint_key import KeyShare, joint_public

MAX_TAGS = 4096
_TEST = "fedscore/v1/consent/tag-test"
_ROUND = "fedscore/v1/consent/tag-test/"
_STEP, _STEPS = "fedscore/v1/consent/tag-step", "fedscore/v1/consent/tag-steps"
_PAIR, _DECRYPTED = 2 * SIZE + PROOF_SIZE, SIZE + PROOF_SIZE

Pair: TypeAlias = tuple[Element, Element]


@dataclass(frozen=True)
class TagTest:
    """What is asked, the same for everybody. Raises MessageError, ProofError (keys that are not the oversight key's).

    session: 32 bytes, fresh for every question; person: H(id); tags: those of the leaves asked about, each once;
    holders: their public keys Y_i by name, whose sum is `oversight`, the key of the roster.
    """

    session: bytes
    person: Element = field(repr=False)
    tags: tuple[bytes, ...]
    holders: Mapping[str, Element]
    oversight: Element

    def __post_init__(self) -> None:
        sized(self.session, "session", 32)
        check_element(self.person, "person")
        if not 0 < len(self.tags) <= MAX_TAGS or len(set(self.tags)) != len(self.tags):
            raise MessageError("tags", got=f"{len(self.tags)}, or one twice", expected=f"1 to {MAX_TAGS}, each once")
        for tag in self.tags:
            sized(tag, "tag", TAG_BYTES)
            check_element(tag[:SIZE], "tag")
            check_element(tag[SIZE:], "tag")
        if len(self.holders) < 2:
            raise MessageError("holders", got=len(self.holders), expected="two or more: none may decrypt alone")
        object.__setattr__(self, "holders", MappingProxyType(dict(sorted(self.holders.items()))))
        if joint_public(self.holders.values()) != self.oversight:
            raise ProofError("holders", got="another joint key", expected="the oversight key of the roster")

    @cached_property
    def open(self) -> tuple[int, ...]:
        """The tags that need a test. One whose second half is P itself is nobody's: e would be 0."""
        return tuple(index for index, tag in enumerate(self.tags) if tag[SIZE:] != self.person)

    @cached_property
    def start(self) -> tuple[Pair, ...]:
        """(e G, P' - P + e Y) of every open tag."""
        return tuple((self.tags[i][:SIZE], subtract(self.tags[i][SIZE:], self.person)) for i in self.open)

    def context(self, step: str, holder: str) -> bytes:
        """What a proof is bound to: this question whole, the step, and the holder that makes it."""
        return round_context(self.hash, step, holder)

    @cached_property
    def hash(self) -> bytes:
        """32 bytes that name this question whole."""
        document: JSON = {
            "version": 1,
            "session": self.session.hex(),
            "person": self.person.hex(),
            "tags": [tag.hex() for tag in self.tags],
            "holders": {name: key.hex() for name, key in self.holders.items()},
        }
        return digest(_TEST, canonical(document))


@dataclass(frozen=True)
class Step:
    """One holder's blinding: z times both halves of every pair it was given, and a proof of 64 bytes for each."""

    pairs: tuple[Pair, ...]
    proofs: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.proofs) != len(self.pairs) or any(len(proof) != PROOF_SIZE for proof in self.proofs):
            raise MessageError(
                "step", got="proofs of another form", expected=f"one of {PROOF_SIZE} bytes for each pair"
            )

    def encode(self) -> bytes:
        """128 bytes for each pair: both halves and the proof."""
        return b"".join(left + right + proof for (left, right), proof in zip(self.pairs, self.proofs, strict=True))

    @classmethod
    def decode(cls, data: bytes) -> Step:
        """NOT yet verified. Raises MessageError."""
        if len(data) % _PAIR or len(data) > _PAIR * MAX_TAGS:
            raise MessageError("step", got=f"{len(data)} bytes", expected=f"{_PAIR} for each of {MAX_TAGS} at most")
        rows = [data[place : place + _PAIR] for place in range(0, len(data), _PAIR)]
        pairs = tuple((row[:SIZE], row[SIZE : 2 * SIZE]) for row in rows)
        return cls(pairs, tuple(row[2 * SIZE :] for row in rows))


@dataclass(frozen=True)
class Decryption:
    """One holder's y_i times the first half of every blinded pair, and a proof of 64 bytes for each."""

    elements: tuple[Element, ...]
    proofs: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.proofs) != len(self.elements) or any(len(proof) != PROOF_SIZE for proof in self.proofs):
            raise MessageError(
                "decryption", got="proofs of another form", expected=f"one of {PROOF_SIZE} bytes for each element"
            )

    def encode(self) -> bytes:
        """96 bytes for each pair: the element and the proof."""
        return b"".join(element + proof for element, proof in zip(self.elements, self.proofs, strict=True))

    @classmethod
    def decode(cls, data: bytes) -> Decryption:
        """NOT yet verified. Raises MessageError."""
        if len(data) % _DECRYPTED or len(data) > _DECRYPTED * MAX_TAGS:
            expected = f"{_DECRYPTED} for each of {MAX_TAGS} at most"
            raise MessageError("decryption", got=f"{len(data)} bytes", expected=expected)
        rows = [data[place : place + _DECRYPTED] for place in range(0, len(data), _DECRYPTED)]
        return cls(tuple(row[:SIZE] for row in rows), tuple(row[SIZE:] for row in rows))


def round_context(question: bytes, step: str, holder: str) -> bytes:
    """What a proof of `holder` is bound to: `question` is `TagTest.hash`, `step` "blind" or "decrypt"."""
    return digest(_ROUND + step, question + holder.encode())


def check_blinded(before: Pair, after: Pair, proof: bytes, context: bytes, holder: str) -> None:
    """Raises ProofError naming `holder` unless one z is behind both halves. The identity is refused on the way."""
    (left, right), (first, second) = before, after
    verify(proof, left, first, [right], [second], context=context, where=f"step of {holder}")


def check_decrypted(
    left: Element, public: Element, element: Element, proof: bytes, context: bytes, holder: str
) -> None:
    """Raises ProofError naming `holder` unless `element` is `left` times the secret behind `public`."""
    verify(proof, BASE, public, [left], [element], context=context, where=f"decryption of {holder}")


def follow(test: TagTest, steps: Sequence[Step], *, after: int = 0) -> tuple[Pair, ...]:
    """The pairs after these steps, of the first holders in the order of their names. Raises ProofError naming one.

    `after`: so many of them are not verified again: whoever asks has verified them, and made the last one of them.
    """
    if len(steps) > len(test.holders):
        raise MessageError("steps", got=len(steps), expected=f"at most {len(test.holders)}")
    before = steps[after - 1].pairs if after else test.start
    for holder, step in list(zip(test.holders, steps, strict=False))[after:]:
        if len(step.pairs) != len(before):
            raise ProofError(f"step of {holder}", got=f"{len(step.pairs)} pairs", expected=len(before))
        context = test.context("blind", holder)
        for given, made, proof in zip(before, step.pairs, step.proofs, strict=True):
            check_blinded(given, made, proof, context, holder)
        before = step.pairs
    return before


def steps_hash(test: TagTest, steps: Sequence[Step]) -> bytes:
    """32 bytes that name these steps of this test: what a holder keeps between its step and its decryption."""
    return digest(_STEPS, test.context("kept", "") + b"".join(digest(_STEP, step.encode()) for step in steps))


class Holder:
    """One holder's part in one question: blinds once, then decrypts once what went through its own blinding.

    Were it to decrypt what it did not blind, the other would have it decrypt a tag itself and learn whose it is.
    """

    def __init__(self, test: TagTest, name: str, share: KeyShare, *, kept: bytes | None = None) -> None:
        """`kept`: what a holder that made its step already has remembered of it, in another process perhaps.

        Raises MessageError unless `share` is that of holder `name`.
        """
        if test.holders.get(name) != share.public:
            raise MessageError("holder", got=f"{name}, with another key", expected="a holder and its share of the key")
        self._test, self._name, self._share = test, name, share
        self._place = list(test.holders).index(name)
        self._kept = kept
        self._done = False

    @property
    def kept(self) -> bytes:
        """Names its own step and those before it, 32 bytes. Raises StageError before its step."""
        if self._kept is None:
            raise StageError("step", got="none yet", expected="the holder's own")
        return self._kept

    def blind(self, steps: Sequence[Step], random: Random) -> Step:
        """After the steps of those before. Raises StageError out of turn, ProofError naming who went wrong."""
        if self._kept is not None or len(steps) != self._place:
            raise StageError("step", got=f"{len(steps)} steps, or a second time", expected=f"{self._place}, and once")
        context = self._test.context("blind", self._name)
        pairs, proofs = [], []
        for left, right in follow(self._test, steps):
            z = random_scalar(random)  # for every pair another: two leaves of one stranger must not look alike
            first, second = multiply(z, left), multiply(z, right)
            pairs.append((first, second))
            proofs.append(prove(z, left, first, [right], [second], random, context=context))
        step = Step(tuple(pairs), tuple(proofs))
        self._kept = steps_hash(self._test, [*steps, step])
        return step

    def decrypt(self, steps: Sequence[Step], random: Random) -> Decryption:
        """For the person's eyes. Raises StageError without its own step or a second time, ProofError naming a liar."""
        if self._done or self._kept is None:
            raise StageError("decryption", got="no step of its own, or a second time", expected="one, after its step")
        own = self._place + 1
        if len(steps) != len(self._test.holders) or steps_hash(self._test, steps[:own]) != self._kept:
            raise StageError("decryption", got="other steps", expected=f"all, with the one of {self._name}")
        inputs = [left for left, _ in follow(self._test, steps, after=own)]
        self._done = True
        return _decrypt(self._test, self._name, self._share, inputs, random)

    def __repr__(self) -> str:
        return f"Holder({self._name!r})"


def matches(
    test: TagTest, steps: Sequence[Step], decryptions: Mapping[str, Decryption], *, followed: bool = False
) -> tuple[bool, ...]:
    """For every tag of the test whether it is the person's. Raises ProofError naming the holder that is at fault.

    `followed`: whether she has verified the steps already, by `follow`.
    """
    if len(steps) != len(test.holders) or decryptions.keys() != test.holders.keys():
        raise StageError("matches", got="some holders' answers", expected="a step and a decryption of every holder")
    pairs = follow(test, steps, after=len(steps) if followed else 0)
    for name, public in test.holders.items():
        said, context = decryptions[name], test.context("decrypt", name)
        if len(said.elements) != len(pairs):
            raise ProofError(f"decryption of {name}", got=f"{len(said.elements)} elements", expected=len(pairs))
        for (left, _), element, proof in zip(pairs, said.elements, said.proofs, strict=True):
            check_decrypted(left, public, element, proof, context, name)
    found = [False] * len(test.tags)
    for place, index in enumerate(test.open):
        found[index] = pairs[place][1] == sum_of([decryptions[name].elements[place] for name in test.holders])
    return tuple(found)


def _decrypt(test: TagTest, name: str, share: KeyShare, inputs: Sequence[Element], random: Random) -> Decryption:
    context = test.context("decrypt", name)
    outputs = tuple(multiply(share.secret, left) for left in inputs)
    proofs = (
        prove(share.secret, BASE, share.public, [left], [element], random, context=context)
        for left, element in zip(inputs, outputs, strict=True)
    )
    return Decryption(outputs, tuple(proofs))
