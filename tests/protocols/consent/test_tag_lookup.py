"""A person finds the leaves about her through both holders; each holder alone, and the log's readers, find nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random as Deterministic
from typing import Any

import pytest
from consent_world import drawn_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.consent.tag_lookup import Decryption, Holder, Step, TagTest, follow, matches
from protocols.errors import MessageError, ProofError, StageError
from protocols.lookup.elgamal import make_tag
from protocols.oprf.dleq import prove
from protocols.oprf.group import BASE, Element, add, base, hash_to_group, multiply, random_scalar, subtract
from protocols.oprf.joint_key import KeyShare, joint_public

RANDOM = Deterministic(7).randbytes
SHARES = {name: KeyShare.generate(RANDOM) for name in ("ombudsman", "regulator")}
PUBLICS = {name: share.public for name, share in SHARES.items()}
OVERSIGHT = joint_public(PUBLICS.values())
MARY, JOHN = hash_to_group(b"DE|4711"), hash_to_group(b"DE|4712")


def tag(person: Element, number: int) -> bytes:
    return make_tag(person, drawn_bytes(f"tag {number}"), OVERSIGHT)


def question(about: list[Element], **changes: Any) -> TagTest:
    tags = tuple(tag(person, number) for number, person in enumerate(about))
    return replace(TagTest(drawn_bytes("session"), MARY, tags, PUBLICS, OVERSIGHT), **changes)


@dataclass
class Run:
    """Both holders, honest, up to their decryptions."""

    test: TagTest
    steps: list[Step] = field(default_factory=list)
    holders: dict[str, Holder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.holders = {name: Holder(self.test, name, share) for name, share in SHARES.items()}
        for name in self.test.holders:
            self.steps.append(self.holders[name].blind(self.steps, RANDOM))

    @property
    def decryptions(self) -> dict[str, Decryption]:
        return {name: holder.decrypt(self.steps, RANDOM) for name, holder in self.holders.items()}

    @property
    def found(self) -> tuple[bool, ...]:
        return matches(self.test, self.steps, self.decryptions)


@given(about=st.lists(st.sampled_from([MARY, JOHN, hash_to_group(b"x")]), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_exactly_her_leaves_are_found(about: list[Element]) -> None:
    assert Run(question(about)).found == tuple(person == MARY for person in about)


def test_three_holders_find_them_too() -> None:
    shares = {name: KeyShare.generate(RANDOM) for name in "cab"}
    publics = {name: share.public for name, share in shares.items()}
    oversight = joint_public(publics.values())
    tags = tuple(make_tag(each, drawn_bytes(str(n)), oversight) for n, each in enumerate((JOHN, MARY)))
    test = TagTest(bytes(32), MARY, tags, publics, oversight)
    holders = {name: Holder(test, name, shares[name]) for name in sorted(shares)}
    steps: list[Step] = []
    for holder in holders.values():
        steps.append(holder.blind(steps, RANDOM))
    answers = {name: holder.decrypt(steps, RANDOM) for name, holder in holders.items()}
    assert matches(test, steps, answers) == (False, True)


def test_a_tag_whose_second_half_is_the_person_is_nobodys() -> None:
    """A querier that knows P can log it; no holder is stopped by it, and no match comes of it."""
    odd = base(random_scalar(RANDOM)) + MARY
    mixed = question([MARY, JOHN])
    assert Run(replace(mixed, tags=(odd, *mixed.tags))).found == (False, True, False)
    assert Run(replace(mixed, tags=(odd,))).found == (False,)


def test_the_log_and_one_share_tell_nothing() -> None:
    """Each thing a reader of the log, or one holder, could compute and compare."""
    mine, again, other = tag(MARY, 0), tag(MARY, 1), tag(JOHN, 2)
    assert len({half for each in (mine, again, other) for half in (each[:32], each[32:])}) == 6
    assert subtract(mine[32:], again[32:]) not in (mine[:32], again[:32])
    for share in SHARES.values():
        assert subtract(mine[32:], multiply(share.secret, mine[:32])) != MARY
    whole = [multiply(share.secret, mine[:32]) for share in SHARES.values()]
    assert subtract(mine[32:], add(*whole)) == MARY  # both together: why neither decrypts a tag for the other


def test_one_holders_answer_alone_finds_nothing() -> None:
    run = Run(question([MARY]))
    alone = run.holders["regulator"].decrypt(run.steps, RANDOM)
    pair = run.steps[-1].pairs[0]
    assert pair[1] != alone.elements[0]
    with pytest.raises(StageError):
        matches(run.test, run.steps, {"regulator": alone})


def test_an_unblinded_tag_would_open_to_the_person_and_is_not_decrypted() -> None:
    """The ombudsman wants to know whom a leaf is about: it has the regulator decrypt the tag as it stands."""
    run = Run(question([JOHN]))
    raw = run.test.tags[0]
    served = multiply(SHARES["regulator"].secret, raw[:32])  # what a holder without the rule would answer
    assert subtract(raw[32:], add(served, multiply(SHARES["ombudsman"].secret, raw[:32]))) == JOHN
    unblinded = Step(((raw[:32], subtract(raw[32:], MARY)),), (bytes(64),))
    for steps in ([run.steps[0], unblinded], [unblinded, unblinded], run.steps[:1], []):
        with pytest.raises(StageError):
            run.holders["regulator"].decrypt(steps, RANDOM)
    with pytest.raises(StageError):  # nor before it has blinded at all
        Holder(run.test, "regulator", SHARES["regulator"]).decrypt(run.steps, RANDOM)


def test_what_remains_of_a_stranger_is_fresh_in_every_pair() -> None:
    """Two leaves about one stranger: with one z for both they would leave the same element behind."""
    run = Run(question([JOHN, JOHN]))
    secrets = [share.secret for share in SHARES.values()]

    def left(pair: tuple[Element, Element]) -> Element:
        return subtract(pair[1], add(*[multiply(secret, pair[0]) for secret in secrets]))

    first, second = (left(pair) for pair in run.steps[-1].pairs)
    assert first != second
    z = random_scalar(RANDOM)
    same = [left((multiply(z, a), multiply(z, b))) for a, b in run.test.start]
    assert same[0] == same[1] == multiply(z, subtract(JOHN, MARY))
    again = Run(question([JOHN]))
    assert left(again.steps[-1].pairs[0]) not in (first, second, subtract(JOHN, MARY))


Altered = Callable[[Run], Step]


def other_half(run: Run) -> Step:
    step = run.steps[1]
    return replace(step, pairs=((step.pairs[0][0], multiply(random_scalar(RANDOM), BASE)),))


def unequal_z(run: Run) -> Step:
    """Proved with the z of the first half; the second has another."""
    (left, right), z = run.steps[0].pairs[0], random_scalar(RANDOM)
    first, second = multiply(z, left), multiply(random_scalar(RANDOM), right)
    context = run.test.context("blind", "regulator")
    return Step(((first, second),), (prove(z, left, first, [right], [second], RANDOM, context=context),))


def of_another_session(run: Run) -> Step:
    return Run(replace(run.test, session=bytes(32))).steps[1]


def of_the_other_holder(run: Run) -> Step:
    return run.steps[0]


def proved(run: Run, context: bytes) -> Step:
    """True, but for the context the proof is bound to."""
    (left, right), z = run.steps[0].pairs[0], random_scalar(RANDOM)
    first, second = multiply(z, left), multiply(z, right)
    return Step(((first, second),), (prove(z, left, first, [right], [second], RANDOM, context=context),))


def proved_by_another(run: Run) -> Step:
    return proved(run, run.test.context("blind", "ombudsman"))


def proved_for_another_session(run: Run) -> Step:
    return proved(run, replace(run.test, session=bytes(32)).context("blind", "regulator"))


def proved_as_another_step(run: Run) -> Step:
    return proved(run, run.test.context("decrypt", "regulator"))


CHEATS: list[Altered] = [
    other_half,
    unequal_z,
    of_another_session,
    of_the_other_holder,
    proved_by_another,
    proved_for_another_session,
    proved_as_another_step,
]


def identity(run: Run) -> Step:
    return replace(run.steps[1], pairs=((bytes(32), bytes(32)),))


def test_a_step_proved_in_its_own_context_is_followed() -> None:
    run = Run(question([MARY]))
    assert follow(run.test, [run.steps[0], proved(run, run.test.context("blind", "regulator"))])


@pytest.mark.parametrize("cheat", [*CHEATS, identity])
def test_a_blinding_that_hides_a_match_names_its_holder(cheat: Altered) -> None:
    run = Run(question([MARY]))
    assert run.found == (True,)
    run = Run(question([MARY]))
    steps = [run.steps[0], cheat(run)]
    with pytest.raises(ProofError, match="step of regulator"):
        follow(run.test, steps)
    if cheat is unequal_z:  # with the proof off: the person does not find the leaf about her
        left, right = steps[1].pairs[0]
        assert right != add(*[multiply(share.secret, left) for share in SHARES.values()])


def test_too_few_pairs_and_too_many_steps_are_refused() -> None:
    run = Run(question([MARY, JOHN]))
    short = Step(run.steps[0].pairs[:1], run.steps[0].proofs[:1])
    with pytest.raises(ProofError, match="step of ombudsman"):
        follow(run.test, [short])
    with pytest.raises(MessageError):
        follow(run.test, [*run.steps, run.steps[0]])
    for proofs in ((), (bytes(63), bytes(64))):
        with pytest.raises(MessageError):
            Step(run.steps[0].pairs, proofs)


def test_a_decryption_that_hides_or_invents_a_match_names_its_holder() -> None:
    run = Run(question([JOHN]))
    honest = run.decryptions
    pair = run.steps[-1].pairs[0]
    invented = subtract(pair[1], honest["regulator"].elements[0])  # what would make John's leaf hers
    assert add(invented, honest["regulator"].elements[0]) == pair[1]  # with the proof off it is a match
    proofs = honest["ombudsman"].proofs
    for bad in ((invented,), (base(random_scalar(RANDOM)),), (bytes(32),), ()):
        false = honest | {"ombudsman": Decryption(bad, proofs[: len(bad)])}
        with pytest.raises(ProofError, match="decryption of ombudsman"):
            matches(run.test, run.steps, false)
    with pytest.raises(ProofError, match="decryption of ombudsman"):
        matches(run.test, run.steps, honest | {"ombudsman": honest["regulator"]})
    assert matches(run.test, run.steps, honest) == (False,)
    for proofs in ((), (bytes(63),)):
        with pytest.raises(MessageError):
            Decryption(honest["regulator"].elements, proofs)


def test_a_holder_acts_once_in_its_turn_and_under_its_own_key() -> None:
    run = Run(question([MARY]))
    holder = run.holders["ombudsman"]
    with pytest.raises(StageError):
        holder.blind([], RANDOM)
    holder.decrypt(run.steps, RANDOM)
    with pytest.raises(StageError):
        holder.decrypt(run.steps, RANDOM)
    with pytest.raises(StageError):
        Holder(run.test, "regulator", SHARES["regulator"]).blind([], RANDOM)
    for name, share in (("regulator", SHARES["ombudsman"]), ("stranger", SHARES["regulator"])):
        with pytest.raises(MessageError):
            Holder(run.test, name, share)
    assert repr(holder) == "Holder('ombudsman')"


def test_a_question_of_another_form_is_refused() -> None:
    asked = question([MARY])
    for change in (
        {"session": b"short"},
        {"person": bytes(32)},
        {"tags": ()},
        {"tags": asked.tags * 2},
        {"tags": (bytes(64),)},
        {"tags": (asked.tags[0][:63],)},
        {"holders": {"regulator": OVERSIGHT}},
    ):
        with pytest.raises(MessageError):
            replace(asked, **change)
    with pytest.raises(ProofError, match="holders"):
        replace(asked, oversight=base(random_scalar(RANDOM)))
    assert MARY.hex() not in repr(asked)
    assert repr(MARY) not in repr(asked)
