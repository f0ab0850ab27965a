"""What a hostile querier or pool may send: nothing but polynomials of the right size reaches SEAL."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from bfv_world import ENGINE, client, table
from engine_world import EPOCH
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError
from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.packing import lengthen, pack_residues, shorten, unpack_residues
from protocols.lookup.engines.bfv.parameters import DATA_PRIMES, DEGREE, MODULUS, PRIMES, ring
from protocols.lookup.engines.bfv.serial import Seeded

HEAD = 56  # label and epoch
PREPARED = ENGINE.prepare(table(1), EPOCH)
QUERIER = client(1)


def query_of(c0: Any, seed: bytes = bytes(64)) -> bytes:
    return messages.QUERY.frame(EPOCH, messages.query_payload(Seeded(seed, c0)))


def fresh_query() -> bytes:
    return QUERIER.query(0)[1]


def test_residues_survive_packing_and_stop_at_their_prime() -> None:
    primes = np.array(PRIMES, dtype=np.uint64)[:, None]
    residues = np.random.default_rng(1).integers(0, 1 << 60, (3, DEGREE), dtype=np.uint64) % primes
    residues[:, 0], residues[:, 1], residues[:, -1] = 0, primes[:, 0] - 1, primes[:, 0] - 1
    assert np.array_equal(unpack_residues(pack_residues(residues), PRIMES, "x"), residues)
    for prime in range(3):
        beyond = residues.copy()
        beyond[prime, 4097] = PRIMES[prime]
        with pytest.raises(MessageError, match="beyond its prime"):
            unpack_residues(pack_residues(beyond), PRIMES, "x")


@given(st.integers(0, PRIMES[0] - 1))
def test_a_shortened_answer_stays_near_and_below_the_prime(value: int) -> None:
    polynomials = np.full((2, DEGREE), value, dtype=np.uint64)
    c0, c1 = lengthen(shorten(polynomials))[:, 0].tolist()
    assert abs(c0 - value) <= 1 << 27
    assert abs(c1 - value) <= 1 << 19
    assert max(c0, c1) < PRIMES[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda query: query[:-1],
        lambda query: query + b"\x00",
        lambda query: b"",
        lambda query: query[:HEAD],
        lambda query: b"\x01" + query[1:],
        lambda query: query[:23] + b"\x01" + query[24:],
        lambda query: query[:24] + bytes(32) + query[HEAD:],
        lambda query: query[:-15] + b"\xff" * 15,
        lambda query: messages.ANSWER.frame(EPOCH, query[HEAD:]),
    ],
    ids=["short", "long", "empty", "head", "label", "padding", "epoch", "beyond-prime", "kind"],
)
def test_a_query_in_another_form_is_refused(change: Any) -> None:
    with pytest.raises(MessageError, match=r"bfv\.query"):
        PREPARED.answer([change(fresh_query())], QUERIER.keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: None,
        lambda keys: keys[:-1],
        lambda keys: client(40).keys,
        lambda keys: keys[:24] + bytes(32) + keys[HEAD:],
        lambda keys: keys[:-15] + b"\xff" * 15,
    ],
    ids=["none", "short", "other-shape", "epoch", "beyond-prime"],
)
def test_keys_in_another_form_are_refused(change: Any) -> None:
    with pytest.raises(MessageError, match=r"bfv\.keys"):
        PREPARED.answer([fresh_query()], change(QUERIER.keys))


def test_one_bad_query_among_good_ones_is_refused_before_any_work() -> None:
    prepared: Any = ENGINE.prepare(table(1), EPOCH)
    prepared._evaluator = None
    with pytest.raises(MessageError):
        prepared.answer([fresh_query(), b"no"], QUERIER.keys)


def test_what_seal_itself_would_accept_has_no_representation() -> None:
    """SEAL loads a transparent ciphertext, one of sixteen polynomials, one in NTT form; a message cannot say them."""
    level, zeros = ring().data_level, np.zeros(2 * DEGREE * 16, dtype=np.uint64)
    for size, ntt in ((2, False), (16, False), (2, True)):
        prefix = struct.pack("<4Q?QQQdQ", *level, ntt, size, DEGREE, 2, 1.0, 1)
        body = prefix + serial._array(zeros[: 2 * DEGREE * size])
        accepted = serial._load(seal.Ciphertext, body)
        assert accepted.is_transparent()
        assert accepted.size() == size
        for native in (body, serial._nested(body), serial._saved(accepted)):
            with pytest.raises(MessageError):
                PREPARED.answer([native], QUERIER.keys)


@pytest.mark.parametrize("seed", [bytes(64), b"\xff" * 64])
@pytest.mark.parametrize("last", [False, True])
def test_extreme_polynomials_are_ciphertexts_like_others(seed: bytes, last: bool) -> None:
    highest = np.array(DATA_PRIMES, dtype=np.uint64)[:, None] - np.uint64(1)
    c0 = np.broadcast_to(highest * np.uint64(last), (2, DEGREE))
    loaded = serial.query_ciphertext(Seeded(seed, c0))
    assert not loaded.is_transparent()
    assert not loaded.is_ntt_form()
    assert loaded.size() == 2
    [answer] = PREPARED.answer([query_of(c0, seed)], QUERIER.keys)
    assert len(answer) == messages.ANSWER.size


def test_foreign_and_made_up_keys_yield_noise_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    made_up = [
        tuple(Seeded(rng.bytes(64), rng.integers(0, PRIMES[0], (3, DEGREE), dtype=np.uint64)) for _ in range(2))
        for _ in range(2)
    ]
    forged = messages.keys_kind(1).frame(EPOCH, messages.keys_payload(made_up))
    for keys in (client(1).keys, forged):
        pending, query = QUERIER.query(0)
        [answer] = PREPARED.answer([query], keys)
        assert pending.noise_budget(answer) == 0
        assert not np.array_equal(pending.open(answer)[0], table(1).values[0])


@pytest.mark.parametrize("fill", [b"\x00", b"\xff", b"\x5a"])
def test_a_hostile_answer_opens_to_some_values_below_the_modulus(fill: bytes) -> None:
    pending, _ = QUERIER.query(0)
    values, signatures = pending.open(messages.ANSWER.frame(EPOCH, fill * messages.ANSWER.payload_bytes))
    assert values.shape == (1016, 8)
    assert values.max() < MODULUS
    assert len(signatures) == 128


def mutated(message: bytes, rng: random.Random) -> bytes:
    """One to four changes where they hurt (head, seed, ends) or anywhere: bytes, runs, cuts, repeats."""
    data = bytearray(message)
    for _ in range(rng.randint(1, 4)):
        place = rng.choice(
            [rng.randrange(HEAD), HEAD + rng.randrange(64), rng.randrange(len(data) or 1), len(data) - 1]
        )
        kind = rng.randrange(6)
        if kind == 0:
            data[place : place + 1] = rng.randbytes(1)
        elif kind == 1:
            data[place : place + 15] = b"\xff" * 15
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            data[place:place] = data[: rng.randrange(1, 64)]
        elif kind == 4:
            data[place : place + 8] = struct.pack("<Q", rng.choice([0, 1 << 32, (1 << 64) - 1, len(data) << 20]))
        else:
            data[:16] = serial._nested(b"x" * rng.randrange(1 << 16))[:16]
        if not data:
            break
    return bytes(data)


def test_mutated_messages_are_refused_or_are_ciphertexts() -> None:
    rng, query, refused = random.Random(7), fresh_query(), 0
    _, keys, answer = QUERIER.query(0), QUERIER.keys, PREPARED.answer([query], QUERIER.keys)[0]
    for attempt in range(2_000):
        try:
            if attempt % 50 == 0:
                PREPARED.answer([query], mutated(keys, rng))
            elif attempt % 2:
                read = messages.read_query(messages.QUERY.payload(EPOCH, mutated(query, rng)))
                assert not serial.query_ciphertext(read).is_transparent()
            else:
                QUERIER.query(0)[0].open(mutated(answer, rng))
        except MessageError:
            refused += 1
    assert 1_000 < refused < 2_000
