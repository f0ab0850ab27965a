"""The attack below the scale: a querier that perturbs its ciphertext reads a second row, and only as it is padded.

BFV hides the query, not the table. A selection smaller than the scale q / t does not show in the plaintext of the
answer but in its noise, which whoever holds the secret key can read. Designs that rely on an answer holding one row
(masks or flooding noise on answers) break this way; here every row is padded, and opens with a ticket only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from bfv_world import ENGINE, SLOTS, client
from engine_world import EPOCH

from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.expansion import expand
from protocols.lookup.engines.bfv.packing import lengthen
from protocols.lookup.engines.bfv.parameters import DATA_PRIMES, DEGREE, PRIMES, Shape, ring
from protocols.lookup.engines.bfv.serial import Seeded
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows

ROWS = 4
RECORDS = SLOTS * 8


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "unpadded"])
def test_the_noise_of_an_answer_tells_a_second_row_as_it_is_padded(padded: bool) -> None:
    assert Shape.of(ROWS) == Shape(columns=4, blocks=1)
    rng = np.random.default_rng(11)
    records = rng.integers(-4000, 4000, (ROWS, DEGREE))
    pads = rng.integers(0, MODULUS, (ROWS, DEGREE)) * padded
    held = centred(records + pads)
    signatures = np.ones((ROWS, 128), dtype=np.uint8)
    records[:, RECORDS:] = held[:, RECORDS:] = 0x0101
    values = (held[:, :RECORDS] % MODULUS).astype(np.uint32).reshape(ROWS, SLOTS, 8)
    prepared: Any = ENGINE.prepare(Rows(values=values, signatures=signatures), EPOCH)

    # 1. Row 0 is asked for, row 2 selected with 2^46 where the scale is 2^100 (doubled twice, one right turn).
    querier: Any = client(ROWS)
    pending, honest = querier.query(0)
    query = perturbed(honest, 2, -(1 << 44))
    [answer] = prepared.answer([query], querier.keys)
    assert np.array_equal(pending.open(answer)[0], values[0])

    # 2. The product with the block's selection carries the perturbation times t k, k its quotient by q: known.
    secret, noise = secret_of(querier), noise_of(querier, answer)
    quotient = quotient_of(block_selection(prepared, query, querier.keys), secret)

    # 3. What is in the noise is row 2 of the table: the record where nothing pads it, noise where it is padded.
    assert correlation(noise, negacyclic(quotient, held[2])) > 0.8
    assert (correlation(noise, negacyclic(quotient, records[2])) > 0.8) == (not padded)


def perturbed(query: bytes, index: int, amount: int) -> bytes:
    """The query with an integer added to one coefficient of c0."""
    read = messages.read_query(messages.QUERY.payload(EPOCH, query))
    c0 = read.c0.copy()
    for place, prime in enumerate(DATA_PRIMES):
        c0[place, index] = (int(c0[place, index]) + amount) % prime
    return messages.QUERY.frame(EPOCH, messages.query_payload(Seeded(read.seed, c0)))


def decrypted(querier: Any, polynomials: Any) -> Any:
    plain = seal.Plaintext()
    seal.Decryptor(ring().context, querier._secret).decrypt(serial.answer_ciphertext(polynomials), plain)
    return centred(serial.plaintext_coefficients(plain).astype(np.int64))


def secret_of(querier: Any) -> Any:
    """int64[N] in -1, 0, 1: (0, Delta) decrypts to the secret key."""
    polynomials = np.zeros((2, DEGREE), dtype=np.uint64)
    polynomials[1, 0] = PRIMES[0] // MODULUS
    return decrypted(querier, polynomials)


def noise_of(querier: Any, answer: bytes) -> Any:
    """int64[N] in units of 2^20: 2^20 (Delta m + e) decrypts to 2^20 m + 2^20 e / Delta, Delta = 2^40."""
    polynomials = lengthen(messages.ANSWER.payload(EPOCH, answer))
    scaled = (polynomials.astype(object) * (1 << 20) % PRIMES[0]).astype(np.uint64)
    return centred(decrypted(querier, scaled) - (decrypted(querier, polynomials) << 20))


def block_selection(prepared: Any, query: bytes, keys: bytes) -> Any:
    """float64[2, N]: the last expanded ciphertext divided by q, centred; anyone with the query computes it."""
    galois, _ = prepared._switching_keys(keys)
    ciphertext = serial.query_ciphertext(messages.read_query(messages.QUERY.payload(EPOCH, query)))
    last = expand(prepared._evaluator, ciphertext, ROWS + 1, galois, prepared._monomials)[-1]
    residues = np.frombuffer(serial.save(last)[-32 * DEGREE :], dtype="<u8").reshape(2, 2, DEGREE)
    total = np.zeros((2, DEGREE))
    for place, prime in enumerate(DATA_PRIMES):
        inverse = pow(DATA_PRIMES[1 - place], -1, prime)
        total += (residues[:, place].astype(object) * inverse % prime / prime).astype(np.float64)
    return total - np.rint(total)


def quotient_of(divided: Any, secret: Any) -> Any:
    """k of c0 + c1 s = Delta m + e + q k."""
    return np.rint(divided[0] + negacyclic(divided[1], secret))


def negacyclic(left: Any, right: Any) -> Any:
    """The product modulo X^N + 1, in floating point."""
    twist = np.exp(1j * np.pi * np.arange(DEGREE) / DEGREE)
    return (np.fft.ifft(np.fft.fft(left * twist) * np.fft.fft(right * twist)) / twist).real


def centred(values: Any) -> Any:
    reduced = values.astype(np.int64) % MODULUS
    return np.where(reduced > MODULUS // 2, reduced - MODULUS, reduced)


def correlation(left: Any, right: Any) -> float:
    return abs(float(np.corrcoef(left, right)[0, 1]))
