"""A pool that answers from another table is proved wrong; nobody else is, and nothing visible depends on failure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup.bound import MAX_STEP_BYTES
from protocols.lookup.evidence import (
    MAX_VERDICTS,
    HandOver,
    Outcome,
    Verdict,
    check_answer,
    judge,
    keys_hash,
    sign_answer,
)
from protocols.lookup.hand_over import Batch, capacity, choose, open_batch, open_verdicts, seal_batch, seal_verdicts
from protocols.lookup.seal import seal
from protocols.signing import SigningKey

POOL, AUDITOR = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes([1]) * 32)
EPOCH, KEYS = hashlib.sha256(b"epoch").digest(), b"evaluation keys"
TABLE = [bytes([row]) * 16 for row in range(4)]


class Rows:
    """The smallest deterministic engine: the query is the row's number, in the clear."""

    hint = b""

    def __init__(self, table: Sequence[bytes]) -> None:
        self.table = table

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        if any(len(query) != 1 or query[0] >= len(self.table) for query in queries):
            raise MessageError("query", got="another form", expected="a row")
        return [self.table[query[0]] + hashlib.sha256(keys or b"").digest() for query in queries]


def answered(query: bytes, table: Sequence[bytes] = TABLE, *, answer: bytes | None = None) -> HandOver:
    answer = answer or Rows(table).answer([query], KEYS)[0]
    return HandOver(EPOCH, keys_hash(KEYS), query, answer, sign_answer(POOL, EPOCH, keys_hash(KEYS), query, answer))


def judged(hand_over: HandOver, keys: bytes = KEYS) -> Verdict:
    verdict = judge(Rows(TABLE), hand_over, keys, epoch_id=EPOCH, pool=POOL.public, auditor="bank-01", key=AUDITOR)
    verdict.verify(AUDITOR.public, POOL.public)
    assert Verdict.decode(verdict.encode()) == verdict
    return verdict


def test_an_honest_answer() -> None:
    assert judged(answered(b"\x02")).outcome == Outcome.SAME
    assert not judged(answered(b"\x02")).accuses


def test_an_answer_from_another_table_is_proof_against_the_pool() -> None:
    corrupted = [*TABLE[:2], b"corrupted bytes!", TABLE[3]]
    verdict = judged(answered(b"\x02", corrupted))
    assert verdict.outcome == Outcome.DIFFERENT
    assert verdict.accuses
    assert judged(answered(b"\x01", corrupted)).outcome == Outcome.SAME


def test_a_querier_cannot_accuse_a_pool_that_is_honest() -> None:
    true = answered(b"\x02")
    for forged in (
        replace(true, answer=b"made up" + true.answer),
        replace(true, query=b"\x01"),
        replace(true, signature=bytes(64)),
        replace(true, keys_hash=keys_hash(b"others")),
        replace(true, keys_hash=b""),
        replace(true, epoch_id=bytes(32)),
    ):
        assert judged(forged).outcome == Outcome.UNSIGNED
    assert judged(true, keys=b"other keys").outcome == Outcome.UNSIGNED


def test_an_answer_under_other_keys_or_of_another_epoch_accuses_nobody() -> None:
    """True words of the pool, handed over as others: with the keys they were not asked under, or in a later epoch."""
    true = answered(b"\x02")
    others = replace(true, keys_hash=keys_hash(b"others"))
    assert judged(others, keys=b"others").outcome == Outcome.UNSIGNED
    none = replace(true, keys_hash=b"")
    assert judged(none, keys=b"").outcome == Outcome.UNSIGNED
    before, answer = bytes(32), b"what stood there then"
    signature = sign_answer(POOL, before, keys_hash(KEYS), b"\x02", answer)
    past = HandOver(before, keys_hash(KEYS), b"\x02", answer, signature)
    check_answer(POOL.public, past.epoch_id, past.keys_hash, past.query, past.answer, past.signature)
    assert judged(past).outcome == Outcome.UNSIGNED


def test_without_the_pools_signature_a_querier_could_accuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.lookup.evidence.check_answer", lambda *_: None)
    forged = replace(answered(b"\x02"), answer=b"made up")
    verdict = judge(Rows(TABLE), forged, KEYS, epoch_id=EPOCH, pool=POOL.public, auditor="bank-01", key=AUDITOR)
    assert verdict.accuses
    with pytest.raises(SignatureError):
        verdict.verify(AUDITOR.public, POOL.public)  # and even then third parties see the pool never said so


def test_a_query_that_no_engine_answers_accuses_nobody() -> None:
    assert judged(answered(b"junk", answer=b"an answer all the same")).outcome == Outcome.REFUSED


def test_a_verdict_shows_no_index() -> None:
    one, two = judged(answered(b"\x01")), judged(answered(b"\x02"))
    assert len(one.encode()) == len(two.encode())
    assert one.query_hash != two.query_hash


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": Outcome.DIFFERENT},
        {"answer_hash": bytes(32)},
        {"auditor": "bank-02"},
        {"expected_hash": bytes(32)},
        {"pool_signature": bytes(64)},
    ],
)
def test_nothing_of_a_verdict_can_be_changed(changed: dict[str, object]) -> None:
    with pytest.raises(SignatureError):
        replace(judged(answered(b"\x02")), **changed).verify(AUDITOR.public, POOL.public)  # type: ignore[arg-type]


def test_an_auditor_cannot_sign_a_contradiction() -> None:
    verdict = judged(answered(b"\x02"))
    lying = replace(verdict, outcome=Outcome.DIFFERENT)
    lying = replace(lying, signature=AUDITOR.sign("fedscore/v1/lookup/verdict", lying.encode_unsigned()))
    with pytest.raises(SignatureError, match="outcome"):
        lying.verify(AUDITOR.public, POOL.public)


def test_answers_are_of_one_epoch() -> None:
    given_over = answered(b"\x02")
    with pytest.raises(SignatureError):
        check_answer(
            POOL.public, bytes(32), given_over.keys_hash, given_over.query, given_over.answer, given_over.signature
        )


@given(st.binary(max_size=300))
def test_bytes_that_are_no_verdict(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Verdict.decode(data)


# ---- hand-overs ----


def sent(mark: int, answer_bytes: int = 40) -> HandOver:
    return HandOver(EPOCH, b"", bytes([mark]), bytes(answer_bytes), bytes(64))


ITEM = 5 * 4 + 32 + 1 + 40 + 64


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 12), st.integers(0, 2**32))
def test_what_was_drawn_goes_first_whatever_failed(drawn: int, failed: int, room: int, seed: int) -> None:
    """How many are drawn and told of to everybody must not depend on how many failed."""
    chosen, others = choose(
        [sent(mark) for mark in range(drawn)],
        [sent(100 + mark) for mark in range(failed)],
        room * ITEM,
        Random(seed).randbytes,
    )
    assert len(set(chosen)) == len(chosen) == min(drawn, room // 2)
    assert len(set(others)) == len(others) == min(failed, room - len(chosen))
    assert all(item.query[0] < 100 for item in chosen)
    assert all(item.query[0] >= 100 for item in others)


def test_the_choice_is_fair() -> None:
    random = Random(1).randbytes
    runs = [choose((), [sent(mark) for mark in range(6)], 3 * ITEM, random)[1] for _ in range(3000)]
    chosen = Counter(item.query[0] for run in runs for item in run)
    assert all(1400 < chosen[mark] < 1600 for mark in range(6))


def test_one_bloated_answer_keeps_none_of_the_others_out() -> None:
    bloated = sent(9, answer_bytes=10**6)
    drawn, failed = choose([bloated, sent(1)], [bloated, sent(2), sent(3)], 6 * ITEM, Random(2).randbytes)
    assert [item.query[0] for item in drawn] == [1]
    assert sorted(item.query[0] for item in failed) == [2, 3]


AUDITOR_KEY = X25519PrivateKey.from_private_bytes(bytes([7]) * 32)
PUBLIC = AUDITOR_KEY.public_key().public_bytes_raw()
SIZE = capacity(4, query_bytes=1, answer_bytes=48, keys_bytes=len(KEYS))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_batch_has_one_size_whatever_is_in_it(count: int) -> None:
    items = tuple(answered(bytes([row])) for row in range(count))
    batch = Batch(KEYS if count else b"", PUBLIC, items[:1], items[1:])
    sealed = seal_batch(batch, SIZE, PUBLIC, EPOCH, "bank-00")
    assert len(sealed) == SIZE + 48
    assert open_batch(sealed, AUDITOR_KEY, EPOCH, "bank-00") == batch
    for key, epoch_id, querier in (
        (X25519PrivateKey.from_private_bytes(bytes([8]) * 32), EPOCH, "bank-00"),
        (AUDITOR_KEY, bytes(32), "bank-00"),
        (AUDITOR_KEY, EPOCH, "bank-01"),
    ):
        with pytest.raises(MessageError, match="do not open"):
            open_batch(sealed, key, epoch_id, querier)


def test_a_batch_that_does_not_fit() -> None:
    with pytest.raises(MessageError, match="batch"):
        seal_batch(Batch(KEYS, PUBLIC, (), (answered(b"\x01"),) * 5), SIZE, PUBLIC, EPOCH, "bank-00")
    with pytest.raises(MessageError, match="key"):
        seal_batch(Batch(b"", b"", (), ()), SIZE, bytes(32), EPOCH, "bank-00")


BATCH = Batch(KEYS, PUBLIC, (answered(b"\x01"),), (answered(b"\x02"),)).encode(SIZE)


@given(st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=6), st.integers(0, 6))
def test_damaged_batches(at: int, put: bytes, cut: int) -> None:
    """What is read at all has these bytes and no others: there is no room to say anything beside it."""
    damaged = BATCH[:at] + put + BATCH[at + cut :]
    try:
        read = Batch.decode(damaged)
    except ProtocolError:
        return
    assert read.encode(len(damaged)) == damaged


def test_a_batch_of_another_form_or_with_something_behind_it_is_none() -> None:
    with pytest.raises(MessageError, match="batch: got another form"):
        Batch.decode(b"x" + BATCH[1:])
    with pytest.raises(MessageError, match="batch: got bytes after its end"):
        Batch.decode(BATCH + b"\0\1")


def test_an_answer_is_sealed_to_a_key_that_somebody_has() -> None:
    """To a point of small order anybody opens what was for one querier alone."""
    with pytest.raises(MessageError, match=r"batch\.reply: got a point of small order"):
        Batch(b"", bytes(32), (), ())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch(data: bytes) -> None:
    with pytest.raises(MessageError):
        Batch.decode(data)


def test_as_many_verdicts_as_are_told_fit_into_one_step() -> None:
    longest = Verdict(
        epoch_id=bytes(32),
        auditor="\x01" * 64,  # the longest name there is, in JSON
        outcome=Outcome.DIFFERENT,
        keys_hash=bytes(32),
        query_hash=bytes(32),
        answer_hash=bytes(32),
        expected_hash=bytes(32),
        pool_signature=bytes(64),
        signature=bytes(64),
    )
    body = canonical({"verdicts": [parse_canonical(longest.encode())] * MAX_VERDICTS})
    assert len(body) <= MAX_STEP_BYTES


def test_what_one_querier_is_told_has_one_size_and_opens_for_it_alone() -> None:
    verdict = judged(answered(b"\x02"))
    sizes = set()
    for verdicts in ((), (verdict,), (verdict,) * 100):
        sealed = seal_verdicts(verdicts, 8192, PUBLIC, EPOCH, "bank-00")
        sizes.add(len(sealed))
        opened = open_verdicts(sealed, AUDITOR_KEY, EPOCH, "bank-00")
        assert opened == verdicts[: len(opened)]
        assert len(opened) >= min(len(verdicts), 5)
    assert sizes == {8192 + 48}
    info = b"fedscore/v1/lookup/verdicts\0" + EPOCH + b"bank-00"
    for plain, got in ((bytes(64), "another form"), (info[:28] + bytes(4) + b"more", "bytes after its end")):
        with pytest.raises(MessageError, match=got):
            open_verdicts(seal(PUBLIC, plain, info), AUDITOR_KEY, EPOCH, "bank-00")
    for key, epoch_id, auditor in (
        (X25519PrivateKey.from_private_bytes(bytes([8]) * 32), EPOCH, "bank-00"),
        (AUDITOR_KEY, bytes(32), "bank-00"),
        (AUDITOR_KEY, EPOCH, "bank-01"),
    ):
        with pytest.raises(MessageError, match="do not open"):
            open_verdicts(sealed, key, epoch_id, auditor)
