"""The contract of the mechanism, exactly: sensitivity, noise scale, independence, divisor, number of releases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from federation.errors import PrivacyError
from federation.privacy import GaussianEvent, OsNoise
from federation.privacy.mechanism import GaussianMechanism


class Silence:
    """No noise at all, everybody sampled as `rows` says: only for looking at the sum underneath."""

    secure = False

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        return np.zeros(tuple(shape))

    def uniform(self, size: int) -> NDArray[np.float64]:
        return np.full(size, 0.999)


def mechanism(steps: int = 1, *, rate: float = 0.2, multiplier: float = 4.0, clip: float = 0.5) -> GaussianMechanism:
    return GaussianMechanism(GaussianEvent(rate, multiplier, steps), clip=clip, noise=OsNoise())


def step(made: GaussianMechanism, gradient: torch.Tensor, nominal: int) -> torch.Tensor:
    """What one step moves a zero parameter by, learning rate 1."""
    weight = torch.nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    optimizer = made.optimizer(torch.optim.SGD([weight], lr=1.0), nominal)
    optimizer.zero_grad()
    weight.grad = gradient.clone()
    optimizer.step()
    return -weight.detach()


def test_noise_has_the_scale_of_the_event() -> None:
    d, nominal = 40_000, 500
    moved = step(mechanism(multiplier=4.0, clip=0.5), torch.zeros(d, dtype=torch.float64), nominal).numpy()
    sd = 4.0 * 0.5 / (0.2 * nominal)
    assert 1e-6 < stats.chi2.cdf((moved**2).sum() / sd**2, d) < 1 - 1e-6
    assert stats.kstest(moved / sd, "norm").pvalue > 1e-6


def test_steps_and_parameters_have_independent_noise() -> None:
    d = 40_000
    made = mechanism(steps=2)
    first, second = (step(made, torch.zeros(d, dtype=torch.float64), 100).numpy() for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / np.sqrt(d)
    weights = [torch.nn.Parameter(torch.zeros(d)) for _ in range(2)]
    optimizer = mechanism().optimizer(torch.optim.SGD(weights, lr=1.0), 100)
    for weight in weights:
        weight.grad = torch.zeros(d)
    optimizer.step()
    assert abs(np.corrcoef(weights[0].detach(), weights[1].detach())[0, 1]) < 6 / np.sqrt(d)
    assert weights[0].detach().std() == pytest.approx(float(weights[1].detach().std()), rel=0.05)


def test_the_divisor_is_public_whatever_was_drawn() -> None:
    made = GaussianMechanism(GaussianEvent(0.2, 4.0, 2), clip=0.5, noise=Silence())
    gradient = torch.tensor([30.0, -6.0], dtype=torch.float64)
    moved = step(made, gradient, nominal=1_000)
    assert torch.allclose(moved, gradient / 200, atol=1e-6)
    assert len(made.sample(1_000)) == 0  # nobody was drawn, and still the divisor was q N


def test_an_empty_draw_releases_noise_all_the_same() -> None:
    moved = step(mechanism(), torch.zeros(64, dtype=torch.float64), 1_000)
    assert (moved != 0).all()


def test_no_more_releases_than_the_event_says() -> None:
    made = mechanism(steps=3)
    for _ in range(3):
        made.release(np.zeros(4))
    with pytest.raises(PrivacyError, match="steps"):
        made.release(np.zeros(4))
    optimiser_made = mechanism(steps=1)
    step(optimiser_made, torch.zeros(2, dtype=torch.float64), 10)
    with pytest.raises(PrivacyError, match="steps"):
        step(optimiser_made, torch.zeros(2, dtype=torch.float64), 10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sum_that_is_not_finite_is_not_released(bad: float) -> None:
    with pytest.raises(PrivacyError, match="finite"):
        mechanism().release(np.array([0.0, bad]))


def test_a_release_lies_on_a_public_grid() -> None:
    """Otherwise its low bits tell sums apart however large the noise is (Mironov, CCS 2012)."""
    made = mechanism(multiplier=4.0, clip=0.5, steps=2)
    grid = 2.0 ** (1 - 24)
    for total in (np.zeros(1000), np.full(1000, 1 / 3)):
        ticks = made.release(total) / grid
        assert np.array_equal(ticks, np.round(ticks))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e30), min_size=1, max_size=20), st.floats(0.01, 100))
def test_clipping_never_leaves_more_than_the_clip(norms: list[float], clip: float) -> None:
    given_norms = torch.tensor(norms, dtype=torch.float64)
    factors = mechanism(clip=clip).clip_factors(given_norms)
    assert (factors * given_norms <= clip * (1 + 1e-12)).all()
    assert (factors[given_norms <= clip] >= 1 - 1e-15).all()  # a reciprocal and a product may each round


def test_two_neighbouring_datasets_differ_by_at_most_the_clip_under_the_noise() -> None:
    rng = np.random.default_rng(5)
    gradients = torch.from_numpy(rng.normal(size=(50, 8)) * rng.exponential(5, size=(50, 1)))
    made = mechanism(clip=0.5)
    clipped = gradients * made.clip_factors(torch.linalg.vector_norm(gradients, dim=1)).unsqueeze(1)
    whole = clipped.sum(0)
    for out in range(50):
        without = torch.cat([clipped[:out], clipped[out + 1 :]]).sum(0)
        assert float(torch.linalg.vector_norm(whole - without)) <= 0.5 * (1 + 1e-9)


def test_a_public_size_is_needed() -> None:
    with pytest.raises(PrivacyError, match="nominal_records"):
        mechanism().optimizer(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 0)
