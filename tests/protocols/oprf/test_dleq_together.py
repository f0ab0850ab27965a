"""Claims of several keys about the same inputs: all that `verify` refuses is refused, and its maker named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ProofError
from protocols.oprf import dleq
from protocols.oprf.dleq import COMPOSED_SIZE, PROOF_SIZE, Claim, verify_all
from protocols.oprf.group import (
    BASE,
    IDENTITY,
    ORDER,
    Element,
    Scalar,
    add,
    base,
    hash_to_group,
    invert,
    multiply,
    random_scalar,
    subtract,
)

CONTEXT = b"roster 1, alpha, request 1"
LIAR = "bank-1"
KEYS = {f"bank-{number}": random_scalar(os.urandom) for number in range(3)}
INPUTS = [hash_to_group(b"%d" % number) for number in range(5)]


def claim(key: Scalar, inputs: Sequence[Element] = INPUTS) -> Claim:
    outputs, public = [multiply(key, one) for one in inputs], base(key)
    return Claim(public, outputs, dleq.prove_composed(key, public, inputs, outputs, os.urandom, context=CONTEXT))


def claims(inputs: Sequence[Element] = INPUTS) -> dict[str, Claim]:
    return {name: claim(key, inputs) for name, key in KEYS.items()}


def composites(public: Element, outputs: Sequence[Element]) -> tuple[bytes, Element, Element]:
    seed = dleq._seed(BASE, public, INPUTS, outputs, CONTEXT)
    weights = dleq._weights(seed, INPUTS, outputs, CONTEXT)
    return seed, dleq._weighted(weights, INPUTS), dleq._weighted(weights, outputs)


def lie(mixed: Element, outputs: Sequence[Element]) -> Claim:
    """A true proof, for composites that are not those of `outputs`."""
    key, public = KEYS[LIAR], base(KEYS[LIAR])
    seed, _, _ = composites(public, outputs)
    image = multiply(key, mixed)
    proof = dleq._prove(key, BASE, public, mixed, image, seed, random_scalar(os.urandom))
    return Claim(public, outputs, proof + mixed + image)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_true_claims_hold_and_contain_the_proof_of_one(count: int) -> None:
    inputs = INPUTS[:count]
    together = claims(inputs)
    dleq.verify_all(together, inputs, context=CONTEXT)
    for one in together.values():
        assert len(one.proof) == COMPOSED_SIZE
        dleq.verify(one.proof[:PROOF_SIZE], BASE, one.public, inputs, one.outputs, context=CONTEXT)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, COMPOSED_SIZE - 1), st.integers(1, 255), st.sampled_from(sorted(KEYS)))
def test_any_altered_byte_of_a_claim_is_named(place: int, change: int, who: str) -> None:
    together = claims(INPUTS[:2])
    proof = bytearray(together[who].proof)
    proof[place] ^= change
    together[who] = replace(together[who], proof=bytes(proof))
    with pytest.raises(ProofError, match=who):
        dleq.verify_all(together, INPUTS[:2], context=CONTEXT)


@pytest.mark.parametrize("wrong", [hash_to_group(b"poison"), IDENTITY, b"\xff" * 32, b""])
@pytest.mark.parametrize("place", [0, 4])
def test_one_false_output_is_named(wrong: bytes, place: int) -> None:
    together = claims()
    outputs = list(together[LIAR].outputs)
    outputs[place] = wrong
    together[LIAR] = replace(together[LIAR], outputs=outputs)
    with pytest.raises(ProofError, match=LIAR):
        dleq.verify_all(together, INPUTS, context=CONTEXT)


def test_outputs_that_are_fewer_and_proofs_without_composites_or_context() -> None:
    together = claims()
    for wrong in (
        replace(together[LIAR], outputs=together[LIAR].outputs[:-1]),
        replace(together[LIAR], proof=together[LIAR].proof[:PROOF_SIZE]),
    ):
        with pytest.raises(ProofError, match=LIAR):
            dleq.verify_all(together | {LIAR: wrong}, INPUTS, context=CONTEXT)
    with pytest.raises(ProofError):
        dleq.verify_all(together, INPUTS, context=b"")
    with pytest.raises(ProofError):
        dleq.verify_all(together, INPUTS, context=b"another request")


def test_true_proof_of_other_composites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it answers, the liar proves something true about two elements of its own."""
    chosen = [multiply(random_scalar(os.urandom), one) for one in INPUTS]
    together = claims() | {LIAR: lie(hash_to_group(b"mine"), chosen)}
    with pytest.raises(ProofError, match=LIAR):
        dleq.verify_all(together, INPUTS, context=CONTEXT)
    monkeypatch.setattr(dleq, "_composed", lambda *_: True)
    dleq.verify_all(together, INPUTS, context=CONTEXT)  # nobody looks whether they are the pairs'


def test_composites_that_cancel_where_factors_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a = b = 1 the liar solves (M' - M) + (k M' - Z) = 0 for M', and any answer passes."""
    chosen = [multiply(random_scalar(os.urandom), one) for one in INPUTS]
    _, mixed, image = composites(base(KEYS[LIAR]), chosen)
    more = ((int.from_bytes(KEYS[LIAR], "little") + 1) % ORDER).to_bytes(32, "little")
    together = claims() | {LIAR: lie(multiply(invert(more), add(mixed, image)), chosen)}
    with pytest.raises(ProofError, match=LIAR):
        dleq.verify_all(together, INPUTS, context=CONTEXT)
    monkeypatch.setattr(dleq, "_factors", lambda *_: (1, 1))
    dleq.verify_all(together, INPUTS, context=CONTEXT)


def test_factors_hang_on_every_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    true = dleq._factors

    def noted(everything: bytes, number: int) -> tuple[int, int]:
        seen.append(everything)
        return true(everything, number)

    monkeypatch.setattr(dleq, "_factors", noted)
    together = claims()
    dleq.verify_all(together, INPUTS, context=CONTEXT)
    dleq.verify_all(together | {LIAR: claim(KEYS[LIAR])}, INPUTS, context=CONTEXT)  # the same, with another nonce
    dleq.verify_all({LIAR: together[LIAR]}, INPUTS, context=CONTEXT)
    assert len(set(seen)) == 3


def test_without_a_context_outputs_could_be_made_for_the_weights() -> None:
    """They would be known before the pairs: two errors that cancel each other, and every equation holds."""
    k, inputs = random_scalar(os.urandom), [hash_to_group(b"a"), hash_to_group(b"b")]
    public, error = base(k), hash_to_group(b"whatever Mallory likes")
    seed = dleq._seed(BASE, public, inputs, inputs, b"")
    one, two = dleq._batch_weights(seed, inputs, inputs, seed)
    first, second = (multiply(k, each) for each in inputs)
    outputs = [add(first, multiply(two, error)), subtract(second, multiply(one, error))]
    mixed = add(multiply(one, inputs[0]), multiply(two, inputs[1]))
    image = multiply(k, mixed)
    proof = dleq._prove(k, BASE, public, mixed, image, seed, random_scalar(os.urandom)) + mixed + image
    claim = Claim(public, outputs, proof)
    assert dleq._holds(proof[:64], BASE, public, mixed, image, seed)
    assert dleq._composed([(seed, claim)], inputs)
    assert outputs != [first, second]
    with pytest.raises(ProofError, match="mallory: got 128 bytes, expected 128, and a context"):
        verify_all({"mallory": claim}, inputs, context=b"")


@pytest.mark.parametrize("size", [0, 64, 127, 129])
def test_a_claim_names_its_composites(size: int) -> None:
    k, inputs = random_scalar(os.urandom), [hash_to_group(b"a")]
    outputs = [multiply(k, inputs[0])]
    proof = dleq.prove_composed(k, base(k), inputs, outputs, os.urandom, context=b"c")
    claim = Claim(base(k), outputs, proof.ljust(size, b"\0")[:size])
    with pytest.raises(ProofError, match=f"mallory: got {size} bytes, expected 128, and a context"):
        verify_all({"mallory": claim}, inputs, context=b"c")
