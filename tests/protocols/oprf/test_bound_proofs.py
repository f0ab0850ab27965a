"""What a proof is bound to, and what becomes of its key where the generator of random numbers is broken."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise

import pytest

from protocols.errors import ProofError
from protocols.oprf import dleq, joint_key
from protocols.oprf.enrolment import MAX_IDENTIFIERS, Enrolment, evaluate
from protocols.oprf.group import (
    BASE,
    ORDER,
    base,
    hash_to_group,
    hash_to_scalar,
    invert,
    multiply,
    random_scalar,
    subtract,
)
from protocols.oprf.joint_key import KeyShare, check_possession, commit
from protocols.oprf.possession import prove_possession

KEY = random_scalar(os.urandom)
PUBLIC = base(KEY)
ONE, TWO = hash_to_group(b"one"), hash_to_group(b"two")


KNOWN = {
    "one": "912fa11cb0772b165f519048ae441a8c",
    "two": "a7d059d5b372d9ff45290c193f87fb6b",
    "commitment": "bdf5d57d10261a4a6b2192113987abc9",
    "possession": "d967dd9e138ebe47ff1992c3ced197d3",
}
"""Of version 1, for the key 01 02 .. 1f 00 and the broken generator: SHA-256, first half, from these programs."""


def broken(count: int) -> bytes:
    """A generator that gives the same bytes for ever, known to everybody."""
    return b"\x2a" * count


def number(scalar: bytes) -> int:
    return int.from_bytes(scalar, "little")


def key_behind(first: bytes, second: bytes) -> int:
    """The key of two proofs (challenge, response), if they have one nonce: response = nonce - challenge k."""
    (c, s), (d, t) = ((number(proof[:32]), number(proof[32:])) for proof in (first, second))
    return (s - t) * pow(d - c, -1, ORDER) % ORDER


def test_two_proofs_with_one_nonce_give_the_key_away() -> None:
    nonce = random_scalar(os.urandom)
    proofs = [dleq._prove(KEY, BASE, PUBLIC, at, multiply(KEY, at), b"", nonce) for at in (ONE, TWO)]
    assert key_behind(*proofs) == number(KEY)


def proved(context: bytes, *inputs: bytes) -> bytes:
    return dleq.prove(KEY, BASE, PUBLIC, inputs, [multiply(KEY, each) for each in inputs], broken, context=context)


def test_no_nonce_serves_two_statements_though_the_generator_repeats_itself() -> None:
    """One pair in two epochs, two pairs in one, two subjects under no context, two statements of possession."""
    said = [
        proved(b"epoch 1", ONE),
        proved(b"epoch 2", ONE),
        proved(b"epoch 1", TWO),
        proved(b"epoch 1", ONE, TWO),
        proved(b"", ONE),
        proved(b"", TWO),
        *(prove_possession(KEY, statement, broken, b"label") for statement in (b"a" * 32, b"b" * 32)),
    ]
    assert len({proof[:32] for proof in said}) == len(said)
    for first, second in pairwise(said):
        assert key_behind(first, second) != number(KEY)


def test_who_knows_what_the_generator_gave_does_not_know_the_nonce() -> None:
    proof = proved(b"epoch 1", ONE)
    seed = dleq._seed(BASE, PUBLIC, [ONE], [multiply(KEY, ONE)], b"epoch 1")
    guessed = hash_to_scalar(b"".join(map(dleq._prefixed, (broken(32), seed, ONE))), dleq._NONCE)
    key = (number(guessed) - number(proof[32:])) * pow(number(proof[:32]), -1, ORDER) % ORDER
    assert key != number(KEY)


@pytest.mark.parametrize("inputs", [(ONE,), (ONE, TWO)])
def test_a_proof_of_one_epoch_is_none_of_another(inputs: tuple[bytes, ...]) -> None:
    """A single pair has no weights: what binds it is the challenge alone."""
    outputs, proof = [multiply(KEY, each) for each in inputs], proved(b"epoch 1", *inputs)
    dleq.verify(proof, BASE, PUBLIC, inputs, outputs, context=b"epoch 1")
    for other in (b"epoch 2", b""):
        with pytest.raises(ProofError):
            dleq.verify(proof, BASE, PUBLIC, inputs, outputs, context=other)


def test_an_enrolment_without_a_context_is_bound_all_the_same() -> None:
    """Never the weights of the RFC, under which errors cancel pair by pair."""
    share = KeyShare(KEY)
    evaluated, proof = evaluate(share, [ONE, TWO], os.urandom, b"")
    dleq.verify(proof[:64], BASE, PUBLIC, [ONE, TWO], evaluated, context=b"fedscore/v1/oprf/enrolment\0")
    with pytest.raises(ProofError):
        dleq.verify(proof[:64], BASE, PUBLIC, [ONE, TWO], evaluated, context=b"")


def test_a_request_has_room_for_as_many_identifiers_as_it_says() -> None:
    _, blinded = Enrolment.start([b"%d" % each for each in range(MAX_IDENTIFIERS)], os.urandom)
    assert len(blinded) == MAX_IDENTIFIERS


def test_the_proof_of_possession_covers_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a key is made for a proof: K = (R - s G) / c, of others' keys, and nobody knows its secret."""
    others, response = hash_to_group(b"the sum of the others"), random_scalar(os.urandom)

    def made(statement: bytes) -> tuple[bytes, bytes]:
        challenge = hash_to_scalar(statement + others, b"fedscore/v1/oprf/key-possession/challenge")
        return multiply(invert(challenge), subtract(others, base(response))), challenge + response

    weak = hashlib.sha256(b"all but the key").digest()
    public, proof = made(weak)
    with pytest.raises(ProofError, match="no proof of possession"):
        check_possession(public, proof, "mallory", b"roster")
    document = {"context": b"roster".hex(), "institution": "mallory", "public": ""}
    keyless = joint_key.digest("fedscore/v1/oprf/key-possession", joint_key.canonical(document))
    other, forged = made(keyless)
    with pytest.raises(ProofError, match="no proof of possession"):
        check_possession(other, forged, "mallory", b"roster")
    monkeypatch.setattr(joint_key, "_statement", lambda institution, context, public: weak)
    check_possession(public, proof, "mallory", b"roster")


def test_bytes_that_travel_and_are_kept_stay_what_they_are() -> None:
    share = KeyShare(bytes(range(1, 32)) + b"\0")
    outputs = [multiply(share.secret, each) for each in (ONE, TWO)]
    context = b"roster 1, alpha"
    made = {
        "one": dleq.prove(share.secret, BASE, share.public, [ONE], outputs[:1], broken, context=context),
        "two": dleq.prove_composed(share.secret, share.public, [ONE, TWO], outputs, broken, context=context),
        "commitment": commit(share, "alpha", context, broken)[0],
        "possession": commit(share, "alpha", context, broken)[1].proof,
    }
    assert {name: hashlib.sha256(data).hexdigest()[:32] for name, data in made.items()} == KNOWN
