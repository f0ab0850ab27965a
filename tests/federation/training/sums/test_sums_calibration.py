"""Recalibration is monotone whatever the noise, finds what is wrong, and leaves a calibrated model alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sums_samples import catalogue, model

from federation.training.sums.arithmetic import log_odds
from federation.training.sums.calibration import BINS, ENDS, FLATTEST, apply, fit

RATE = catalogue().base_rate
BASE = log_odds(RATE)
MIDDLES = np.array([-1.75 + 0.25 * (i - 0.5) for i in range(BINS)])
SHAPE = 2700 * np.exp(-((MIDDLES + 0.2) ** 2) / 1.5)


def knots(intercept: float, slopes: tuple[float, ...]) -> np.ndarray:
    widths = np.diff(ENDS)
    at = BASE + intercept - slopes[0] * widths[0]
    return at + np.concatenate([[0.0], np.cumsum(np.array(slopes) * widths)])


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2 * BINS, max_size=2 * BINS))
@settings(max_examples=25, deadline=None)
def test_calibration_is_monotone_and_finite_whatever_the_counts(noisy: list[float]) -> None:
    bads, goods = np.split(np.array(noisy), 2)
    intercept, slopes = fit(bads, bads + goods, RATE, 5.0)
    assert np.isfinite([intercept, *slopes]).all()
    assert min(slopes) >= FLATTEST
    z = np.linspace(-30, 30, 200)
    assert (np.diff(apply(knots(intercept, slopes), z, RATE)) > 0).all()


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(20, 60))
@settings(max_examples=10, deadline=None)
def test_the_state_stays_monotone_after_any_release(seed: int, bits: int) -> None:
    of = model("gp")
    noisy = np.random.default_rng(seed).integers(-(2**bits), 2**bits, 2 * BINS)
    after = of.advance(len(of.rounds), of.initial(), noisy)
    raw, calibrated = zip(*of.calibration(after), strict=True)
    assert np.isfinite(after).all()
    assert (np.diff(raw) > 0).all()
    assert (np.diff(calibrated) >= 0).all()


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (0.6, 1.0), (0.0, 1.6), (-0.5, 0.6)])
def test_a_known_fault_is_found(shift: float, stretch: float) -> None:
    truth = BASE + shift + stretch * MIDDLES
    intercept, slopes = fit(200 * SHAPE * sigmoid(truth), 200 * SHAPE, RATE, 5.0)
    found = apply(knots(intercept, slopes), BASE + MIDDLES, RATE)
    assert np.abs(found - truth)[3:17].max() < 0.01


def test_noise_that_makes_counts_negative_does_not_bias_the_fit() -> None:
    rng, found = np.random.default_rng(5), []
    for _ in range(40):
        noise = rng.normal(0, 22, (2, BINS))
        bads, goods = SHAPE * sigmoid(BASE + MIDDLES) + noise[0], SHAPE * sigmoid(-BASE - MIDDLES) + noise[1]
        intercept, slopes = fit(bads, bads + goods, RATE, 5.0)
        found.append(apply(knots(intercept, slopes), BASE + np.array([-1.0, 0.0, 1.0]), RATE) - BASE)
    assert np.allclose(np.mean(found, axis=0), [-1.0, 0.0, 1.0], atol=0.03)


def test_the_initial_state_changes_no_log_odds() -> None:
    raw, calibrated = zip(*model("gp").calibration(model("gp").initial()), strict=True)
    assert np.allclose(raw, calibrated, atol=1e-6)
    z = np.linspace(-8, 8, 50)
    assert np.allclose(apply(np.array(calibrated), z, RATE), z, atol=1e-6)
    assert model("a").calibration(model("a").initial()) == ()


def test_beyond_the_knots_the_outer_slopes_go_on() -> None:
    at = knots(0.3, (0.5, 1.0, 2.0, 1.5))
    z = BASE + np.array([-9.0, -8.0, 6.0, 7.0])
    found = apply(at, z, RATE)
    assert np.allclose([found[1] - found[0], found[3] - found[2]], [0.5, 1.5])
    assert apply(at, BASE + np.array(ENDS), RATE) == pytest.approx(at)
