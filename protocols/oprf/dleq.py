"""Proofs that one scalar k ties many pairs together: public = k * generator and outputs[i] = k * inputs[i].

    proof = prove(k, BASE, public, inputs, outputs, os.urandom, context=context)
    verify(proof, BASE, public, inputs, outputs, context=context)          # ProofError unless it holds

    claim = Claim(public, outputs, prove_composed(k, public, inputs, outputs, os.urandom, context=context))
    verify_all({"bank-a": claim, ...}, inputs, context=context)            # several keys, the same inputs

RFC 9497, sections 2.2.1 and 2.2.2, for ristretto255-SHA512, VOPRF mode. With an empty context the proof is that of the
RFC, byte for byte. Everything in fedscore passes a context, and then two things are different:

1. The weights of the batch depend on the whole statement: context, generator, public element and EVERY pair. In the RFC
   weight i depends on the public element, i and pair i alone. A prover that alters many pairs by known multiples of
   one element may then choose them one by one until the weighted errors cancel: a generalised birthday problem (Wagner,
   CRYPTO 2002), about 2^(252 / (1 + log2 n)) work a list for n pairs: 2^84 for 4, 2^36 for 64, 2^19 for 4096.
2. The challenge depends on the context, so that a proof is worth nothing for another institution, epoch or request.
   It covers the whole statement, so a single pair needs no weight: a third of the work of a ticket's proof is saved.

The nonce is hedged: a hash of fresh randomness, the secret and the statement. It does not repeat for two statements
even with a broken generator of random numbers, and cannot be predicted even if the generator's output is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocols.errors import MessageError, ProofError
from protocols.oprf.group import (
    BASE,
    ORDER,
    SIZE,
    SUITE,
    Element,
    Random,
    Scalar,
    add,
    base,
    check_scalar,
    hash_to_scalar,
    multiply,
    respond,
    scalar_of,
    sum_of,
)

MAX_BATCH = 65535  # the RFC numbers the pairs in two bytes
PROOF_SIZE = 2 * SIZE
COMPOSED_SIZE = PROOF_SIZE + 2 * SIZE

_SEED = b"Seed-" + SUITE
_WEIGHTS = b"fedscore/v1/dleq/weights\x00"
_STATEMENT = b"fedscore/v1/dleq/statement\x00"
_NONCE = b"fedscore/v1/dleq/nonce"
_TOGETHER = b"fedscore/v1/dleq/together\x00"


def prove(
    k: Scalar,
    generator: Element,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    random: Random,
    *,
    context: bytes = b"",
) -> bytes:
    """The proof (challenge, response; 64 bytes) for outputs the caller computed as k * inputs[i].

    150 microseconds (165 if the generator is not BASE; 80 less under a context) and 50 more for every further pair.
    The caller vouches for `k`, `public` and the outputs: for a false statement the proof does not verify. Raises
    MessageError for no pair, unequal numbers or more than 65,535 pairs.
    """
    return _proved(k, generator, public, inputs, outputs, random, context)[0]


def prove_composed(
    k: Scalar,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    random: Random,
    *,
    context: bytes,
) -> bytes:
    """The proof that `prove` gives for BASE, followed by the composites M and Z that it is about: 128 bytes."""
    return b"".join(_proved(k, BASE, public, inputs, outputs, random, context))


def verify(
    proof: bytes,
    generator: Element,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    *,
    context: bytes = b"",
    where: str = "proof",
) -> None:
    """Raises ProofError, naming `where`, unless one k ties all pairs together: no pair, too many, no elements included.

    Nothing need be checked before: pairs that are no elements, or the identity, are refused here at no extra cost.
    240 microseconds for one pair (265 if the generator is not BASE; 85 less under a context), 100 more for every
    further pair.
    """
    try:
        seed = _seed(generator, public, inputs, outputs, context)
        weights = _batch_weights(seed, inputs, outputs, context)
        mixed, image = _weighted(weights, inputs), _weighted(weights, outputs)
        holds = _holds(proof, generator, public, mixed, image, seed if context else b"")
    except MessageError as error:
        raise ProofError(f"{where}, {error.field}", got=error.got, expected=error.expected) from error
    if not holds:
        raise _broken(where)


@dataclass(frozen=True)
class Claim:
    """That one key ties the common inputs to these outputs; `proof` is what `prove_composed` gave."""

    public: Element
    outputs: Sequence[Element]
    proof: bytes


def verify_all(claims: Mapping[str, Claim], inputs: Sequence[Element], *, context: bytes) -> None:
    """Raises ProofError, naming one that fails, unless every claim holds: `verify` for each, in n + 1 sweeps, not 2 n.

    Every claim says which composites M and Z it proves. Its proof is verified for those, and that they are what the
    weights d make of its pairs is verified for all claims at once, by a combination of these 2 n equations:

        sum_j (a_j M_j + b_j Z_j)  =  sum_i (sum_j a_j d_ji) C_i  +  sum_ji (b_j d_ji) D_ji

    a_j and b_j are hashes of all statements and all claims. In a group of prime order a false equation survives one
    choice of them in 2^252, and to change anything is to change all of them: as with the weights, there is nothing to
    choose pair by pair. So it is the statement of `verify`, no less (small exponents test: Bellare, Garay and Rabin,
    EUROCRYPT 1998). Where it fails, `verify` finds out whose claim it is. Needs a context.
    """
    seeds = {where: _composites_proved(claim, inputs, context, where) for where, claim in claims.items()}
    try:
        holds = _composed([(seeds[where], claim) for where, claim in claims.items()], inputs)
    except MessageError:
        holds = False
    if not holds:
        for where, claim in claims.items():
            verify(claim.proof[:PROOF_SIZE], BASE, claim.public, inputs, claim.outputs, context=context, where=where)


def _composites_proved(claim: Claim, inputs: Sequence[Element], context: bytes, where: str) -> bytes:
    """The seed of the claim's weights. Raises ProofError unless it proves the composites that it names."""
    if not context or len(claim.proof) != COMPOSED_SIZE:
        raise ProofError(where, got=f"{len(claim.proof)} bytes", expected=f"{COMPOSED_SIZE}, and a context")
    proof, mixed, image = claim.proof[:PROOF_SIZE], claim.proof[PROOF_SIZE:-SIZE], claim.proof[-SIZE:]
    try:
        seed = _seed(BASE, claim.public, inputs, claim.outputs, context)
        holds = _holds(proof, BASE, claim.public, mixed, image, seed)
    except MessageError as error:
        raise ProofError(f"{where}, {error.field}", got=error.got, expected=error.expected) from error
    if not holds:
        raise _broken(where)
    return seed


def _composed(claims: Sequence[tuple[bytes, Claim]], inputs: Sequence[Element]) -> bool:
    """Whether all composites are those of the pairs. Raises MessageError for outputs that are no elements.

    Whole numbers of Python, for speed: nothing here is secret.
    """
    everything = hashlib.sha512(_TOGETHER + b"".join(seed + claim.proof for seed, claim in claims)).digest()
    common, said, found = [0] * len(inputs), [], []
    for number, (seed, claim) in enumerate(claims):
        ours, theirs = _factors(everything, number)
        said += [multiply(_scalar(ours), claim.proof[PROOF_SIZE:-SIZE]), multiply(_scalar(theirs), claim.proof[-SIZE:])]
        weights = [_number(weight) for weight in _batch_weights(seed, inputs, claim.outputs, seed)] or [1]
        common = [total + ours * weight for total, weight in zip(common, weights, strict=True)]
        found.append(_weighted([_scalar(theirs * weight) for weight in weights], claim.outputs))
    return sum_of(said) == sum_of([_weighted([_scalar(total) for total in common], inputs), *found])


def _factors(everything: bytes, number: int) -> tuple[int, int]:
    """a_j and b_j."""
    ours, theirs = (hash_to_scalar(everything + bytes([side, *divmod(number, 256)])) for side in (0, 1))
    return _number(ours), _number(theirs)


def _proved(
    k: Scalar,
    generator: Element,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    random: Random,
    context: bytes,
) -> tuple[bytes, Element, Element]:
    """Proof, M and Z."""
    seed = _seed(generator, public, inputs, outputs, context)
    weights = _batch_weights(seed, inputs, outputs, context)
    mixed = _weighted(weights, inputs)
    image = multiply(k, mixed) if weights else outputs[0]
    hedge = _prefixed(k) + _prefixed(random(32)) + _prefixed(seed) + _prefixed(mixed)
    proof = _prove(k, generator, public, mixed, image, seed if context else b"", hash_to_scalar(hedge, _NONCE))
    return proof, mixed, image


def _holds(proof: bytes, generator: Element, public: Element, mixed: Element, image: Element, binding: bytes) -> bool:
    """Whether `proof` shows one key behind (generator, public) and (mixed, image). Raises MessageError."""
    challenge = check_scalar(proof[:SIZE], "challenge")
    response = check_scalar(proof[SIZE:], "response")
    first = add(_times(response, generator), multiply(challenge, public))
    second = add(multiply(response, mixed), multiply(challenge, image))
    return _challenge(binding, public, mixed, image, first, second) == challenge


def _broken(where: str) -> ProofError:
    return ProofError(where, got="a proof that does not hold", expected="one key behind all pairs")


def _prove(
    k: Scalar, generator: Element, public: Element, mixed: Element, image: Element, binding: bytes, nonce: Scalar
) -> bytes:
    first, second = _times(nonce, generator), multiply(nonce, mixed)
    challenge = _challenge(binding, public, mixed, image, first, second)
    return challenge + respond(nonce, challenge, k)


def _seed(
    generator: Element, public: Element, inputs: Sequence[Element], outputs: Sequence[Element], context: bytes
) -> bytes:
    if not 0 < len(inputs) == len(outputs) <= MAX_BATCH:
        raise MessageError(
            "pairs", got=f"{len(inputs)} inputs, {len(outputs)} outputs", expected=f"as many of each, 1 to {MAX_BATCH}"
        )
    if not context:
        return hashlib.sha512(_prefixed(public) + _prefixed(_SEED)).digest()
    statement = hashlib.sha512(_STATEMENT)
    for part in (context, generator, public, b"".join(inputs), b"".join(outputs)):
        statement.update(len(part).to_bytes(8, "big") + part)
    return statement.digest()


def _batch_weights(seed: bytes, inputs: Sequence[Element], outputs: Sequence[Element], context: bytes) -> list[Scalar]:
    """None for a single pair under a context: there is nothing to mix, and its challenge covers the pair anyway."""
    return [] if context and len(inputs) == 1 else _weights(seed, inputs, outputs, context)


def _weights(seed: bytes, inputs: Sequence[Element], outputs: Sequence[Element], context: bytes) -> list[Scalar]:
    """One a pair: the RFC's, or under a context the output of SHAKE-256 for a seed that binds all pairs."""
    if context:
        stream = hashlib.shake_256(_WEIGHTS + seed).digest(64 * len(inputs))
        return [scalar_of(stream[first : first + 64]) for first in range(0, len(stream), 64)]
    start = _prefixed(seed)
    return [
        hash_to_scalar(start + index.to_bytes(2, "big") + _prefixed(given) + _prefixed(result) + b"Composite")
        for index, (given, result) in enumerate(zip(inputs, outputs, strict=True))
    ]


def _weighted(weights: Sequence[Scalar], elements: Sequence[Element]) -> Element:
    if not weights:
        return elements[0]
    total = multiply(weights[0], elements[0])
    for weight, element in zip(weights[1:], elements[1:], strict=True):
        total = add(total, multiply(weight, element))
    return total


def _challenge(binding: bytes, public: Element, *rest: Element) -> Scalar:
    return hash_to_scalar(
        (_prefixed(binding) if binding else b"") + b"".join(map(_prefixed, (public, *rest))) + b"Challenge"
    )


def _times(scalar: Scalar, generator: Element) -> Element:
    return base(scalar) if generator == BASE else multiply(scalar, generator)


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _number(scalar: Scalar) -> int:
    return int.from_bytes(scalar, "little")


def _scalar(number: int) -> Scalar:
    return (number % ORDER).to_bytes(SIZE, "little")
