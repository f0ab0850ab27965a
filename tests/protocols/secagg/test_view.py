"""What the coordinator sees of a vector: nothing that statistics tell from noise, whatever the vector is.

The same tests find the vector where it is not masked, and where a mask is used twice: they can fail.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from secagg_world import World, plan_of

from protocols.secagg import Words
from protocols.secagg.keys import self_key
from protocols.secagg.masks import with_masks

WIDTH = 20_000
LEAST = 1e-4


def bytes_p(words: Words) -> float:
    """Chi-square of the 256 byte values."""
    return float(stats.chisquare(np.bincount(words.view(np.uint8), minlength=256)).pvalue)


def bits_p(words: Words) -> float:
    """Chi-square of each of the 32 or 64 bit positions, together."""
    bits = 8 * words.itemsize
    ones = np.unpackbits(words.view(np.uint8)).reshape(len(words), bits).sum(axis=0)
    z = (ones - len(words) / 2) / np.sqrt(len(words) / 4)
    return float(stats.chi2.sf((z**2).sum(), bits))


def serial_p(words: Words) -> float:
    """Correlation of a word with the next one, two-sided."""
    values = words.astype(float)
    r = np.corrcoef(values[:-1], values[1:])[0, 1]
    return float(2 * stats.norm.sf(abs(r) * np.sqrt(len(values) - 1)))


def pairs_p(words: Words) -> float:
    """Chi-square of the top four bits of a word against those of the next."""
    top = (words >> words.dtype.type(8 * words.itemsize - 4)).astype(int)
    return float(stats.chisquare(np.bincount(16 * top[:-1:2] + top[1::2], minlength=256)).pvalue)


TESTS: list[Callable[[Words], float]] = [bytes_p, bits_p, serial_p, pairs_p]


def small(world: World) -> dict[str, Words]:
    """What members send in earnest: signed numbers of some 2^20, next to the modulus when negative."""
    noise = world.numbers.normal(0, 2**20, (world.plan.size, WIDTH)).astype(np.int64)
    return dict(zip(world.plan.names, noise.view(np.uint64), strict=True))


def small_32(world: World) -> dict[str, Words]:
    return {name: words.astype(np.uint32) for name, words in small(world).items()}


def nothing(world: World) -> dict[str, Words]:
    return {name: np.zeros(WIDTH, np.uint64) for name in world.plan.names}


@pytest.mark.parametrize("vectors", [small, small_32, nothing])
@pytest.mark.parametrize(("members", "droppers"), [(3, 0), (4, 1)])
def test_a_masked_vector_is_uniform(members: int, droppers: int, vectors: Callable[[World], dict[str, Words]]) -> None:
    world = World(plan_of(members, droppers))
    masked = list(world.mask(1, vectors(world)).values())
    seen = [*masked, masked[0] - masked[1], sum(masked[:-1])]  # no part of the sum is less uniform
    for words in seen:
        assert min(test(words) for test in TESTS) > LEAST


def test_the_sum_of_all_is_not_and_these_tests_would_tell() -> None:
    world = World(plan_of(3, 0))
    plain = small(world)
    total = sum(world.mask(1, plain).values())
    for words in (plain["bank-00"], total):
        assert max(bytes_p(words), pairs_p(words)) < 1e-9
    narrow = small_32(world)["bank-00"]
    assert max(bytes_p(narrow), pairs_p(narrow), bits_p(np.abs(narrow.view(np.int32)).astype(np.uint32))) < 1e-9
    counts = np.abs(plain["bank-00"].view(np.int64)).astype(np.uint64)
    assert bits_p(counts) < 1e-9
    assert serial_p(np.sort(plain["bank-00"])) < 1e-9


def test_it_stays_uniform_when_every_seed_of_the_survivors_is_known() -> None:
    """As after every round with droppers tolerated: the pairwise masks are left, of which one is enough."""
    world = World(plan_of(4, 1))
    masked = world.mask(1, small(world))
    setup = world.collector._opened()
    for name, words in masked.items():
        left = with_masks(words, minus=[self_key(world.states[name].secrets[1].seed, setup.id, 1, name)])
        assert min(test(left) for test in TESTS) > LEAST


def test_it_stays_uniform_when_the_mask_key_of_who_dropped_is_known() -> None:
    """Its vector arrives late: all pairwise masks come off, its own does not."""
    world = World(plan_of(4, 1))
    masked = world.mask(1, small(world))
    late, *others = world.plan.names
    plus, minus = world.collector._opened().pair_keys(1, late, world.states[late].secrets[1].mask, others)
    left = with_masks(masked[late], minus, plus)
    assert min(test(left) for test in TESTS) > LEAST


def test_two_rounds_have_nothing_in_common_where_two_vectors_under_one_mask_do() -> None:
    world = World(plan_of(3, 0, rounds=2))
    vectors = small(world)
    first, second = world.mask(1, vectors), world.mask(2, vectors)
    assert min(test(second["bank-00"] - first["bank-00"]) for test in TESTS) > LEAST
    again = World(plan_of(3, 0, rounds=2)).mask(1, {name: vector + 1 for name, vector in vectors.items()})
    assert (again["bank-00"] - first["bank-00"] == 1).all()


def test_masks_say_nothing_of_which_vector_is_under_them() -> None:
    """Two vectors, one of them chosen by the adversary: masked by fresh members, both give the same statistics."""
    chosen = np.full(WIDTH, 2**63, np.uint64)
    sent = [World(plan_of(3, 0), seed).mask(1, dict.fromkeys(plan_of(3, 0).names, chosen)) for seed in range(2)]
    for words in (*sent[0].values(), *sent[1].values()):
        assert min(test(words ^ chosen) for test in TESTS) > LEAST
