"""Commitments, beacons, keys, record roots and the life of an attempt; from the side of whoever would rather choose.

Where a check keeps an attack out, the attack is carried out with the check left away, and succeeds.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from hashlib import sha256
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.canonical import canonical, digest
from protocols.errors import MessageError, ProofError, StageError
from protocols.replay import (
    Attempt,
    Beacon,
    BeaconChain,
    Context,
    Opening,
    RecordTree,
    SeedSecret,
    Stage,
    check_opening,
    check_preimage,
    code_digest,
    first_covering,
    step_key,
)
from protocols.replay.record_root import LEAF_LABEL
from protocols.transparency.merkle import leaf_hash, root

CHAIN = BeaconChain(b"\x07" * 32, 50)
CONTEXT = Context("spring", "train", 3, 1, "a" * 64, "b" * 64, "c" * 64)


def beacon(index: int, size: int, tag: int = 0) -> Beacon:
    return Beacon(size, bytes([size % 256, tag]) * 16, index, CHAIN.preimage(index))


# Commitments --------------------------------------------------------------------------------------------------------


def test_a_commitment_opens_to_its_seed_and_to_no_other() -> None:
    secret = SeedSecret(b"s" * 32, b"n" * 32)
    secret.check(secret.commitment)
    for other in (replace(secret, seed=b"t" * 32), replace(secret, nonce=b"m" * 32)):
        with pytest.raises(ProofError, match="seed"):
            other.check(secret.commitment)
    assert "s" * 8 not in repr(secret)
    for seed, nonce in ((b"", b"n" * 32), (b"s" * 32, b"")):
        with pytest.raises(MessageError, match="replay"):
            SeedSecret(seed, nonce)


def test_a_record_root_is_hidden_anew_for_every_attempt() -> None:
    """Said as it is, the root tells every reader of the log that not one record has changed between two rounds."""
    same = sha256(b"records").digest()
    first, second = (SeedSecret(b"s" * 32, bytes([n]) * 32).hide(same) for n in (1, 2))
    assert first != second
    assert first == SeedSecret(b"t" * 32, b"\x01" * 32).hide(same)


def test_the_code_is_what_it_is_in_every_file_and_version() -> None:
    base = code_digest({"a.py": b"1"}, {"numpy": "2"})
    assert base == code_digest({"a.py": b"1"}, {"numpy": "2"})
    for files, versions in (({"a.py": b"2"}, {"numpy": "2"}), ({"b.py": b"1"}, {"numpy": "2"}), ({"a.py": b"1"}, {})):
        assert code_digest(files, versions) != base


# Beacons: row 44, grinding --------------------------------------------------------------------------------------------


def test_every_element_of_a_chain_leads_to_its_anchor_and_no_other_value_does() -> None:
    for index in (1, 2, 50):
        check_preimage(CHAIN.anchor, index, CHAIN.preimage(index))
        for at, element in ((index + 1, CHAIN.preimage(index)), (index, b"x" * 32), (index, b""), (0, CHAIN.anchor)):
            with pytest.raises(ProofError, match="preimage"):
                check_preimage(CHAIN.anchor, at, element)
    with pytest.raises(StageError, match="index"):
        CHAIN.preimage(51)
    with pytest.raises(MessageError, match="chain"):
        BeaconChain(b"", 5)


def test_the_beacon_is_the_first_that_covers_the_commitment() -> None:
    beacons = [beacon(1, 5), beacon(2, 9), beacon(3, 20)]
    assert [first_covering(CHAIN.anchor, beacons, at).index for at in (0, 4, 5, 8, 9, 19)] == [1, 1, 2, 2, 3, 3]
    with pytest.raises(StageError, match="above 20"):
        first_covering(CHAIN.anchor, beacons, 20)


GRINDING = {
    "an index left out": [beacon(1, 5), beacon(3, 9)],
    "two beacons of one index": [beacon(1, 5), beacon(1, 9)],
    "a checkpoint again": [beacon(1, 5), beacon(2, 5)],
    "a smaller checkpoint": [beacon(1, 5), beacon(2, 4)],
    "a preimage of one's own": [replace(beacon(1, 5), preimage=b"x" * 32)],
    "one made up later in the chain": [beacon(1, 5), replace(beacon(2, 9), preimage=b"x" * 32)],
}


@pytest.mark.parametrize("kind", GRINDING)
def test_a_choice_of_beacons_is_refused(kind: str) -> None:
    with pytest.raises(ProofError, match="beacon"):
        first_covering(CHAIN.anchor, GRINDING[kind], 0)


def small(noise_key: bytes) -> bool:
    """What a grinder looks for: here, a first byte of the key stream below 4, one in 64."""
    return noise_key[0] < 4


def test_whoever_may_choose_the_beacon_or_the_seed_finds_the_noise_it_likes() -> None:
    """Row 44 with the rules off: a coordinator that knows the seed tries checkpoints, an institution tries seeds."""
    seed = b"s" * 32
    of_beacons = (size for size in count(1) if small(step_key(seed, beacon(1, size).value, CONTEXT, 0)))
    assert next(of_beacons) < 2_000
    of_seeds = (n for n in count() if small(step_key(n.to_bytes(32, "big"), beacon(1, 5).value, CONTEXT, 0)))
    assert next(of_seeds) < 2_000


def test_with_the_rules_there_is_one_beacon_and_it_needs_what_neither_knows() -> None:
    """The checkpoint is fixed before the preimage is revealed: tried roots say nothing of the value that will count."""
    guessed, real = b"g" * 32, CHAIN.preimage(1)
    liked = next(s for s in count(1) if small(step_key(b"s" * 32, Beacon(s, b"r" * 32, 1, guessed).value, CONTEXT, 0)))
    assert step_key(b"s" * 32, Beacon(liked, b"r" * 32, 1, guessed).value, CONTEXT, 0) != step_key(
        b"s" * 32, Beacon(liked, b"r" * 32, 1, real).value, CONTEXT, 0
    )
    with pytest.raises(ProofError, match="beacon"):
        first_covering(CHAIN.anchor, [Beacon(liked, b"r" * 32, 1, guessed)], 0)


# Keys -----------------------------------------------------------------------------------------------------------------


def test_a_step_key_is_hkdf_of_seed_beacon_and_context() -> None:
    """RFC 5869 written out: extract with the beacon as salt, expand once."""
    seed, salt = b"s" * 32, b"b" * 32
    info = b"fedscore/v2/replay/step-key\x00" + canonical(
        {
            "run_id": "spring",
            "phase": "train",
            "round": 3,
            "attempt": 1,
            "model_hash": "a" * 64,
            "plan_hash": "b" * 64,
            "record_root": "c" * 64,
            "step": 4,
        }
    )
    extracted = hmac.digest(salt, seed, sha256)
    assert step_key(seed, salt, CONTEXT, 4) == hmac.digest(extracted, info + b"\x01", sha256)


CHANGES = {
    "run_id": "summer",
    "phase": "evaluate",
    "round": 4,
    "attempt": 2,
    "model_hash": "e" * 64,
    "plan_hash": "e" * 64,
    "record_root": "e" * 64,
}


@pytest.mark.parametrize("field", CHANGES)
def test_whatever_differs_gives_another_key(field: str) -> None:
    keys = {step_key(b"s" * 32, b"b" * 32, CONTEXT, step) for step in range(3)}
    other = replace(CONTEXT, **{field: CHANGES[field]})
    keys |= {step_key(b"s" * 32, b"b" * 32, other, step) for step in range(3)}
    keys |= {step_key(b"t" * 32, b"b" * 32, CONTEXT, 0), step_key(b"s" * 32, b"c" * 32, CONTEXT, 0)}
    assert len(keys) == 8


def test_what_is_no_context_is_refused() -> None:
    for change in ({"model_hash": "A" * 64}, {"plan_hash": "a" * 63}, {"attempt": 0}, {"round": -1}):
        with pytest.raises(MessageError, match="replay"):
            replace(CONTEXT, **change)
    with pytest.raises(MessageError, match="beacon"):
        step_key(b"s" * 32, b"", CONTEXT, 0)


# Record roots -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_every_record_opens_and_nothing_else_does(records: list[bytes], data: st.DataObject) -> None:
    tree = RecordTree(records, key=b"k" * 32)
    at = data.draw(st.integers(0, len(records) - 1))
    opening = tree.opening(at)
    check_opening(tree.root, tree.size, at, records[at], opening)
    wrong = [(at, records[at] + b"x", opening), (at, records[at], Opening(b"z" * 32, opening.path))]
    wrong += [(at, records[at], Opening(b"", opening.path)), (tree.size, records[at], opening)]
    wrong += [(other, records[at], opening) for other in {(at + 1) % len(records)} - {at}]
    for index, record, shown in wrong:
        with pytest.raises((ProofError, MessageError)):
            check_opening(tree.root, tree.size, index, record, shown)


def test_the_root_is_that_of_rfc_6962_over_salted_leaves() -> None:
    records = [bytes([i]) for i in range(7)]
    tree = RecordTree(records, key=b"k" * 32)
    leaves = [leaf_hash(LEAF_LABEL + tree.opening(i).salt + record) for i, record in enumerate(records)]
    assert tree.root == root(leaves)
    assert len({tree.opening(i).salt for i in range(7)}) == 7
    assert RecordTree([], key=b"k" * 32).root == sha256().digest()
    with pytest.raises(MessageError, match="record"):
        tree.opening(7)
    with pytest.raises(MessageError, match="salt_key"):
        RecordTree(records, key=b"")


def test_an_unsalted_root_is_an_oracle_and_a_salted_one_is_none() -> None:
    """Whoever knows all records but one guesses that one: cells and an outcome are a small space."""
    known, secret = [b"one", b"two"], b"\x03\x01"
    guesses = [bytes([cell, outcome]) for cell in range(20) for outcome in (0, 1)]
    unsalted = root([leaf_hash(record) for record in (*known, secret)])
    assert [g for g in guesses if root([leaf_hash(r) for r in (*known, g)]) == unsalted] == [secret]
    salted = RecordTree([*known, secret], key=sha256(b"a key of the institution's").digest()).root
    assert not [g for g in guesses if RecordTree([*known, g], key=bytes(32)).root == salted]
    assert not [g for g in guesses if root([leaf_hash(LEAF_LABEL + r) for r in (*known, g)]) == salted]


# The life of an attempt ---------------------------------------------------------------------------------------------


def sealed() -> Attempt:
    return Attempt().learn("11" * 32).use("aa" * 32, "bb" * 32).seal("cc" * 32)


def test_the_same_request_repeats_and_another_model_is_refused() -> None:
    fresh = Attempt().learn("11" * 32)
    assert not Attempt().repeats("aa" * 32)
    assert not fresh.repeats("aa" * 32)
    used = fresh.use("aa" * 32, "bb" * 32)
    with pytest.raises(StageError, match="attempt of its own"):
        used.repeats("aa" * 32)  # a crash lost the answer: the seed is not used a second time
    for attempt in (sealed(), sealed().draw(), sealed().destroy()):
        assert attempt.repeats("aa" * 32)
        with pytest.raises(StageError, match="another model"):
            attempt.repeats("dd" * 32)
    for attempt in (used, sealed()):
        with pytest.raises(StageError, match="another model"):
            attempt.use("dd" * 32, "bb" * 32)
        with pytest.raises(StageError, match="request"):
            attempt.use("aa" * 32, "bb" * 32)


def test_a_beacon_is_learnt_once() -> None:
    ready = Attempt().learn("11" * 32)
    assert ready.learn("11" * 32) == ready
    with pytest.raises(StageError, match="beacon"):
        ready.learn("22" * 32)


STEPS = {
    "learn": lambda a: a.learn("11" * 32),
    "use": lambda a: a.use("aa" * 32, "bb" * 32),
    "seal": lambda a: a.seal("cc" * 32),
    "draw": lambda a: a.draw(),
    "destroy": lambda a: a.destroy(),
}
ALLOWED = {
    (Stage.COMMITTED, "learn"): Stage.READY,
    (Stage.READY, "learn"): Stage.READY,
    (Stage.READY, "use"): Stage.USED,
    (Stage.USED, "seal"): Stage.SEALED,
    (Stage.USED, "draw"): Stage.DRAWN,
    (Stage.SEALED, "draw"): Stage.DRAWN,
    (Stage.DRAWN, "draw"): Stage.DRAWN,
    **{(stage, "destroy"): Stage.DESTROYED for stage in Stage},
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_only_the_steps_that_are_drawn_are_taken(names: list[str]) -> None:
    attempt = Attempt()
    for name in names:
        wanted = ALLOWED.get((attempt.stage, name))
        if wanted is None:
            with pytest.raises(StageError):
                STEPS[name](attempt)
            continue
        attempt = STEPS[name](attempt)
        assert attempt.stage is wanted


def test_labels_keep_kinds_apart() -> None:
    assert len({digest(f"fedscore/v1/replay/{name}", b"") for name in ("seed", "beacon", "record-root", "code")}) == 4
