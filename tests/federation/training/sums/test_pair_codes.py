"""Pairs are embedded by products of two features' kernels, in integers, and never beyond a norm of 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sums_samples import catalogue, records

from federation.catalogue import Catalogue
from federation.catalogue.categories import Kind
from federation.errors import ConfigurationError
from federation.training.embedding import ONE
from federation.training.kernel import kernel
from federation.training.sums import pair_codes
from federation.training.sums.pair_codes import GROUPS, PairCodes


@pytest.fixture(params=["taiwan", "synthetic"])
def pairs(request: pytest.FixtureRequest) -> PairCodes:
    return PairCodes(catalogue(request.param))


def test_no_record_is_longer_than_one(pairs: PairCodes) -> None:
    codes = pairs.codes(records(300, name=pairs.catalogue.name))
    for row in codes:
        tables = zip(pairs.embedding.steps, row, strict=True)
        squares = [int(v) ** 2 for table, cell in tables if cell < len(table) for v in table[cell]]
        assert sum(squares) <= ONE**2


def test_inner_products_are_those_of_both_features(pairs: PairCodes) -> None:
    reach, level = pair_codes._REACH, pair_codes._LEVEL
    for j, (first, second) in enumerate(pairs.shapes):
        grams = []
        for ordered, cells in (first, second):
            gram = np.eye(cells)
            gram[:ordered, :ordered] = np.array(kernel(ordered, reach * (ordered - 1), level), dtype=float)
            grams.append(gram)
        table = pairs.embedding.steps[j].astype(float) / ONE
        assert np.allclose(table @ table.T * len(pairs.shapes), np.kron(*grams), atol=2e-3)


def test_cells_are_groups_of_neighbours_and_each_special_by_itself(pairs: PairCodes) -> None:
    for names, shapes in zip(pairs.catalogue.pairs, pairs.shapes, strict=True):
        for name, (ordered, cells) in zip(names, shapes, strict=True):
            feature = pairs.catalogue.feature(name)
            groups = pair_codes._groups(feature).tolist()
            assert len(groups) == feature.n_cells + 1
            assert groups == sorted(groups)
            assert groups[-1] == cells, "'not held' is beyond the last cell"
            assert set(groups[: feature.n_ordered]) == set(range(min(GROUPS, feature.n_ordered)))
            assert groups[feature.n_ordered : -1] == list(range(ordered, cells))
            sizes = np.bincount(groups[: feature.n_ordered])
            assert sizes.max() - sizes.min() <= 1


def test_a_pair_is_not_held_where_either_feature_is_not(pairs: PairCodes) -> None:
    held = records(1, name=pairs.catalogue.name, absent=False)
    name = next(n for pair in pairs.catalogue.pairs for n in pair if n in pairs.catalogue.feature_names)
    codes = held.codes.copy()
    codes[:, pairs.catalogue.feature_names.index(name)] = pairs.catalogue.feature(name).n_cells
    found, before = pairs.codes(replace(held, codes=codes))[0], pairs.codes(held)[0]
    for pair, table, own, was in zip(pairs.catalogue.pairs, pairs.embedding.steps, found, before, strict=True):
        assert own == (len(table) if name in pair else was)


def test_every_combination_has_a_cell_of_its_own(pairs: PairCodes) -> None:
    _, second = pairs.shapes[0]
    names = pairs.catalogue.pairs[0]
    a, b = (pair_codes._groups(pairs.catalogue.feature(name)) for name in names)
    seen = pairs.codes(records(4_000, name=pairs.catalogue.name, absent=False))[:, 0]
    assert set(seen.tolist()) == {int(x) * second[1] + int(y) for x in a[:-1] for y in b[:-1]}


def test_a_catalogue_without_pairs_or_with_too_many_cells_is_refused() -> None:
    without: Catalogue = replace(catalogue(), pairs=())
    with pytest.raises(ConfigurationError, match="pairs"):
        PairCodes(without)
    sixteen = tuple((number,) for number in range(16))
    wide = replace(catalogue().feature("severity"), kind=Kind.NOMINAL, edges=(), categories=sixteen)
    twice = (wide, replace(wide, name="again"))
    with pytest.raises(ConfigurationError, match="pair severity x again: got 289 cells"):
        PairCodes(replace(catalogue(), pair_features=twice, pairs=(("severity", "again"),)))
