"""Enrolment: the pseudonyms are right, the evaluators learn nothing, and the last to answer cannot choose them."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError, ProofError
from protocols.oprf.enrolment import MAX_IDENTIFIERS, Allowance, Enrolment, evaluate
from protocols.oprf.group import (
    IDENTITY,
    ORDER,
    Element,
    hash_to_group,
    multiply,
    random_scalar,
    subtract,
    sum_of,
)
from protocols.oprf.joint_key import KeyShare

CONTEXT = b"roster 1, alpha, request 1"
SHARES = {name: KeyShare.generate(os.urandom) for name in ("alpha", "beta", "mallory")}
PUBLICS = {name: share.public for name, share in SHARES.items()}
JOINT = (sum(int.from_bytes(s.secret, "little") for s in SHARES.values()) % ORDER).to_bytes(32, "little")
IDENTIFIERS = [b"4711", b"4712", b"4713"]

Answers = dict[str, tuple[list[Element], bytes]]


def answers_to(blinded: list[Element], context: bytes = CONTEXT) -> Answers:
    return {name: evaluate(share, blinded, os.urandom, context) for name, share in SHARES.items()}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.binary(max_size=12), min_size=1, max_size=4, unique=True))
def test_a_pseudonym_is_the_hash_to_the_joint_key(identifiers: list[bytes]) -> None:
    state, blinded = Enrolment.start(identifiers, os.urandom)
    pseudonyms = state.finish(answers_to(blinded), PUBLICS, CONTEXT)
    assert pseudonyms == [multiply(JOINT, hash_to_group(identifier)) for identifier in identifiers]


def test_the_same_customers_twice_have_nothing_in_common_on_the_wire() -> None:
    first, second = Enrolment.start(IDENTIFIERS, os.urandom), Enrolment.start(IDENTIFIERS, os.urandom)
    seen = [
        {*blinded, *(e for part, _ in answers_to(blinded).values() for e in part)} for _, blinded in (first, second)
    ]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & {hash_to_group(identifier) for identifier in IDENTIFIERS}
    a, b = (state.finish(answers_to(blinded), PUBLICS, CONTEXT) for state, blinded in (first, second))
    assert a == b


def test_who_answers_last_can_choose_the_pseudonyms_where_nothing_is_proved_and_is_named_here() -> None:
    """With Z = a * B - (what the others answered) every pseudonym is a * H(id): Mallory finds people on its own."""
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    answers = answers_to(blinded)
    chosen = random_scalar(os.urandom)
    others = [sum_of(parts) for parts in zip(answers["alpha"][0], answers["beta"][0], strict=True)]
    rogue = [subtract(multiply(chosen, b), rest) for b, rest in zip(blinded, others, strict=True)]

    unproved = state._unblind([answers["alpha"][0], answers["beta"][0], rogue])
    assert unproved == [multiply(chosen, hash_to_group(identifier)) for identifier in IDENTIFIERS]

    for proof in (
        answers["mallory"][1],
        answers["alpha"][1],
        evaluate(KeyShare(chosen), blinded, os.urandom, CONTEXT)[1],
    ):
        with pytest.raises(ProofError, match=r"^evaluation by mallory: got a proof that does not hold"):
            state.finish({**answers, "mallory": (rogue, proof)}, PUBLICS, CONTEXT)


def test_one_false_element_among_many_is_enough() -> None:
    state, blinded = Enrolment.start([b"%d" % number for number in range(20)], os.urandom)
    answers = answers_to(blinded)
    answers["beta"][0][17] = hash_to_group(b"poison")
    with pytest.raises(ProofError, match="evaluation by beta"):
        state.finish(answers, PUBLICS, CONTEXT)


def test_another_key_than_that_of_the_manifest_is_named() -> None:
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    answers = {**answers_to(blinded), "beta": evaluate(KeyShare.generate(os.urandom), blinded, os.urandom, CONTEXT)}
    with pytest.raises(ProofError, match="evaluation by beta"):
        state.finish(answers, PUBLICS, CONTEXT)


def test_an_answer_to_another_request_is_refused() -> None:
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    with pytest.raises(ProofError):
        state.finish(answers_to(blinded, b"roster 1, alpha, request 2"), PUBLICS, CONTEXT)


def test_answers_shorter_or_longer_than_the_request_are_refused() -> None:
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    evaluated, proof = evaluate(SHARES["beta"], blinded, os.urandom, CONTEXT)
    for elements in (evaluated[:-1], [*evaluated, evaluated[0]], []):
        with pytest.raises(ProofError, match="evaluation by beta"):
            state.finish({**answers_to(blinded), "beta": (elements, proof)}, PUBLICS, CONTEXT)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_every_member_answers_and_nobody_else(change: str) -> None:
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    answers = answers_to(blinded)
    if change == "missing":
        del answers["beta"]
    else:
        answers["gamma"] = answers["beta"]
    with pytest.raises(ProofError, match=r"evaluation by (beta|gamma): got (no answer|an answer of no member)"):
        state.finish(answers, PUBLICS, CONTEXT)


@pytest.mark.parametrize("element", [IDENTITY, b"\xff" * 32, b""])
def test_a_member_evaluates_elements_only(element: bytes) -> None:
    """The identity would be answered by the identity: no secret at stake, but nobody honest asks for it."""
    with pytest.raises(MessageError, match="element"):
        evaluate(SHARES["alpha"], [hash_to_group(b"x"), element], os.urandom, CONTEXT)


def test_requests_have_bounds() -> None:
    with pytest.raises(MessageError, match="identifiers: got 0"):
        Enrolment.start([], os.urandom)
    with pytest.raises(MessageError, match="comes twice"):
        Enrolment.start([b"1", b"2", b"1"], os.urandom)
    too_many = [hash_to_group(b"x")] * (MAX_IDENTIFIERS + 1)
    with pytest.raises(MessageError, match="identifiers: got 4097"):
        evaluate(SHARES["alpha"], too_many, os.urandom, CONTEXT)


def test_the_state_crosses_processes_and_shows_no_blind() -> None:
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    again = pickle.loads(pickle.dumps(state))
    assert again.finish(answers_to(blinded), PUBLICS, CONTEXT) == state.finish(answers_to(blinded), PUBLICS, CONTEXT)
    assert all(repr(inverse) not in repr(state) for inverse in state.inverses)


def test_an_allowance_counts_and_caps() -> None:
    allowance = Allowance(attested=10)
    after = allowance.charge(4).charge(6)
    assert (after.used, allowance.used) == (10, 0)
    with pytest.raises(MessageError, match="identifiers to enrol: got 1, expected 1 to 0"):
        after.charge(1)
    for count in (0, -1, 11):
        with pytest.raises(MessageError, match="identifiers to enrol"):
            allowance.charge(count)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(-3, 20), max_size=12))
def test_no_sequence_of_requests_passes_the_cap(attested: int, counts: list[int]) -> None:
    allowance, granted = Allowance(attested), 0
    for count in counts:
        try:
            allowance = allowance.charge(count)
        except MessageError:
            assert count < 1 or granted + count > attested
        else:
            granted += count
        assert allowance.used == granted <= attested


def test_an_allowance_makes_sense() -> None:
    for attested, used in ((3, 4), (-1, 0), (3, -1)):
        with pytest.raises(MessageError, match="allowance"):
            Allowance(attested, used)


def test_keys_that_cancel_each_other_give_nobody_a_pseudonym() -> None:
    """Every proof holds, and all customers would be the same one."""
    share = SHARES["alpha"]
    opposite = KeyShare((ORDER - int.from_bytes(share.secret, "little")).to_bytes(32, "little"))
    shares = {"alpha": share, "omega": opposite}
    state, blinded = Enrolment.start(IDENTIFIERS, os.urandom)
    answers = {name: evaluate(own, blinded, os.urandom, CONTEXT) for name, own in shares.items()}
    with pytest.raises(ProofError, match="joint key: got the identity"):
        state.finish(answers, {name: own.public for name, own in shares.items()}, CONTEXT)
