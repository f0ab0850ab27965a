"""Exact metrics against scikit-learn and by hand; histogram metrics against the exact ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import brier_score_loss, roc_auc_score

from federation.errors import RecordsError
from federation.evaluation import evaluate, histograms, metrics


def sample(seed: int, n: int, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes drawn from log-odds (calibrated where slope is 1)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1, n)
    return (rng.random(n) < expit(slope * logits)).astype(np.uint8), logits


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    target, logits = sample(seed, 300)
    logits = np.round(logits, 1)  # with ties
    found = evaluate(target, logits)
    assert found.auc == pytest.approx(roc_auc_score(target, logits))
    assert found.brier == pytest.approx(brier_score_loss(target, expit(logits)))
    assert found.gini == pytest.approx(2 * found.auc - 1)
    goods, bads = np.sort(logits[target == 0]), np.sort(logits[target == 1])
    grid = np.unique(logits)
    distance = np.searchsorted(goods, grid, "right") / goods.size - np.searchsorted(bads, grid, "right") / bads.size
    assert found.ks == pytest.approx(np.abs(distance).max())


def test_ece_by_hand() -> None:
    target = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    predicted = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])
    # lower half: predicted .15, observed .25; upper half: predicted .85, observed .75
    assert metrics.ece(target, predicted, bins=2) == pytest.approx(0.1)
    curve = metrics.calibration_curve(target, predicted, bins=2)
    assert [(p.predicted, p.observed, p.records) for p in curve] == [
        (pytest.approx(0.15), 0.25, 4),
        (pytest.approx(0.85), 0.75, 4),
    ]
    assert curve[0].se == pytest.approx(math.sqrt(0.25 * 0.75 / 4))


def test_a_calibrated_model_has_a_small_ece_and_a_skewed_one_a_large_one() -> None:
    good = evaluate(*sample(1, 40_000))
    bad = evaluate(*sample(1, 40_000, slope=0.3))
    assert good.ece < 0.012 < 0.1 < bad.ece


def test_fewer_records_than_bins() -> None:
    assert len(metrics.calibration_curve(np.array([0, 1]), np.array([0.2, 0.7]))) == 2


@pytest.mark.parametrize(
    ("target", "logits"),
    [
        ([0, 1], [0.0]),
        ([0, 0], [0.0, 1.0]),
        ([0, 2], [0.0, 1.0]),
        ([0, 1], [0.0, math.nan]),
        ([], []),
    ],
)
def test_what_cannot_be_measured_is_refused(target: list[int], logits: list[float]) -> None:
    with pytest.raises(RecordsError):
        evaluate(np.array(target, dtype=np.int64), np.array(logits, dtype=np.float64))


def binned(target: np.ndarray, logits: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = np.searchsorted(edges, logits)
    counts = np.zeros((edges.size + 1, 2))
    np.add.at(counts, (index, target), 1)
    step = edges[1] - edges[0]
    middles = np.append(edges - step / 2, edges[-1] + step / 2)
    return counts, expit(middles)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_histogram_metrics_converge_to_the_exact_ones(seed: int) -> None:
    target, logits = sample(seed, 5_000)
    exact = evaluate(target, logits)
    errors = []
    for bins in (6, 24, 4_000):
        counts, predicted = binned(target, logits, np.linspace(-6, 5, bins))
        starts = histograms.equal_mass(counts, 10)
        errors.append(
            (
                abs(float(histograms.auc(counts)) - exact.auc),
                abs(float(histograms.ks(counts)) - exact.ks),
                abs(float(histograms.brier(counts, predicted)) - exact.brier),
                abs(float(histograms.ece(counts, predicted, starts)) - exact.ece),
            )
        )
    finest = errors[-1]
    assert finest[0] < 1e-4
    assert finest[1] < 3e-3
    assert finest[2] < 1e-4
    assert finest[3] < 2e-3
    assert errors[0][0] > finest[0]


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_histogram_auc_is_exact_for_binned_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, (7, 2)) + np.array([[1, 1]])
    bins = np.repeat(np.arange(7), counts.sum(axis=1))
    target = np.concatenate([np.repeat([0, 1], row) for row in counts])
    exact = evaluate(target, bins.astype(np.float64))
    assert float(histograms.auc(counts.astype(float))) == pytest.approx(exact.auc)
    assert float(histograms.ks(counts.astype(float))) == pytest.approx(exact.ks)


def test_leading_axes_are_batches() -> None:
    counts = np.random.default_rng(0).integers(1, 50, (4, 3, 9, 2)).astype(float)
    predicted = np.linspace(0.05, 0.9, 9)
    starts = np.array([0, 3, 6])
    for of in (
        histograms.auc,
        histograms.ks,
        histograms.bad_rate,
        lambda c: histograms.brier(c, predicted),
        lambda c: histograms.ece(c, predicted, starts),
    ):
        batch = of(counts)
        assert batch.shape == (4, 3)
        assert batch[2, 1] == pytest.approx(of(counts[2, 1]))


def test_an_empty_class_has_no_auc() -> None:
    assert math.isnan(float(histograms.auc(np.array([[3.0, 0.0], [2.0, 0.0]]))))


def test_equal_mass_runs_cover_all_bins_from_the_first() -> None:
    counts = np.array([[0, 0], [50, 0], [1, 0], [50, 0], [50, 0], [0, 0]], dtype=float)
    starts = histograms.equal_mass(counts, 3)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert histograms.merge(counts, starts).sum() == counts.sum()
