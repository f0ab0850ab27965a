"""The sampler is exact: against the distribution itself, against arithmetic without floats, and at every tie.

Chance: the chi-square tests fail an honest sampler with probability 1e-6 each; everything else is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from federation.errors import PrivacyError
from federation.privacy import OsNoise, SeededNoise, sampling
from federation.privacy.accounting import LATTICE, gaussian_delta
from federation.privacy.discrete import _cumulative, _table, discrete_gaussian
from federation.privacy.drbg import DrbgNoise
from federation.privacy.lattice import FEWEST_POINTS
from federation.privacy.sampling import exact_sample

LARGE = Fraction(7.6254) * Fraction(0.5) * 2**32  # what a round of training draws


def stream(seed: int) -> Callable[[int], NDArray[np.uint64]]:
    generator = np.random.Generator(np.random.Philox(seed))
    return lambda count: generator.integers(0, 2**64, count, dtype=np.uint64)


def probabilities(sigma: Fraction, reach: int) -> NDArray[np.float64]:
    """P(-reach) .. P(reach), the definition."""
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * float(sigma) ** 2))
    return weights / weights.sum()


@pytest.mark.parametrize("sigma", [Fraction(1), Fraction(3, 2), Fraction(199, 100), Fraction(2), Fraction(77, 10)])
def test_every_value_has_its_probability(sigma: Fraction) -> None:
    count, reach = 400_000, int(9 * sigma) + 2
    drawn = OsNoise().discrete_gaussian(count, sigma)
    assert np.abs(drawn).max() <= reach
    expected = probabilities(sigma, reach) * count
    seen = np.bincount(drawn + reach, minlength=2 * reach + 1)
    common = expected > 20
    tail = [seen[~common].sum(), expected[~common].sum()]
    observed, wanted = np.append(seen[common], tail[0]), np.append(expected[common], tail[1])
    assert stats.chisquare(observed, wanted * count / wanted.sum()).pvalue > 1e-6


def test_noise_of_training_is_gaussian_to_the_last_bit_that_can_be_seen() -> None:
    drawn = OsNoise().discrete_gaussian(200_000, LARGE)
    assert stats.kstest(drawn / float(LARGE), "norm").pvalue > 1e-6
    for bit in (0, 1, 7, 20):  # the low bits of the integers are as good as uniform
        assert stats.binomtest(int((drawn >> bit & 1).sum()), len(drawn)).pvalue > 1e-6


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), sigma=st.fractions(min_value=1, max_value=2**40))
def test_floating_point_decides_nothing(seed: int, sigma: Fraction) -> None:
    """With a margin that no estimate clears, every decision is made in decimals: the outcome is the same."""
    fast = discrete_gaussian(stream(seed), 40, sigma)
    exact = discrete_gaussian(stream(seed), 40, sigma, margin=2.0)
    assert np.array_equal(fast, exact)


def test_an_exponential_function_that_errs_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, exp = discrete_gaussian(stream(3), 20_000, LARGE), np.exp
    monkeypatch.setattr(np, "exp", lambda x: exp(x) * (1 + 2.0**-44))
    assert np.array_equal(discrete_gaussian(stream(3), 20_000, LARGE), honest)
    monkeypatch.setattr(np, "exp", lambda x: exp(x) * (1 + 2.0**-10))
    assert not np.array_equal(discrete_gaussian(stream(3), 20_000, LARGE), honest)  # the test would see one


@pytest.mark.parametrize("sigma", [Fraction(3, 2), LARGE])
@pytest.mark.parametrize("cell", [0, 1, 3])
@pytest.mark.parametrize("above", [True, False])
def test_a_word_that_ends_like_a_probability_is_resolved_by_more_bits(sigma: Fraction, cell: int, above: bool) -> None:
    """The first word is the 64 bits of P(k <= cell): what follows decides between k and k + 1."""
    t = 1 << int(sigma).bit_length() - 1
    tie = int(_table(sigma, t)[cell])
    exact = Fraction(_cumulative(sigma, t, cell, 120)) * 2**128
    more = (int(exact) - (tie << 64)) + (1 if above else -1)
    left = iter([[tie, 0, 0, 0] + [0] * 32, [more]])  # one candidate that counts: u = 0 is always kept

    def words(count: int) -> NDArray[np.uint64]:
        given = next(left)
        if count > 1:
            block = np.zeros((4, count // 4), dtype=np.uint64)
            block[0] = _table(sigma, t)[0] // 2  # all others: k = 0, kept, no tie
            block[0, 0] = tie
            return block.reshape(-1)
        return np.array(given, dtype=np.uint64)

    assert discrete_gaussian(words, 1, sigma)[0] == t * (cell + above)


def test_both_zeros_together_have_one_zeros_probability() -> None:
    """A word with the sign set and u = 0, k = 0 is thrown away: else zero would come twice as often."""
    signs = iter([2**63, 0])

    def words(count: int) -> NDArray[np.uint64]:
        block = np.zeros((4, count // 4), dtype=np.uint64)
        block[1] = 2**63 + 1  # minus one, unless thrown away
        block[1, 0] = next(signs)
        return block.reshape(-1)

    assert discrete_gaussian(words, 1, Fraction(4))[0] == -1


@pytest.mark.parametrize("sigma", [Fraction(99, 100), Fraction(2**57)])
def test_a_parameter_out_of_range_is_refused(sigma: Fraction) -> None:
    with pytest.raises(PrivacyError, match="sigma"):
        discrete_gaussian(stream(1), 1, sigma)


# Why the continuous accountants bound it ----------------------------------------------------------------------------


def test_the_constants_of_the_argument() -> None:
    """docs/decisions/0011: r = 3 lattice points are taken from s >= 2^20; the kernel's sum is flat within 1e-75."""
    r, s = 3.0, float(FEWEST_POINTS)
    assert math.sqrt(1 - (r / s) ** 2) > LATTICE
    flatness = 2 * sum(math.exp(-2 * (math.pi * r * k) ** 2) for k in range(1, 9))
    assert 4 * flatness < 1e-75


def test_rounding_a_narrower_gaussian_at_random_gives_the_discrete_one() -> None:
    """The post-processing itself, summed numerically for a small s: continuous s^2 - r^2, then discrete r around it."""
    s, r, reach = 6.0, 3.0, 60
    grid = np.linspace(-80, 80, 16_001)
    density = stats.norm.pdf(grid, scale=math.sqrt(s**2 - r**2)) * (grid[1] - grid[0])
    points = np.arange(-reach - 40, reach + 41)
    weights = np.exp(-((points[:, None] - grid) ** 2) / (2 * r**2))
    rounded = (weights / weights.sum(axis=0)) @ density
    assert np.allclose(rounded[40:-40], probabilities(Fraction(6), reach), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("direction", [(40, 0, 0), (24, 32, 0), (23, 23, 23)])
@pytest.mark.parametrize("multiplier", [0.7, 1.0, 3.0])
def test_the_discrete_loss_is_below_that_of_the_narrower_gaussian(
    multiplier: float, direction: tuple[int, ...]
) -> None:
    """delta(epsilon) by its definition, in up to three dimensions, on a coarse lattice: 40 points in the clip.

    The loss of independent coordinates adds up, so its distribution is a convolution.
    """
    r, s = 3.0, multiplier * 40
    x = np.arange(-math.ceil(9 * s), math.ceil(9 * s) + 1)
    weights = probabilities(Fraction(s), len(x) // 2)
    losses, masses = np.zeros(1), np.ones(1)
    for shift in (each for each in direction if each):
        loss = (shift**2 - 2 * shift * x) / (2 * s**2)  # log P(x) / P(x - shift), exact
        losses = np.add.outer(losses, loss).ravel()
        masses = np.multiply.outer(masses, weights).ravel()
        kept = masses > 1e-13
        losses, masses = losses[kept], masses[kept]
        order = np.round(losses * 2 * s**2).astype(np.int64)
        values, where = np.unique(order, return_inverse=True)
        losses, masses = values / (2 * s**2), np.bincount(where, weights=masses)
    mu = math.sqrt(sum(each**2 for each in direction)) / math.sqrt(s**2 - r**2)
    for epsilon in (0.1, 0.5, 1.0, 3.0):
        delta = float((masses * np.maximum(0.0, 1 - np.exp(epsilon - losses))).sum())
        assert delta <= gaussian_delta(mu, epsilon) + 1e-9
        assert delta >= 0.9 * gaussian_delta(mu, epsilon) - 1e-6  # and the bound is not an idle one


# The keyed stream ---------------------------------------------------------------------------------------------------


def test_words_are_the_key_stream_of_aes() -> None:
    """AES-256 of the zero block under the zero key (NIST, AESAVS appendix): dc95c078a2408989ad48a21492842087."""
    noise = DrbgNoise(lambda step: bytes(32))
    assert noise.words(1).astype("<u8").tobytes().hex() == "dc95c078a2408989"
    assert noise.words(1).astype("<u8").tobytes().hex() == "ad48a21492842087"  # the stream goes on


def test_a_step_ends_where_its_noise_is_drawn() -> None:
    asked: list[int] = []
    noise = DrbgNoise(lambda step: asked.append(step) or bytes([step]) * 32)  # type: ignore[func-returns-value]
    first = noise.words(8)
    noise.discrete_gaussian(5, LARGE)
    assert asked == [0, 1]
    assert not np.array_equal(noise.words(8), first)
    again = DrbgNoise(lambda step: bytes([step]) * 32)
    again.words(8)
    assert np.array_equal(again.discrete_gaussian(5, LARGE), _second(noise=DrbgNoise(lambda step: bytes([step]) * 32)))


def _second(noise: DrbgNoise) -> NDArray[np.int64]:
    noise.words(3)
    noise.words(5)
    return noise.discrete_gaussian(5, LARGE)


def test_a_keyed_stream_makes_no_noise_that_could_not_be_replayed() -> None:
    with pytest.raises(PrivacyError, match="discrete"):
        DrbgNoise(lambda step: bytes(32)).gaussian((3,), 1.0)
    with pytest.raises(PrivacyError, match="key"):
        DrbgNoise(lambda step: bytes(16))


@pytest.mark.parametrize("rate", [0.05, 0.2, 1 - 2.0**-53])
def test_a_record_takes_part_below_the_threshold_and_at_no_other_word(rate: float) -> None:
    limit = int(Fraction(rate) * 2**64)

    class Edge(OsNoise):
        def words(self, count: int) -> NDArray[np.uint64]:
            return np.array([0, limit - 1, limit, 2**64 - 1], dtype=np.uint64)

    assert exact_sample(Edge(), 4, rate).tolist() == [0, 1]
    assert Fraction(limit, 2**64) <= Fraction(rate) < Fraction(limit + 1, 2**64)
    assert exact_sample(Edge(), 4, 1.0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rate", [0.002, 0.04])
def test_gaps_include_every_record_at_the_rate_and_independently(rate: float) -> None:
    records_, draws = 300, 4_000
    seen = np.zeros((draws, records_), dtype=bool)
    for draw in range(draws):
        seen[draw, exact_sample(OsNoise(), records_, rate)] = True
    assert stats.binomtest(int(seen.sum()), seen.size, rate).pvalue > 1e-6
    assert stats.chisquare(seen.sum(0)).pvalue > 1e-6
    together = int((seen[:, :-1] & seen[:, 1:]).sum())
    assert stats.binomtest(together, draws * (records_ - 1), rate**2).pvalue > 1e-6


@pytest.mark.parametrize("rate", [1e-6, 0.002, 0.04])
def test_logarithms_decide_no_gap(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    fast = exact_sample(SeededNoise(4), 50_000, rate)
    monkeypatch.setattr(sampling, "_NEAR", 1.0)  # nothing is clear: every gap is compared in decimals
    assert np.array_equal(exact_sample(SeededNoise(4), 50_000, rate), fast)


@pytest.mark.parametrize("rate", [0.002, 0.04])
def test_a_word_at_the_edge_of_a_gap_falls_on_its_side(rate: float) -> None:
    """U = (1 - rate)^7 to 128 bits: one unit below it 7 records are passed over, one above it 6."""
    edge = int((1 - Fraction(rate)) ** 7 * 2**128)
    for u, gap in ((edge - 1, 7), (edge + 1, 6)):
        complement = 2**128 - 1 - u

        class Edge(OsNoise):
            def words(self, count: int, at: int = complement) -> NDArray[np.uint64]:
                half = count // 2
                return np.array([at >> 64] * half + [at % 2**64] * half, dtype=np.uint64)

        assert exact_sample(Edge(), 100, rate).tolist() == list(range(gap, 100, gap + 1))


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_the_lowest_word_takes_everybody_and_the_highest_nobody(rate: float) -> None:
    """What audits rely on to decide who takes part, whichever way the sampler draws."""
    for word, expected in ((0, list(range(9))), (2**64 - 1, [])):

        class Same(OsNoise):
            def words(self, count: int, value: int = word) -> NDArray[np.uint64]:
                return np.full(count, value, dtype=np.uint64)

        assert exact_sample(Same(), 9, rate).tolist() == expected
