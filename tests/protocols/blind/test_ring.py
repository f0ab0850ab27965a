"""The ring's arithmetic against integers of Python, its samplers against their distributions."""

from __future__ import annotations

import hashlib
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenseal.sealapi import util as table

from protocols.blind.quota import MASK_BITS
from protocols.blind.ring import DEGREE, NOISE_BOUND, both_signs, noise, shifted, ternary, times, uniform


def by_hand(polynomial: np.ndarray, small: np.ndarray, at: int) -> int:
    """One coefficient of the product modulo X^N + 1 and 2^64, in Python's integers."""
    total = 0
    for index, factor in enumerate(small.tolist()):
        other = int(polynomial[at - index])  # a negative index is the wrapped one
        total += factor * (other if index <= at else -other)
    return total % 2**64


@pytest.mark.parametrize("at", [0, 1, 2047, 4095])
def test_a_product_is_that_of_integers(at: int) -> None:
    polynomial, small = uniform(bytes(32), 7), ternary(os.urandom)
    assert int(times(polynomial, small)[at]) == by_hand(polynomial, small, at)


def test_the_largest_product_is_exact() -> None:
    largest = np.full(DEGREE, 2**64 - 1, dtype=np.uint64)
    ones = np.ones(DEGREE, dtype=np.int8)
    assert times(largest, ones).tolist() == [(-(2 * at + 2 - DEGREE)) % 2**64 for at in range(DEGREE)]


@settings(max_examples=25, deadline=None)
@given(st.integers(-DEGREE + 1, DEGREE - 1))
def test_a_shift_is_a_product_with_a_power(exponent: int) -> None:
    power = np.zeros(DEGREE, dtype=np.int8)
    power[exponent % DEGREE] = 1 if exponent >= 0 else -1
    polynomial = uniform(bytes(32), 1)
    assert np.array_equal(shifted(both_signs(polynomial), exponent), times(polynomial, power))


def test_uniform_polynomials_are_shake_128_of_label_seed_and_index() -> None:
    stream = b"fedscore/v1/blind/uniform\x00" + b"\x05" * 32 + b"\x02\x00\x00\x00"
    first = int.from_bytes(hashlib.shake_128(stream).digest(8), "little")
    found = uniform(b"\x05" * 32, 2)
    assert (found.size, int(found[0])) == (DEGREE, first)
    assert not np.array_equal(found, uniform(b"\x05" * 32, 3))
    assert not np.array_equal(found, uniform(b"\x06" * 32, 2))


def test_secrets_are_uniform_over_three_values_and_skip_the_byte_that_tips_the_scale() -> None:
    counts = np.bincount(ternary(np.random.default_rng(0).bytes) + 1, minlength=3)
    assert counts.sum() == DEGREE
    assert abs(counts - DEGREE / 3).max() < 5 * np.sqrt(DEGREE * 2 / 9)
    calls = iter([b"\xff" * DEGREE, b"\x00" * DEGREE])
    assert set(ternary(lambda count: next(calls)).tolist()) == {-1}


def test_noise_is_centred_binomial() -> None:
    drawn = noise(np.random.default_rng(0).bytes).astype(np.int64)
    assert abs(drawn).max() <= NOISE_BOUND
    assert abs(drawn.mean()) < 0.25
    assert drawn.var() == pytest.approx(NOISE_BOUND / 2, rel=0.15)
    assert noise(lambda count: b"\xff" * count).astype(np.int64).tolist() == [0] * DEGREE
    extremes = noise(lambda count: b"\xff" * (count // 2) + bytes(count // 2)).astype(np.int64)
    assert set(extremes.tolist()) == {NOISE_BOUND}


def test_the_modulus_is_within_the_standards_table_also_for_what_a_request_may_leave_of_a_secret() -> None:
    """As SEAL has the table of the Homomorphic Encryption Standard (ternary secrets)."""
    modulus = 64
    assert modulus <= table.seal_he_std_parms_192_tc(DEGREE) == 75
    assert modulus <= table.seal_he_std_parms_192_tq(DEGREE) == 70  # quantum
    unknown = DEGREE - MASK_BITS / math.log2(3)
    low, high = table.seal_he_std_parms_128_tc(DEGREE // 2), table.seal_he_std_parms_128_tc(DEGREE)
    assert modulus <= low + (high - low) * (unknown - DEGREE // 2) / (DEGREE // 2) < modulus + 1
