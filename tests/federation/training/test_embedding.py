"""The embedding is what the sensitivity proof rests on: integers, norm at most 1, public, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError, RecordsError
from federation.training.embedding import ONE, Embedding
from federation.training.kernel import factor, kernel

SHIPPED = ["synthetic", "taiwan", "german"]


def random_codes(catalogue: Catalogue, n: int, seed: int, *, absent: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, f.n_cells + absent, n) for f in catalogue.features]
    return np.stack(columns, axis=1).astype(np.uint8)


@pytest.fixture(scope="module", params=SHIPPED)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return load_catalogue(request.param)


def test_every_record_has_norm_one_and_never_more(catalogue: Catalogue) -> None:
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, 500, 1)
    assert (embedding.norms(codes) <= 1.0).all()
    assert np.allclose(embedding.norms(codes), 1.0, atol=5e-4)
    assert embedding.dense(codes).shape == (500, embedding.dimension)
    dense = (embedding.dense(codes) * ONE).astype(np.int64).tolist()
    assert max(sum(value**2 for value in row) for row in dense) <= ONE**2  # Python's integers: no rounding at all


def test_a_row_that_is_a_step_too_long_is_refused(catalogue: Catalogue) -> None:
    steps = [table.copy() for table in Embedding.of(catalogue).steps]
    for table in steps:
        table[-1, -1] += 1  # the missing cell, alone in its row: the longest that fits
        with pytest.raises(ConfigurationError, match="squared norm"):
            Embedding(tuple(steps))
        table[-1, -1] -= 1
    Embedding(tuple(steps))


def test_a_feature_that_is_not_held_contributes_nothing(catalogue: Catalogue) -> None:
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, 300, 2, absent=True)
    held = (codes < np.array([f.n_cells for f in catalogue.features])).sum(1)
    assert np.allclose(embedding.norms(codes), np.sqrt(held / len(catalogue.features)), atol=5e-4)
    assert np.array_equal(embedding.held(codes), held)
    nothing = np.array([[f.n_cells for f in catalogue.features]], dtype=np.uint8)
    weights = np.random.default_rng(0).normal(size=embedding.dimension)
    assert embedding.forward(weights, nothing).tolist() == [0.0]
    assert not embedding.backward(np.ones(1), nothing).any()


def test_neighbouring_bins_share_and_special_cells_do_not(catalogue: Catalogue) -> None:
    for feature, table in zip(catalogue.features, Embedding.of(catalogue).tables, strict=True):
        inner, n = table @ table.T * len(catalogue.features), feature.n_ordered
        assert np.allclose(np.diag(inner), 1.0, atol=5e-4)
        alone = inner[n:] if feature.kind == "ordinal" else inner
        assert np.array_equal(alone != 0, np.eye(len(inner), dtype=bool)[-len(alone) :])
        if feature.kind == "ordinal" and n > 2:
            assert (np.diff(inner[0, :n]) < 0).all()  # the farther, the less


@pytest.mark.parametrize("bins", [2, 3, 9, 40])
def test_the_kernel_is_that_of_centred_neighbours(bins: int) -> None:
    """Against float64 and another way to the centre; the factor is the kernel's, with norms of 1."""
    at = np.arange(bins)
    smooth = 0.8 * np.exp(-np.abs(at[:, None] - at) / 4) + 0.2 * np.eye(bins)
    centre = 1 / np.linalg.solve(smooth, np.ones(bins)).sum()
    expected = ((smooth - centre) / (1 - centre) + 0.1) / 1.1
    assert np.allclose(np.array(kernel(bins), dtype=float), expected, atol=1e-12)
    lower = np.array(factor(bins), dtype=float)
    assert np.allclose(lower, np.linalg.cholesky(expected), atol=1e-12)


def test_a_single_bin_is_only_itself() -> None:
    from types import SimpleNamespace

    alone = SimpleNamespace(kind="ordinal", n_ordered=1, n_cells=2)
    embedding = Embedding.of(SimpleNamespace(features=(alone,)))  # type: ignore[arg-type]
    assert np.array_equal(embedding.tables[0], np.eye(2))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 40))
def test_integer_passes_are_those_of_python_integers(seed: int, n: int) -> None:
    catalogue = load_catalogue("synthetic")
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, n, seed, absent=True)
    rng = np.random.default_rng(seed)
    weights = rng.integers(-(2**40) + 1, 2**40, embedding.dimension)
    residuals = rng.integers(-(2**16), 2**16 + 1, n)
    dense = (embedding.dense(codes) * ONE).astype(np.int64).tolist()
    sums = [sum(x * w for x, w in zip(row, weights.tolist(), strict=True)) for row in dense]
    places = embedding.places(codes)
    assert embedding.gather_in_steps(weights, places).tolist() == sums
    columns = [sum(row[i] * int(r) for row, r in zip(dense, residuals, strict=True)) for i in range(len(weights))]
    assert embedding.backward_in_steps(residuals, places).tolist() == columns


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 40))
def test_codes_and_dense_records_compute_the_same(seed: int, n: int) -> None:
    catalogue = load_catalogue("synthetic")
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, n, seed, absent=True)
    rng = np.random.default_rng(seed)
    weights, residuals = rng.normal(size=embedding.dimension), rng.normal(size=n)
    dense = embedding.dense(codes).astype(np.float64)
    assert np.allclose(embedding.forward(weights, codes), dense @ weights, atol=1e-5)
    assert np.allclose(embedding.backward(residuals, codes), residuals @ dense, atol=1e-5)


def test_codes_that_are_no_cells_are_refused(catalogue: Catalogue) -> None:
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, 5, 3)
    codes[2, 0] = catalogue.features[0].n_cells + 1
    with pytest.raises(RecordsError, match="codes"):
        embedding.norms(codes)
    with pytest.raises(RecordsError, match="codes"):
        embedding.dense(codes[:, :-1])
