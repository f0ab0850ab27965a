"""Witnesses and quorums against a log that lies: forks, rollbacks, and notes dressed up to look cosigned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError, ProofError, SignatureError, StageError
from protocols.transparency import (
    Checkpoint,
    Fork,
    Frontier,
    LogKey,
    Quorum,
    WitnessKey,
    WitnessState,
    WitnessVerifier,
    attach,
    consistency_path,
    cosign,
    leaf_hash,
    split_note,
)

LOG = LogKey.from_seed("example.com/log", bytes(32))
KEYS = [WitnessKey.from_seed(f"example.com/w{number}", bytes([number + 1]) * 32) for number in range(7)]
NOW = 1_900_000_000


class Tree:
    """A log in memory, which may have two of them."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.frontiers = [Frontier()]
        for leaf in leaves:
            frontier, made = self.frontiers[-1].append(leaf_hash(leaf))
            self.frontiers.append(frontier)
            self.nodes |= {(level, at): value for level, at, value in made}

    def note(self, size: int) -> bytes:
        return Checkpoint(LOG.name, size, self.frontiers[size].root).note(LOG)

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_path(lambda level, at: self.nodes[level, at], old, new)


HONEST = Tree([b"%d" % number for number in range(20)])
FORKED = Tree([b"%d" % number for number in range(7)] + [b"rewritten %d" % number for number in range(13)])


def cosigned(note: bytes, *keys: WitnessKey, at: float = NOW) -> bytes:
    text = split_note(note)[0]
    return attach(note, [cosign(text, key, at) for key in keys])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_a_witness_follows_every_growing_history(sizes: list[int]) -> None:
    state = WitnessState()
    for size in sorted(sizes):
        state = state.consider(HONEST.note(size), HONEST.proof(state.size, size), LOG.public)
        assert state == WitnessState.seen(HONEST.note(size), LOG.public)
        assert WitnessState.from_json(state.to_json()) == state


@pytest.mark.parametrize("size", range(8, 21))
def test_a_witness_refuses_a_fork_whatever_proof_comes_with_it(size: int) -> None:
    state = WitnessState.seen(HONEST.note(8), LOG.public)
    for proof in (FORKED.proof(8, size), HONEST.proof(8, size), FORKED.proof(7, size), []):
        with pytest.raises(ProofError):
            state.consider(FORKED.note(size), proof, LOG.public)
    # A witness without memory is what the attack needs: to it both histories look new.
    assert WitnessState().consider(FORKED.note(size), [], LOG.public).size == size


def test_a_witness_refuses_to_go_back() -> None:
    state = WitnessState.seen(HONEST.note(12), LOG.public)
    with pytest.raises(StageError, match="at least 12"):
        state.consider(HONEST.note(11), HONEST.proof(11, 12), LOG.public)
    assert state.consider(HONEST.note(12), [], LOG.public) == state


def test_a_witness_hears_only_its_log() -> None:
    other = LogKey.from_seed("example.com/log", bytes([5]) * 32)
    note = Checkpoint(other.name, 1, leaf_hash(b"0")).note(other)
    with pytest.raises(SignatureError):
        WitnessState().consider(note, [], LOG.public)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"v": 1, "size": "3", "root": "00" * 32},
        {"v": 1, "size": 3, "root": "00"},
        {"v": 1, "size": 0, "root": "00" * 32},
        {"v": 1, "size": 3, "root": "AB" * 32},
        {"v": 2, "size": 3, "root": "ab" * 32},
        {"v": 1, "size": -1, "root": "ab" * 32},
        {"v": 1, "size": True, "root": "ab" * 32},
    ],
)
def test_a_state_that_is_none_is_not_read(value: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        WitnessState.from_json(value)


def test_two_roots_of_one_size_prove_a_fork_to_anybody() -> None:
    assert Fork(HONEST.note(9), FORKED.note(9)).verify(LOG.public) == 9
    for one, other in (
        (HONEST.note(9), HONEST.note(9)),
        (HONEST.note(9), FORKED.note(10)),
        (HONEST.note(3), FORKED.note(3)),
    ):
        with pytest.raises(ProofError):
            Fork(one, other).verify(LOG.public)


@given(st.integers(1, 40))
def test_two_quorums_share_more_than_the_faulty_and_the_honest_are_one(count: int) -> None:
    keys = [
        WitnessVerifier.of(WitnessKey.from_seed("w", bytes([number + 1]) * 32).public.key) for number in range(count)
    ]
    quorum = Quorum.of(keys)
    assert count >= 3 * quorum.faults + 1
    assert count < 3 * (quorum.faults + 1) + 1
    assert 2 * quorum.size - count >= quorum.faults + 1  # of any two quorums, one shared witness is honest
    assert count - quorum.faults >= quorum.size  # the honest ones alone suffice
    assert quorum.size >= 2 * quorum.faults + 1
    if count % 3 == 1:
        assert quorum.size == 2 * quorum.faults + 1


def four(required: int = 0) -> Quorum:
    return Quorum.of([key.public for key in KEYS[:4]], required=[key.public for key in KEYS[:required]])


def test_a_fork_shown_to_two_halves_finds_no_two_quorums() -> None:
    """Four witnesses, one of them faulty and signing both: neither half has three."""
    quorum, faulty = four(), KEYS[0]
    one = cosigned(HONEST.note(9), faulty, KEYS[1])
    other = cosigned(FORKED.note(9), faulty, KEYS[2], KEYS[3])
    with pytest.raises(SignatureError, match=r"2 of 4, none by example\.com/w2, example\.com/w3"):
        quorum.check(one, LOG.public)
    assert quorum.check(other, LOG.public).checkpoint.size == 9  # one history only
    # With a smaller quorum, as two of four would be, both histories pass: the attack this number is for.
    for note in (one, other):
        assert len(quorum.times(note, LOG.public).times) >= 2


def test_who_signs_twice_counts_once() -> None:
    note = cosigned(HONEST.note(9), KEYS[0], KEYS[1])
    for later in range(1, 5):
        note = cosigned(note, KEYS[0], at=NOW + later)
    assert note.count("—".encode()) == 1 + 2 + 4
    with pytest.raises(SignatureError, match="2 of 4"):
        four().check(note, LOG.public)


def test_one_key_under_two_names_is_no_two_witnesses() -> None:
    """The signed message does not name the witness: a second line under another name costs a forger nothing."""
    alias = WitnessKey.from_seed("example.com/alias", bytes([1]) * 32)
    assert alias.public.key == KEYS[0].public.key
    with pytest.raises(MessageError, match="one key twice"):
        Quorum.of([KEYS[0].public, alias.public, KEYS[1].public])
    with pytest.raises(MessageError, match="one name twice"):
        Quorum.of([KEYS[0].public, WitnessKey.from_seed("example.com/w0", bytes([9]) * 32).public])
    note = cosigned(HONEST.note(9), alias, KEYS[1], KEYS[2])
    with pytest.raises(SignatureError, match="2 of 4"):
        four().check(note, LOG.public)


def test_the_required_must_be_there_and_be_a_witness() -> None:
    note = cosigned(HONEST.note(9), *KEYS[1:4])
    assert len(four().check(note, LOG.public).times) == 3
    with pytest.raises(SignatureError, match=r"none by example\.com/w0"):
        four(required=1).check(note, LOG.public)
    with pytest.raises(MessageError, match="required"):
        Quorum.of([key.public for key in KEYS[:4]], required=[KEYS[5].public])


def test_the_log_is_no_witness_of_itself() -> None:
    own = WitnessKey.from_pem(LOG.to_pem())
    with pytest.raises(MessageError, match="own key"):
        Quorum.of([own.public, *(key.public for key in KEYS[:3])]).check(HONEST.note(9), LOG.public)


def test_strangers_do_not_count() -> None:
    note = cosigned(HONEST.note(9), KEYS[0], KEYS[1], KEYS[5], KEYS[6])
    with pytest.raises(SignatureError, match="2 of 4"):
        four().check(note, LOG.public)


def test_a_line_that_does_not_verify_spoils_the_note() -> None:
    forged = KEYS[3].public.line(NOW.to_bytes(8, "big") + bytes(64))
    note = attach(cosigned(HONEST.note(9), *KEYS[:3]), [forged])
    with pytest.raises(SignatureError, match="w3"):
        four().check(note, LOG.public)


def test_times_of_the_future_are_refused_by_who_has_a_clock() -> None:
    note = cosigned(cosigned(HONEST.note(9), *KEYS[:2]), KEYS[2], at=NOW + 301)
    assert four().check(note, LOG.public).times["example.com/w2"] == NOW + 301
    with pytest.raises(MessageError, match=r"w2"):
        four().check(note, LOG.public, now=NOW)
    four().check(note, LOG.public, now=NOW + 1)


@pytest.mark.parametrize(("count", "faults"), [(0, 0), (3, 1), (4, 2), (4, -1)])
def test_more_faults_than_the_witnesses_bear_are_refused(count: int, faults: int) -> None:
    with pytest.raises(MessageError, match=r"quorum\.faults"):
        Quorum(tuple(key.public for key in KEYS[:count]), faults)
