"""Shamir's secret sharing (CACM 22(11), 1979) of 32-byte secrets, over the integers modulo 2^256 + 297, a prime.

>>> parts = split(bytes(31) + b"s", [bytes(33)], 3)         # a line of slope 0 in place of a random one
>>> recover({1: parts[0], 3: parts[2]}).lstrip(bytes(1))
b's'

A share is the value of a polynomial of degree tau - 1 at the receiver's place, 33 bytes whatever it is. Fewer than tau
shares fit every secret equally well.

Python's integers do not work in constant time. Who deals does so once a run, over a network, with numbers used once:
there is nothing to average a measurement over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocols.errors import MessageError
from protocols.lookup.fields import sized

PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33
COIN_BYTES = 48
"""Random bytes for one coefficient: taken modulo the prime, within 2^-127 of uniform."""


def split(secret: bytes, coins: Sequence[bytes], count: int) -> list[bytes]:
    """Shares at the places 1 to `count`; any len(coins) + 1 of them give `secret` back.

    `coins` are uniform bytes, one coefficient from each. Raises MessageError for a secret of another length.
    """
    sized(secret, "secagg.secret", SECRET_BYTES)
    ascending = [int.from_bytes(secret, "big"), *(int.from_bytes(coin, "big") % PRIME for coin in coins)]
    shares = []
    for place in range(1, count + 1):
        value = 0
        for coefficient in reversed(ascending):
            value = (value * place + coefficient) % PRIME
        shares.append(value.to_bytes(SHARE_BYTES, "big"))
    return shares


def weights(places: Sequence[int]) -> dict[int, int]:
    """What each share counts in the secret: Lagrange's coefficients at zero."""
    found = {}
    for place in places:
        above = below = 1
        for other in places:
            if other != place:
                above = above * other % PRIME
                below = below * (other - place) % PRIME
        found[place] = above * pow(below, -1, PRIME) % PRIME
    return found


def combine(shares: Mapping[int, bytes], by_place: Mapping[int, int]) -> bytes:
    """The secret, from as many shares as there are `by_place`, which are `weights` of those places.

    Raises MessageError for what no dealer can have shared: a number beyond 32 bytes.
    """
    secret = sum(weight * read_share(shares[place]) for place, weight in by_place.items()) % PRIME
    if secret >= 1 << 8 * SECRET_BYTES:
        raise MessageError("secagg.shares", got="no secret of 32 bytes", expected="shares of one secret")
    return secret.to_bytes(SECRET_BYTES, "big")


def recover(shares: Mapping[int, bytes]) -> bytes:
    """The secret behind exactly tau shares, by place."""
    return combine(shares, weights(list(shares)))


def read_share(share: bytes) -> int:
    """Raises MessageError for a share of another length, or one beyond the prime."""
    sized(share, "secagg.share", SHARE_BYTES)
    value = int.from_bytes(share, "big")
    if value >= PRIME:
        raise MessageError("secagg.share", got="a number beyond the prime", expected="one below it")
    return value
