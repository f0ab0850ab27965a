"""Sharing: any tau shares give the secret, and any tau - 1 fit every secret there is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError
from protocols.secagg.shamir import COIN_BYTES, PRIME, combine, read_share, recover, split, weights

secrets = st.binary(min_size=32, max_size=32)


def coins(draw: random.Random, count: int) -> list[bytes]:
    return [draw.randbytes(COIN_BYTES) for _ in range(count)]


def lagrange(points: dict[int, int], at: int) -> int:
    """The polynomial of lowest degree through `points`, evaluated; written a second time."""
    total = 0
    for x, y in points.items():
        term = y
        for other in points:
            if other != x:
                term = term * (at - other) * pow(x - other, PRIME - 2, PRIME) % PRIME
        total += term
    return total % PRIME


def test_the_modulus_is_prime() -> None:
    """Miller-Rabin, 40 bases: a composite passes with probability 4^-40."""
    odd, twos = PRIME - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    draw = random.Random(1)
    for _ in range(40):
        power = pow(draw.randrange(2, PRIME - 1), odd, PRIME)
        assert power in (1, PRIME - 1) or any((power := power * power % PRIME) == PRIME - 1 for _ in range(twos - 1))


@given(secrets, st.integers(1, 12), st.integers(0, 6), st.randoms(use_true_random=False))
def test_any_tau_shares_give_the_secret(secret: bytes, tau: int, more: int, draw: random.Random) -> None:
    shares = dict(enumerate(split(secret, coins(draw, tau - 1), tau + more), 1))
    chosen = draw.sample(sorted(shares), tau)
    assert recover({place: shares[place] for place in chosen}) == secret
    assert {len(share) for share in shares.values()} == {33}


@given(secrets, secrets, st.integers(2, 10), st.randoms(use_true_random=False))
def test_any_fewer_fit_every_secret(secret: bytes, other: bytes, tau: int, draw: random.Random) -> None:
    """For ANY other secret there is a polynomial with these tau - 1 shares: all of them equally many, exactly one."""
    shares = dict(enumerate(split(secret, coins(draw, tau - 1), tau + 2), 1))
    seen = {place: int.from_bytes(shares[place], "big") for place in draw.sample(sorted(shares), tau - 1)}
    points = {0: int.from_bytes(other, "big"), **seen}
    rest = next(place for place in shares if place not in seen)
    forged = {place: value.to_bytes(33, "big") for place, value in seen.items()}
    forged[rest] = lagrange(points, rest).to_bytes(33, "big")
    assert recover(forged) == other


def test_a_share_says_nothing_of_its_secret() -> None:
    """Below the threshold, the same coins and another secret: shares differ by what the secrets differ by."""
    draw = random.Random(2)
    drawn = coins(draw, 1)
    one, other = split(bytes(32), drawn, 3), split(bytes(31) + b"\x05", drawn, 3)
    assert [int.from_bytes(b, "big") - int.from_bytes(a, "big") for a, b in zip(one, other, strict=True)] == [5] * 3
    fresh = {split(bytes(32), coins(draw, 1), 1)[0] for _ in range(200)}
    assert len(fresh) == 200


def test_values_are_those_of_the_polynomial() -> None:
    """7 + 3 x + 2 x^2, worked out by hand."""
    drawn = [(3).to_bytes(48, "big"), (2).to_bytes(48, "big")]
    assert [int.from_bytes(share, "big") for share in split(bytes(31) + b"\x07", drawn, 3)] == [12, 21, 34]
    assert weights([1, 2, 3]) == {1: 3, 2: PRIME - 3, 3: 1}


def test_one_wrong_share_gives_another_secret() -> None:
    shares = dict(enumerate(split(b"s" * 32, coins(random.Random(3), 2), 3), 1))
    shares[2] = bytes(33)
    assert recover(shares) != b"s" * 32


def test_what_no_dealer_shares_is_refused() -> None:
    beyond = (PRIME - 1).to_bytes(33, "big")
    with pytest.raises(MessageError, match="no secret of 32 bytes"):
        combine({1: beyond}, weights([1]))
    with pytest.raises(MessageError, match="a number beyond the prime"):
        read_share(PRIME.to_bytes(33, "big"))
    with pytest.raises(MessageError, match="32 bytes, expected 33 bytes"):
        read_share(bytes(32))
    with pytest.raises(MessageError, match="31 bytes, expected 32 bytes"):
        split(bytes(31), [], 3)
