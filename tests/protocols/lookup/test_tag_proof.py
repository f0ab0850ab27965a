"""A tag made of a stranger's tells whom the stranger's request is about: what the proof in every leaf is for."""

from __future__ import annotations

from dataclasses import replace
from random import Random as Deterministic

import pytest
from tickets_world import NOW, World, passes

from protocols.canonical import digest
from protocols.consent.tag_lookup import Decryption, Holder, Step, TagTest, matches
from protocols.errors import MessageError, ProofError
from protocols.lookup import leaf as leaves
from protocols.lookup.elgamal import check_tag_proof, make_tag, prove_tag
from protocols.lookup.leaf import SignedLeaf
from protocols.oprf.group import add, base, hash_to_group, hash_to_scalar, invert, multiply, random_scalar, subtract
from protocols.oprf.joint_key import KeyShare, joint_public

RANDOM = Deterministic(11).randbytes
SHARES = {name: KeyShare.generate(RANDOM) for name in ("ombudsman", "regulator")}
PUBLICS = {name: share.public for name, share in SHARES.items()}
OVERSIGHT = joint_public(PUBLICS.values())
VICTIM, SPY, GUESS = (hash_to_group(name) for name in (b"DE|victim", b"DE|spy", b"DE|somebody else"))
BOND, NONCE = bytes(32), b"n" * 32


def altered(tag: bytes, guess: bytes) -> bytes:
    """The stranger's tag with the spy in the place of `guess`, under fresh randomness: nobody sees where it is from."""
    fresh = random_scalar(RANDOM)
    left = add(tag[:32], base(fresh))
    right = add(subtract(add(tag[32:], SPY), guess), multiply(fresh, OVERSIGHT))
    return left + right


def about_the_spy(tag: bytes) -> bool:
    """What two honest holders tell the spy, who is a person with a key like any other."""
    test = TagTest(RANDOM(32), SPY, (tag,), PUBLICS, OVERSIGHT)
    holders = {name: Holder(test, name, SHARES[name]) for name in test.holders}
    steps: list[Step] = []
    for holder in holders.values():
        steps.append(holder.blind(steps, RANDOM))
    answers: dict[str, Decryption] = {name: holder.decrypt(steps, RANDOM) for name, holder in holders.items()}
    return matches(test, steps, answers)[0]


def test_without_the_proof_a_guess_of_whom_a_strangers_request_is_about_is_confirmed() -> None:
    logged = make_tag(VICTIM, NONCE, OVERSIGHT)
    assert about_the_spy(altered(logged, VICTIM))
    assert not about_the_spy(altered(logged, GUESS))


def test_whoever_alters_a_tag_has_no_proof_for_it() -> None:
    """Neither the stranger's proof, nor one with what the spy added, nor the tag as it is in a request of the spy's."""
    logged = make_tag(VICTIM, NONCE, OVERSIGHT)
    proof = prove_tag(logged, BOND, NONCE, RANDOM)
    check_tag_proof(logged, BOND, proof)
    tag = altered(logged, VICTIM)
    for attempt in (proof, prove_tag(tag, BOND, b"m" * 32, RANDOM), bytes(64), b"", proof + b"\0"):
        with pytest.raises(ProofError):
            check_tag_proof(tag, BOND, attempt)
    with pytest.raises(ProofError):
        check_tag_proof(logged, b"\1" * 32, proof)


def made_to_fit(tag: bytes, guess: bytes, statement: bytes) -> tuple[bytes, bytes]:
    """A tag made of the stranger's, and a proof that was there before it: nonce a C1, C1' = (a C1 - s G) / c.

    It holds wherever the challenge c covers no more than `statement` and the nonce.
    """
    a, response = random_scalar(RANDOM), random_scalar(RANDOM)
    nonce = multiply(a, tag[:32])
    challenge = hash_to_scalar(statement + nonce, b"fedscore/v1/lookup/tag-proof/challenge")
    left = multiply(invert(challenge), subtract(nonce, base(response)))
    scaled = multiply(a, subtract(tag[32:], guess))
    right = add(multiply(invert(challenge), subtract(scaled, multiply(response, OVERSIGHT))), SPY)
    return left + right, challenge + response


def test_the_proof_covers_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tag could be made for the proof (Bernhard, Pereira and Warinschi, ASIACRYPT 2012)."""
    logged = make_tag(VICTIM, NONCE, OVERSIGHT)
    for about in (logged, bytes(64)):
        forged, proof = made_to_fit(logged, VICTIM, digest("fedscore/v1/lookup/tag-proof", about + BOND))
        assert about_the_spy(forged)
        with pytest.raises(ProofError):
            check_tag_proof(forged, BOND, proof)
    weak = digest("fedscore/v1/lookup/tag-proof", BOND)
    forged, proof = made_to_fit(logged, VICTIM, weak)
    with pytest.raises(ProofError):
        check_tag_proof(forged, BOND, proof)
    monkeypatch.setattr("protocols.lookup.elgamal._statement", lambda tag, bond: weak)
    check_tag_proof(forged, BOND, proof)
    assert about_the_spy(forged)
    wrong, proof = made_to_fit(logged, GUESS, weak)
    check_tag_proof(wrong, BOND, proof)
    assert not about_the_spy(wrong)


def test_a_tag_and_what_it_is_bound_to_have_their_sizes() -> None:
    """Or the last byte of a tag would pass for the first one of the request."""
    tag = make_tag(VICTIM, NONCE, OVERSIGHT)
    proof = prove_tag(tag, BOND, NONCE, RANDOM)
    with pytest.raises(ProofError, match="tag, tag: got 63 bytes"):
        check_tag_proof(tag[:63], tag[63:] + BOND, proof)
    with pytest.raises(ProofError, match="tag, bond: got 33 bytes"):
        check_tag_proof(tag, BOND + b"\0", proof)


@pytest.mark.parametrize("place", range(0, 64, 7))
def test_a_proof_with_one_bit_changed_is_none(place: int) -> None:
    tag = make_tag(VICTIM, NONCE, OVERSIGHT)
    proof = bytearray(prove_tag(tag, BOND, NONCE, RANDOM))
    proof[place] ^= 1
    with pytest.raises(ProofError):
        check_tag_proof(tag, BOND, bytes(proof))


def copied(world: World) -> tuple[SignedLeaf, SignedLeaf]:
    """bank-00's leaf, and one of bank-02 with its tag and its proof."""
    theirs = world.start(b"victim")
    mine = world.start(b"spy", "bank-02")
    stolen = replace(mine.leaf.leaf, tag=theirs.leaf.leaf.tag, tag_proof=theirs.leaf.leaf.tag_proof)
    return theirs.leaf, stolen.sign(world.parties["bank-02"].key)


def test_a_leaf_with_a_strangers_tag_is_refused(world: World) -> None:
    _, leaf = copied(world)
    with pytest.raises(ProofError, match="tag"):
        leaf.check(world.context, NOW)


def test_a_strangers_tag_with_all_else_that_it_is_bound_to_is_still_a_strangers(world: World) -> None:
    """The number of the stranger's request too: what remains is who asks."""
    theirs, leaf = copied(world)
    same = replace(leaf.leaf, qid=theirs.leaf.qid).sign(world.parties["bank-02"].key)
    with pytest.raises(ProofError, match="tag"):
        same.check(world.context, NOW)


def test_a_leaf_with_a_strangers_tag_without_the_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, leaf = copied(world)
    monkeypatch.setattr(leaves, "check_tag_proof", passes)
    leaf.check(world.context, NOW)
    assert leaf.leaf.tag == theirs.leaf.tag  # a stranger's inquiry would be found under bank-02's name


def test_a_leaf_without_a_proof_is_refused(world: World) -> None:
    asked = world.start(b"victim")
    bare = replace(asked.leaf.leaf, tag_proof=b"").sign(world.parties["bank-00"].key)
    with pytest.raises(ProofError, match="tag"):
        bare.check(world.context, NOW)
    with pytest.raises(MessageError, match="tag_proof"):
        replace(asked.leaf.leaf, tag_proof=b"\0" * 63)


@pytest.fixture
def world() -> World:
    return World()
