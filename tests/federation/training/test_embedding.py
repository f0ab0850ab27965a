"""The embedding is what the sensitivity proof rests on: norm exactly 1, public, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue, load_catalogue
from federation.errors import RecordsError
from federation.training.embedding import Embedding, kernel, symmetric_root

SHIPPED = ["synthetic", "taiwan", "german"]


def random_codes(catalogue: Catalogue, n: int, seed: int, *, absent: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, f.n_cells + absent, n) for f in catalogue.features]
    return np.stack(columns, axis=1).astype(np.uint8)


@pytest.fixture(scope="module", params=SHIPPED)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return load_catalogue(request.param)


def test_every_record_has_norm_one(catalogue: Catalogue) -> None:
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, 500, 1)
    assert np.allclose(embedding.norms(codes), 1.0, atol=1e-12)
    assert np.allclose(np.linalg.norm(embedding.dense(codes), axis=1), 1.0, atol=1e-6)
    assert embedding.dense(codes).shape == (500, embedding.dimension)


def test_a_feature_that_is_not_held_contributes_nothing(catalogue: Catalogue) -> None:
    embedding = Embedding.of(catalogue)
    codes = random_codes(catalogue, 300, 2, absent=True)
    held = (codes < np.array([f.n_cells for f in catalogue.features])).sum(1)
    assert np.allclose(embedding.norms(codes), np.sqrt(held / len(catalogue.features)))
    nothing = np.array([[f.n_cells for f in catalogue.features]], dtype=np.uint8)
    weights = np.random.default_rng(0).normal(size=embedding.dimension)
    assert embedding.forward(weights, nothing).tolist() == [0.0]
    assert not embedding.backward(np.ones(1), nothing).any()


def test_neighbouring_bins_share_and_special_cells_do_not(catalogue: Catalogue) -> None:
    for feature in catalogue.features:
        inner = kernel(feature)
        n = feature.n_ordered
        assert np.allclose(np.diag(inner), 1.0)
        assert np.linalg.eigvalsh(inner).min() > -1e-12
        assert not (inner[n:] - np.eye(len(inner))[n:]).any()
        if feature.kind == "nominal":
            assert np.array_equal(inner, np.eye(len(inner)))
        elif n > 2:
            assert (np.diff(inner[0, :n]) < 0).all()  # the farther, the less


def test_a_single_bin_is_only_itself() -> None:
    from types import SimpleNamespace

    alone = SimpleNamespace(kind="ordinal", n_ordered=1, n_cells=2)
    assert np.array_equal(kernel(alone), np.eye(2))  # type: ignore[arg-type]


def test_the_root_does_not_depend_on_the_signs_of_eigenvectors() -> None:
    matrix = kernel(load_catalogue("taiwan").features[0])
    root = symmetric_root(matrix)
    values, vectors = np.linalg.eigh(matrix)
    flipped = vectors * np.where(np.arange(len(values)) % 2, -1.0, 1.0)
    assert np.allclose(root, (flipped * np.sqrt(np.maximum(values, 0))) @ flipped.T)
    assert np.array_equal(root, root.T) or np.allclose(root, root.T, atol=1e-15)
    assert np.allclose(root @ root, matrix)


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
