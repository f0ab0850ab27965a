"""Masks are ChaCha20 as the RFC has it, the same at both ends of a pair, and of no one but that pair and round."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError
from protocols.secagg.keys import channel_key, coins, pair_key, public_of, said_key, self_key
from protocols.secagg.masks import WORD_BYTES, fingerprint, from_wire, to_wire, with_masks

ALICE, BOB = b"\xa0" * 32, b"\xb0" * 32
SETUP = b"\x05" * 32
RFC_8439_A_1 = bytes.fromhex(
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
    "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
)
"""RFC 8439, appendix A.1, vectors 1 and 2: key and nonce zero, block counters 0 and 1."""


def keystream(key: bytes, words: int, size: int) -> list[int]:
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(size * words))
    return [int.from_bytes(stream[at : at + size], "little") for at in range(0, len(stream), size)]


def test_a_mask_is_the_rfcs_keystream_in_little_endian_words() -> None:
    for size in WORD_BYTES:
        total = with_masks(np.zeros(len(RFC_8439_A_1) // size, f"u{size}"), [bytes(32)])
        assert to_wire(total) == RFC_8439_A_1
        assert total[0] == int.from_bytes(RFC_8439_A_1[:size], "little")


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.sampled_from([1, 7, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 66_000]),
    st.sampled_from(WORD_BYTES),
)
def test_blocks_make_no_difference(plus: list[bytes], minus: list[bytes], width: int, size: int) -> None:
    start = (np.arange(width, dtype=np.uint64) * np.uint64(2**60 + 1)).astype(f"u{size}")
    total = with_masks(start, plus, minus)
    assert total.dtype == start.dtype
    expected = start.astype(object)
    for sign, keys in ((1, plus), (-1, minus)):
        for key in keys:
            expected = expected + sign * np.array(keystream(key, width, size), dtype=object)
    assert total.tolist() == (expected % 256**size).tolist()
    assert (with_masks(total, minus, plus) == start).all()


def test_both_ends_of_a_pair_make_the_same_key_in_either_order() -> None:
    one = pair_key(ALICE, public_of(BOB), SETUP, 3, "alice", "bob")
    assert one == pair_key(BOB, public_of(ALICE), SETUP, 3, "bob", "alice")
    assert channel_key(ALICE, public_of(BOB), SETUP, "alice", "bob") == channel_key(
        BOB, public_of(ALICE), SETUP, "alice", "bob"
    )


def test_a_key_of_anything_else_is_another_key() -> None:
    """Set-up, round, members, direction, kind, purpose, size of words: each is in it."""
    pairs = [
        pair_key(ALICE, public_of(BOB), setup, number, "alice", name)
        for setup, number, name in product((SETUP, b"\x06" * 32), (1, 2), ("bob", "carol"))
    ]
    channels = [channel_key(ALICE, public_of(BOB), SETUP, *names) for names in (("a", "b"), ("b", "a"), ("a", "c"))]
    own = [self_key(ALICE, setup, at, name) for setup, at, name in product((SETUP, BOB), (1, 2), ("a", "b"))]
    drawn = [coins(ALICE, setup, at, kind, 32) for setup, at, kind in product((SETUP, BOB), (1, 2), (0, 1))]
    said = [said_key(ALICE, SETUP, number) for number in (1, 2)]
    narrow = [
        pair_key(ALICE, public_of(BOB), SETUP, 1, "alice", "bob", word_bytes=4),
        self_key(ALICE, SETUP, 1, "a", 4),
    ]
    keys = [*pairs, *channels, *own, *drawn, *said, *narrow]
    assert len(set(keys)) == len(keys) == 8 + 3 + 8 + 8 + 2 + 2


def test_names_cannot_be_run_together() -> None:
    assert channel_key(ALICE, public_of(BOB), SETUP, "ab", "c") != channel_key(ALICE, public_of(BOB), SETUP, "a", "bc")


def test_a_point_of_small_order_makes_no_key() -> None:
    with pytest.raises(MessageError, match="a point of small order"):
        pair_key(ALICE, bytes(32), SETUP, 1, "alice", "bob")


def test_a_fingerprint_tells_vectors_apart() -> None:
    vector = np.arange(1000, dtype=np.uint64)
    other = vector.copy()
    other[999] ^= np.uint64(1)
    key = b"k" * 32
    assert fingerprint(key, vector) == fingerprint(key, vector.copy())
    assert len({fingerprint(key, vector), fingerprint(key, other), fingerprint(b"l" * 32, vector)}) == 3


def test_words_on_the_wire() -> None:
    vector = np.array([1, 2**64 - 1], np.uint64)
    assert to_wire(vector) == b"\x01" + bytes(7) + b"\xff" * 8
    assert (from_wire(to_wire(vector), 2) == vector).all()
    narrow = np.array([1, 2**32 - 1], np.uint32)
    assert to_wire(narrow) == b"\x01" + bytes(3) + b"\xff" * 4
    assert (from_wire(to_wire(narrow), 2, 4) == narrow).all()
    for data, size in ((b"", 8), (bytes(15), 8), (bytes(24), 8), (bytes(8), 8), (bytes(16), 4)):
        with pytest.raises(MessageError, match=rf"secagg\.vector: got \d+ bytes, expected {2 * size} bytes"):
            from_wire(data, 2, size)
    with pytest.raises(MessageError, match=r"secagg\.word_bytes: got 2, expected 4 or 8"):
        from_wire(bytes(4), 2, 2)
