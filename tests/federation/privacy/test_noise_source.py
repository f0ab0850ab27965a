"""The noise is what the accountant thinks it is: distribution, tails, independence, no inherited state."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from federation.privacy import NoiseSource, OsNoise, SeededNoise
from federation.privacy.sampling import poisson_sample

SOURCES = [OsNoise(), SeededNoise(11)]
N = 1_000_000


@pytest.fixture(scope="module", params=SOURCES, ids=["os", "seeded"])
def normal(request: pytest.FixtureRequest) -> np.ndarray:
    return request.param.gaussian((N,), scale=1.0)


def test_only_the_operating_system_counts_as_secure() -> None:
    assert OsNoise().secure is True
    assert SeededNoise(1).secure is False
    assert isinstance(OsNoise(), NoiseSource)
    assert isinstance(SeededNoise(1), NoiseSource)


def test_moments_are_those_of_a_standard_normal(normal: np.ndarray) -> None:
    error = 6 / np.sqrt(N)  # six standard errors, up to each moment's own factor
    assert abs(normal.mean()) < error
    assert abs(normal.var() - 1) < error * np.sqrt(2)
    assert abs(stats.skew(normal)) < error * np.sqrt(6)
    assert abs(stats.kurtosis(normal)) < error * np.sqrt(24)


def test_distribution_passes_kolmogorov_smirnov(normal: np.ndarray) -> None:
    assert stats.kstest(normal, "norm").pvalue > 1e-6


@pytest.mark.parametrize("threshold", [2.0, 3.0, 4.0])
def test_tails_are_neither_cut_nor_heavy(normal: np.ndarray, threshold: float) -> None:
    for tail in (normal > threshold, normal < -threshold):
        expected = N * stats.norm.sf(threshold)
        assert abs(tail.sum() - expected) < 6 * np.sqrt(expected) + 1


def test_values_do_not_depend_on_their_neighbours(normal: np.ndarray) -> None:
    for lag in (1, 2, 64, 1024):
        assert abs(np.corrcoef(normal[:-lag], normal[lag:])[0, 1]) < 6 / np.sqrt(N)


def test_calls_do_not_depend_on_each_other() -> None:
    first, second = OsNoise().gaussian((200_000,), 1.0), OsNoise().gaussian((200_000,), 1.0)
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / np.sqrt(200_000)
    assert len(np.intersect1d(first, second)) == 0


@pytest.mark.parametrize("size", [4, 5_000])
def test_a_forked_process_draws_other_noise(size: int) -> None:
    noise = OsNoise()
    noise.uniform(size)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, noise.uniform(size)[:4].tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = np.frombuffer(os.read(read, 32))
    assert not np.array_equal(theirs, noise.uniform(size)[:4])


def test_scale_and_shape() -> None:
    values = OsNoise().gaussian((500, 400), scale=7.5)
    assert values.shape == (500, 400)
    assert values.dtype == np.float64
    assert abs(values.std() / 7.5 - 1) < 6 / np.sqrt(2 * values.size)
    assert OsNoise().gaussian((0,), 1.0).shape == (0,)


def test_uniform_never_reaches_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from federation.privacy import noise

    for word in (0, 2**64 - 1):
        monkeypatch.setattr(noise, "_words", lambda count, w=word: np.full(count, w, dtype=np.uint64))
        assert 0 < OsNoise().uniform(1)[0] < 1
        assert abs(OsNoise().gaussian((1,), 1.0)[0]) == pytest.approx(0.0 if word else 13.15, abs=0.05)


def drawn(monkeypatch: pytest.MonkeyPatch, *words: int) -> float:
    """What the source makes of these words from the operating system."""
    from federation.privacy import noise

    left = iter(words)
    monkeypatch.setattr(noise, "_words", lambda count: np.array([next(left) for _ in range(count)], dtype=np.uint64))
    return float(OsNoise().gaussian((1,), 1.0)[0])


@pytest.mark.parametrize("deviations", [4.0, 5.0, 5.9, 6.5, 7.5, 9.0, 10.0])
def test_tails_have_no_holes(monkeypatch: pytest.MonkeyPatch, deviations: float) -> None:
    """A release is rounded to about 2^-24 of its noise. Points of that grid that noise cannot hit tell sums apart."""
    grid = 2.0**-25  # in standard deviations, the finest that a scale can give
    part, cell = np.modf(stats.norm.sf(deviations) * 2.0**64)
    first = drawn(monkeypatch, int(cell) << 1, int(part * 2**64))
    others = (drawn(monkeypatch, int(cell) << 1, int(part * 2**64) + 2**bit) for bit in range(62))
    assert first == pytest.approx(-deviations, abs=1e-3)
    assert 0 < next(other for other in others if other != first) - first < grid / 1_000
    assert drawn(monkeypatch, int(cell) << 1 | 1, int(part * 2**64)) == -first
    coarse = stats.norm.isf(stats.norm.sf(deviations) + np.array([2.0**-52, 0.0]))  # 52 places, not 53 significant bits
    assert deviations < 6 or np.diff(coarse)[0] > grid


def test_between_tail_and_middle_cells_are_finer_than_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    for cell in (2**53, 2**60, 2**62, 2**63 - 2**20):
        assert abs(drawn(monkeypatch, (cell + 2**10) << 1) - drawn(monkeypatch, cell << 1)) < 2.0**-25 / 1_000
    assert drawn(monkeypatch, 2**64 - 2) == 0.0


def test_a_sign_is_as_likely_as_the_other_and_independent_of_size() -> None:
    drawn = OsNoise().gaussian((N,), 1.0)
    for part in (drawn, drawn[np.abs(drawn) > 2]):
        assert abs((part > 0).mean() - 0.5) < 3 / np.sqrt(len(part))


def test_a_seed_reproduces_and_another_does_not() -> None:
    assert np.array_equal(SeededNoise(3).gaussian((9,), 1.0), SeededNoise(3).gaussian((9,), 1.0))
    assert np.array_equal(SeededNoise(3).uniform(9), SeededNoise(3).uniform(9))
    assert not np.array_equal(SeededNoise(3).uniform(9), SeededNoise(4).uniform(9))


@pytest.mark.parametrize("rate", [0.002, 0.04, 0.06, 0.2, 0.9])
def test_every_record_is_included_at_the_rate_and_independently(rate: float) -> None:
    records, draws = 400, 4_000
    seen = np.zeros((draws, records), dtype=bool)
    for draw in range(draws):
        seen[draw, poisson_sample(OsNoise(), records, rate)] = True
    per_record = seen.sum(0)
    assert stats.chisquare(per_record, np.full(records, per_record.mean())).pvalue > 1e-6
    assert abs(seen.mean() - rate) < 6 * np.sqrt(rate * (1 - rate) / seen.size)
    sizes = seen.sum(1)  # Poisson sampling has a binomial batch; a fixed batch size would have variance 0
    assert abs(sizes.var() / (records * rate * (1 - rate)) - 1) < 6 * np.sqrt(2 / draws) + 0.05
    together = (seen[:, :-1] & seen[:, 1:]).mean()
    assert abs(together - rate**2) < 6 * np.sqrt(rate**2 / (draws * (records - 1)))


@settings(max_examples=80, deadline=None)
@given(records=st.integers(0, 3_000), rate=st.floats(1e-6, 1.0), seed=st.integers(0, 2**32))
def test_samples_are_ascending_positions_without_repetition(records: int, rate: float, seed: int) -> None:
    rows = poisson_sample(SeededNoise(seed), records, rate)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert not len(rows) or (rows[0] >= 0 and rows[-1] < records)


def test_full_sampling_takes_everybody() -> None:
    assert poisson_sample(OsNoise(), 17, 1.0).tolist() == list(range(17))
