"""Persons who do not exist, known to several members by records that a regulator planted: their sums are known before.

    expected = {subject: {"bank-a": steps, "bank-b": steps}}            # what each planted record must contribute
    answers = CanaryAnswers("bank-c", answers).sign(key)                # a member that asked about them, on its word
    found = compare(expected, answers.verify(key).answers)
    found.deviating, found.suspects, found.explanations                 # whose sum is another; who explains all of it

`steps`: count, evidence and five parts, in whole steps of the record's scale (`federation.lookup.record`), so that a
sum is right or wrong, and nothing lies between. A member is a suspect if every canary that it holds and that was
answered deviates; a member that holds one whose sum is right has not shifted its whole table, unless with another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

from federation.lookup.record import DIMENSIONS, STEPS, JointSum
from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, integer, take, text, version_one
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/lookup/canary-answers"
WIDTH = 2 + len(DIMENSIONS)
MOST_LIARS = 2
Steps: TypeAlias = tuple[int, ...]
_MAX_BYTES = 2**24


def steps_of(joint: JointSum) -> Steps:
    """A member's sum as whole steps."""
    return (joint.count, *(round(value * STEPS) for value in (joint.evidence, *joint.parts)))


@dataclass(frozen=True)
class CanaryAnswer:
    """`subject` as it was asked about; `leaf`: its question in the log (hex); `steps`: (): there was no answer."""

    subject: str = field(repr=False)
    leaf: str
    steps: Steps

    def __post_init__(self) -> None:
        if len(text(self.subject, "canary.subject")) > 256:
            raise MessageError("canary.subject", got=len(self.subject), expected="at most 256 characters")
        from_hex(self.leaf, "canary.leaf", 32 if self.leaf else 0)
        if len(self.steps) not in (0, WIDTH):
            raise MessageError("canary.steps", got=len(self.steps), expected=f"{WIDTH}, or none")
        for value in self.steps:
            integer(value, "canary.steps", -(2**40), 2**40)

    def to_json(self) -> dict[str, Any]:
        return {"subject": self.subject, "leaf": self.leaf, "steps": list(self.steps)}

    @classmethod
    def from_json(cls, value: Any) -> CanaryAnswer:
        fields = take(value, "canary", cls.__dataclass_fields__)
        if not isinstance(fields["steps"], list):
            raise MessageError("canary.steps", got=type(fields["steps"]).__name__, expected="a list")
        return cls(fields["subject"], text(fields["leaf"], "canary.leaf"), tuple(fields["steps"]))


@dataclass(frozen=True)
class CanaryAnswers:
    """What one institution was told about canaries, in the order it was asked."""

    querier: str
    answers: tuple[CanaryAnswer, ...]

    def encode(self) -> bytes:
        answers = [answer.to_json() for answer in self.answers]
        return canonical({"version": 1, "querier": self.querier, "answers": list(answers)})

    def sign(self, key: SigningKey) -> bytes:
        """The file for the regulator: what is falsified there is falsified under this key."""
        signature = key.sign(LABEL, self.encode()).hex()
        return canonical({"answers": parse_canonical(self.encode()), "signature": signature})

    @classmethod
    def verify(cls, data: bytes, key: VerifyingKey) -> CanaryAnswers:
        """Raises MessageError, EncodingError, or SignatureError unless `key` signed it."""
        if len(data) > _MAX_BYTES:
            raise MessageError("canary answers", got=f"{len(data)} bytes", expected=f"at most {_MAX_BYTES}")
        signed = take(parse_canonical(data), "signed canary answers", ("answers", "signature"))
        fields = take(signed["answers"], "canary answers", ("version", "querier", "answers"))
        version_one(fields["version"], "canary answers")
        if not isinstance(fields["answers"], list):
            raise MessageError("canary answers", got=type(fields["answers"]).__name__, expected="a list")
        said = cls(
            text(fields["querier"], "canary answers.querier"),
            tuple(CanaryAnswer.from_json(each) for each in fields["answers"]),
        )
        key.verify(LABEL, said.encode(), from_hex(signed["signature"], "canary answers.signature", 64))
        return said


@dataclass(frozen=True)
class Found:
    """deviating: by subject, what was told less what was planted; unanswered: of whom there is no sum.

    disputed        of whom two sums were told, which nobody here can decide between: they say nothing about a member
    suspects        members all of whose answered canaries deviate: one that shifted its whole table alone is among them
    cleared         members with one whose sum is right: none of them shifted its whole table alone
    explanations    the sets of at most MOST_LIARS members, none larger than needed, whose shifted tables would give all
                    these sums. Two whose shifts cancel are cleared by the canaries that they share, and leave a third
                    as the suspect: where there are several sets, nobody can tell which

    A member none of whose canaries was answered is neither suspect nor cleared.
    """

    deviating: Mapping[str, Steps] = field(repr=False)
    unanswered: tuple[str, ...] = field(repr=False)
    disputed: tuple[str, ...] = field(repr=False)
    suspects: tuple[str, ...]
    cleared: tuple[str, ...]
    explanations: tuple[tuple[str, ...], ...]

    @property
    def explained(self) -> bool:
        """Whether shifts of whole tables would explain every deviation; for none there is nothing to explain."""
        return not self.deviating or bool(self.explanations)


def compare(expected: Mapping[str, Mapping[str, Steps]], answers: Iterable[CanaryAnswer]) -> Found:
    """Canaries by subject, with each member's planted steps, against what was answered. Raises MessageError for a
    subject that is no canary."""
    sums: dict[str, set[Steps]] = {}
    for answer in answers:
        if answer.steps:
            sums.setdefault(answer.subject, set()).add(answer.steps)
    strange = set(sums) - set(expected)
    if strange:
        raise MessageError("canary.subject", got=f"{len(strange)} that were not planted", expected="canaries")
    told = {subject: steps for subject, (steps, *others) in sums.items() if not others}
    deviating: dict[str, Steps] = {}
    for subject, steps in told.items():
        known = [sum(values) for values in zip(*expected[subject].values(), strict=True)]
        difference = tuple(got - planted for got, planted in zip(steps, known, strict=True))
        if any(difference):
            deviating[subject] = difference
    wrong = {frozenset(expected[subject]) for subject in deviating}
    right = {frozenset(expected[subject]) for subject in told if subject not in deviating}
    suspected, cleared = frozenset[str]().union(*wrong), frozenset[str]().union(*right)
    return Found(
        deviating,
        tuple(sorted(set(expected) - set(sums))),
        tuple(sorted(set(sums) - set(told))),
        tuple(sorted(suspected - cleared)),
        tuple(sorted(cleared)),
        _explanations(wrong, right),
    )


def _explanations(
    wrong: AbstractSet[frozenset[str]], right: AbstractSet[frozenset[str]]
) -> tuple[tuple[str, ...], ...]:
    """Sets with a member in every group whose sum is wrong, and not exactly one in any whose sum is right."""
    found: list[tuple[str, ...]] = []
    members = sorted(frozenset[str]().union(*wrong))
    for size in range(1, MOST_LIARS + 1):
        for liars in combinations(members, size):
            fewer = any(set(known) < set(liars) for known in found)
            if not fewer and all(group & set(liars) for group in wrong):
                found += [liars] * all(len(group & set(liars)) != 1 for group in right)
    return tuple(found)
