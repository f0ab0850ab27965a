"""Pair features are encoded beside the model's own: same cells, and 'not held' where the file lacks their columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from federation.catalogue import Catalogue, load_catalogue
from federation.records import encode
from federation.records.encode import bin_codes
from federation.records.encoded import Encoded

STATUS = ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")


@pytest.fixture(scope="module")
def taiwan() -> Catalogue:
    return load_catalogue("taiwan")


@pytest.fixture(scope="module")
def frame(taiwan: Catalogue) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    columns = sorted({c for f in (*taiwan.features, *taiwan.pair_features) for c in taiwan.inputs(f.source)})
    drawn = {name: rng.integers(-2, 9, 50) if name in STATUS else rng.integers(0, 90_000, 50) for name in columns}
    return pl.DataFrame({name: values.astype(np.float64) for name, values in drawn.items()})


def test_pair_features_get_the_cells_of_their_edges(taiwan: Catalogue, frame: pl.DataFrame) -> None:
    found = encode(frame, taiwan)
    assert found.pair_codes is not None
    assert (found.pair_codes.dtype, found.pair_codes.shape) == (np.uint8, (50, len(taiwan.pair_features)))
    late = np.maximum(frame.select(STATUS).to_numpy(), 0)
    place = [feature.name for feature in taiwan.pair_features].index("recent_delay")
    expected = bin_codes(late[:, :2].max(axis=1), taiwan.pair_features[place].edges)
    assert found.pair_codes[:, place].tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1


def test_a_pair_feature_without_its_columns_is_not_held(taiwan: Catalogue, frame: pl.DataFrame) -> None:
    lacking = {"PAY_6"}
    covered = [f.name for f in taiwan.features if not lacking & set(taiwan.inputs(f.source))]
    found = encode(frame.drop(lacking), taiwan, coverage=covered)
    assert found.pair_codes is not None
    for feature, column in zip(taiwan.pair_features, found.pair_codes.T, strict=True):
        gone = bool(lacking & set(taiwan.inputs(feature.source)))
        assert (column == feature.absent_code).all() == gone, feature.name
    assert any(lacking & set(taiwan.inputs(f.source)) for f in taiwan.pair_features)


def test_taking_records_takes_their_pair_codes(taiwan: Catalogue, frame: pl.DataFrame) -> None:
    found = encode(frame, taiwan)
    some = found.take(np.array([7, 3]))
    assert found.pair_codes is not None
    assert some.pair_codes is not None
    assert some.pair_codes.tolist() == found.pair_codes[[7, 3]].tolist()
    assert Encoded(found.codes).take(np.array([1])).pair_codes is None


def test_a_catalogue_without_pair_features_has_no_columns_of_them() -> None:
    german = load_catalogue("german")
    empty = pl.DataFrame(schema={c: pl.Float64 for f in german.features for c in german.inputs(f.source)})
    assert not german.pair_features
    found = encode(empty, german, coverage=())
    assert found.pair_codes is not None
    assert found.pair_codes.shape == (0, 0)
