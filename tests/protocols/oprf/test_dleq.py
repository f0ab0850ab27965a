"""Batched proofs of discrete logarithm equality: the vectors of RFC 9497, and provers that cheat."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rbcl
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError, ProofError
from protocols.oprf import dleq
from protocols.oprf.group import (
    BASE,
    IDENTITY,
    ORDER,
    Element,
    Scalar,
    add,
    base,
    hash_to_group,
    hash_to_scalar,
    multiply,
    random_scalar,
    subtract,
)

VECTORS = Path(__file__).parents[2] / "vectors"
VOPRF = json.loads((VECTORS / "rfc9497_voprf_ristretto255.json").read_text())["suite"]
K = hash_to_scalar(b"the prover's key")


@dataclass(frozen=True)
class Statement:
    generator: Element
    public: Element
    inputs: list[Element]
    outputs: list[Element]
    context: bytes = b"context"

    @classmethod
    def true(cls, count: int, *, generator: Element = BASE, context: bytes = b"context") -> Statement:
        inputs = [hash_to_group(b"input %d" % index) for index in range(count)]
        return cls(generator, multiply(K, generator), inputs, [multiply(K, given) for given in inputs], context)

    def prove(self) -> bytes:
        return dleq.prove(K, self.generator, self.public, self.inputs, self.outputs, os.urandom, context=self.context)

    def verify(self, proof: bytes) -> None:
        dleq.verify(
            proof, self.generator, self.public, self.inputs, self.outputs, context=self.context, where="member b"
        )


def elements(text: str) -> list[Element]:
    return [bytes.fromhex(part) for part in text.split(",")]


@pytest.mark.parametrize("vector", VOPRF["vectors"], ids=lambda v: f"batch-{v['Batch']}-{v['Input'][:4]}")
def test_the_proofs_of_rfc_9497_byte_for_byte(vector: dict[str, str]) -> None:
    key, public = bytes.fromhex(VOPRF["skSm"]), bytes.fromhex(VOPRF["pkSm"])
    inputs, outputs = elements(vector["BlindedElement"]), elements(vector["EvaluationElement"])
    proof, nonce = (bytes.fromhex(vector["Proof"][name]) for name in ("proof", "r"))
    dleq.verify(proof, BASE, public, inputs, outputs)

    weights = dleq._weights(dleq._seed(BASE, public, inputs, outputs, b""), inputs, outputs, b"")
    mixed = dleq._weighted(weights, inputs)
    assert dleq._prove(key, BASE, public, mixed, multiply(key, mixed), b"", nonce) == proof


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("generator", [BASE, hash_to_group(b"another generator")])
@pytest.mark.parametrize("context", [b"", b"context"])
def test_a_true_statement_is_proved(count: int, generator: Element, context: bytes) -> None:
    statement = Statement.true(count, generator=generator, context=context)
    statement.verify(statement.prove())


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["generator", "public", "inputs", "outputs", "context"]), st.integers(0, 2), st.binary(min_size=1)
)
def test_a_proof_holds_for_its_own_statement_only(part: str, index: int, text: bytes) -> None:
    statement = Statement.true(3)
    proof, other = statement.prove(), hash_to_group(b"other" + text)
    changed: object = other
    if part == "context":
        changed = statement.context + text
    elif part in ("inputs", "outputs"):
        changed = [*getattr(statement, part)]
        changed[index] = other
    with pytest.raises(ProofError, match="member b"):
        replace(statement, **{part: changed}).verify(proof)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 511))
def test_a_proof_with_one_flipped_bit_does_not_hold(bit: int) -> None:
    statement = Statement.true(1)
    proof = bytearray(statement.prove())
    proof[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofError, match="member b"):
        statement.verify(bytes(proof))


def test_pairs_cannot_change_places() -> None:
    statement = Statement.true(2)
    proof = statement.prove()
    with pytest.raises(ProofError):
        replace(statement, inputs=statement.inputs[::-1], outputs=statement.outputs[::-1]).verify(proof)


def test_errors_that_cancel_in_an_unweighted_sum_are_caught() -> None:
    """Without weights a batch is checked as one sum, and D_1 + X, D_2 - X pass: the cheapest lie about two subjects."""
    statement, lie = Statement.true(2), hash_to_group(b"lie")
    false = [add(statement.outputs[0], lie), subtract(statement.outputs[1], lie)]
    assert add(*false) == multiply(K, add(*statement.inputs))
    cheat = replace(statement, outputs=false)
    with pytest.raises(ProofError):
        cheat.verify(cheat.prove())


def test_with_a_context_every_weight_depends_on_every_pair() -> None:
    """In the RFC a weight depends on its own pair alone, so a cheat can shape its errors pair by pair."""

    def weights_of_the_others(context: bytes, last: bytes) -> list[Scalar]:
        pairs = Statement.true(3).inputs
        outputs = [*pairs[:2], hash_to_group(last)]
        return dleq._weights(dleq._seed(BASE, BASE, pairs, outputs, context), pairs, outputs, context)[:2]

    assert weights_of_the_others(b"", b"one") == weights_of_the_others(b"", b"two")
    one, two = weights_of_the_others(b"context", b"one"), weights_of_the_others(b"context", b"two")
    assert not set(one) & set(two)


@pytest.mark.parametrize(("context", "forged"), [(b"", True), (b"context", False)])
def test_errors_shaped_pair_by_pair_cancel_under_the_weights_of_the_rfc(
    context: bytes, forged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack of docs/oprf.md with weights of 10 bits: the first answer is off by a chosen element, and for each of
    two others the prover tries multiples of that element until the weighted errors, taken pair by pair, add up to 0.
    With 253 bits the same takes more pairs and Wagner's tree instead of one table.
    """
    full = dleq._weights

    def short(*statement: Any) -> list[Scalar]:
        return [(int.from_bytes(weight, "little") % 1024).to_bytes(32, "little") for weight in full(*statement)]

    monkeypatch.setattr(dleq, "_weights", short)
    true, lie = Statement.true(3, context=context), hash_to_group(b"lie")
    outputs = [add(true.outputs[0], lie), true.outputs[1], true.outputs[2]]
    seed = dleq._seed(BASE, true.public, true.inputs, outputs, context)

    def weighted_errors(pair: int, step: Callable[[Element, Element], Element], sign: int) -> dict[int, Element]:
        """weight * error -> output, for the errors 1 to 4000 times the lie."""
        found, trial = {}, list(outputs)
        for error in range(1, 4001):
            trial[pair] = step(trial[pair], lie)
            weight = int.from_bytes(short(seed, true.inputs, trial, context)[pair], "little")
            found[sign * weight * error] = trial[pair]
        return found

    first = int.from_bytes(short(seed, true.inputs, outputs, context)[0], "little")
    plus, minus = weighted_errors(1, add, 1), weighted_errors(2, subtract, -1)
    match = next(value for value in plus if not forged or -first - value in minus)
    cheat = replace(true, outputs=[outputs[0], plus[match], minus.get(-first - match, outputs[2])])
    proof = cheat.prove()
    if forged:
        cheat.verify(proof)
    else:
        with pytest.raises(ProofError):
            cheat.verify(proof)


def test_with_a_context_the_seed_covers_every_part_and_where_it_ends() -> None:
    one, two = hash_to_group(b"one"), hash_to_group(b"two")
    statements = [
        (BASE, one, [one], [one], b"context"),
        (two, one, [one], [one], b"context"),
        (BASE, two, [one], [one], b"context"),
        (BASE, one, [two], [one], b"context"),
        (BASE, one, [one], [two], b"context"),
        (BASE, one, [one], [one], b"contexts"),
        (BASE, one, [one, one], [one, one], b"context"),
        (one, one, [one], [one], b"context" + BASE),
        (BASE, one, [one], [one], b""),
    ]
    assert len({dleq._seed(*statement) for statement in statements}) == len(statements)


@pytest.mark.parametrize("foreign", [IDENTITY, b"\xff" * 32, bytes(31), b""])
@pytest.mark.parametrize("part", ["generator", "public", "inputs", "outputs"])
def test_what_is_no_element_is_refused_by_the_verifier(part: str, foreign: bytes) -> None:
    statement = Statement.true(2)
    proof = statement.prove()
    changed = [getattr(statement, part)[0], foreign] if part in ("inputs", "outputs") else foreign
    with pytest.raises(ProofError, match="member b"):
        replace(statement, **{part: changed}).verify(proof)


@pytest.mark.parametrize(
    "proof", [b"", bytes(64), bytes(63), b"\xff" * 64, ORDER.to_bytes(32, "little") * 2, bytes(65)]
)
def test_what_is_no_proof_is_refused(proof: bytes) -> None:
    with pytest.raises(ProofError, match="member b"):
        Statement.true(1).verify(proof)


def test_all_identity_proves_nothing() -> None:
    """0 * B = 0 and 0 * C = 0 for every C: a key of zero must not pass for a proof about anything."""
    zero = Statement(BASE, IDENTITY, [hash_to_group(b"x")], [IDENTITY])
    with pytest.raises(ProofError, match="member b"):
        zero.verify(Statement.true(1).prove())


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 0), (1, 2), (2, 1), (65536, 65536)])
def test_the_numbers_of_pairs_have_bounds(inputs: int, outputs: int) -> None:
    with pytest.raises(MessageError, match="pairs"):
        dleq.prove(K, BASE, base(K), [BASE] * inputs, [BASE] * outputs, os.urandom, context=b"c")
    with pytest.raises(ProofError, match="pairs"):
        dleq.verify(bytes(64), BASE, base(K), [BASE] * inputs, [BASE] * outputs, context=b"c")


def recover_key(first: bytes, second: bytes) -> Scalar:
    """k = (s - s') / (c' - c), if both proofs used the same nonce."""
    c1, s1, c2, s2 = (int.from_bytes(part, "little") for part in (first[:32], first[32:], second[:32], second[32:]))
    return ((s1 - s2) * pow(c2 - c1, -1, ORDER) % ORDER).to_bytes(32, "little")


def test_a_generator_of_random_numbers_that_repeats_does_not_give_the_key_away() -> None:
    one, two = Statement.true(1), replace(Statement.true(1), inputs=[hash_to_group(b"x")])
    two = replace(two, outputs=[multiply(K, two.inputs[0])])
    nonce = random_scalar(os.urandom)
    same_nonce = [dleq._prove(K, BASE, s.public, s.inputs[0], s.outputs[0], b"", nonce) for s in (one, two)]
    assert recover_key(*same_nonce) == K  # the attack, with the nonce as it comes from the generator

    stuck = [
        dleq.prove(K, BASE, s.public, s.inputs, s.outputs, lambda size: bytes(size), context=b"c") for s in (one, two)
    ]
    assert recover_key(*stuck) != K


def test_fresh_randomness_gives_a_fresh_proof() -> None:
    statement = Statement.true(1)
    assert statement.prove() != statement.prove()


def test_the_scalars_of_a_proof_are_reduced() -> None:
    """s + order is the same number: accepting both would make proofs malleable."""
    statement = Statement.true(1)
    proof = statement.prove()
    response = int.from_bytes(proof[32:], "little") + ORDER
    assert rbcl.crypto_scalarmult_ristretto255_base(response.to_bytes(32, "little")) == base(proof[32:])
    with pytest.raises(ProofError, match="response"):
        statement.verify(proof[:32] + response.to_bytes(32, "little"))
