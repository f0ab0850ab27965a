"""What holds for every catalogue that ships."""

from __future__ import annotations

import doctest

import pytest

import federation.catalogue
from federation.catalogue import Category, Kind, Role, lexicon, load, load_catalogue, shipped_catalogues
from federation.catalogue.categories import ALLOWED_CATEGORIES, FINANCIAL, PERSONAL, PROHIBITED


def test_the_six_are_there() -> None:
    assert set(shipped_catalogues()) == {"australian", "german", "japanese", "polish", "synthetic", "taiwan"}


@pytest.mark.parametrize("name", shipped_catalogues())
def test_models_read_financial_columns_only(name: str) -> None:
    catalogue = load_catalogue(name)
    for feature in (*catalogue.features, *catalogue.pair_features):
        for column in catalogue.inputs(feature.source):
            assert catalogue.columns[column].role is Role.MODEL
            assert catalogue.columns[column].category in FINANCIAL


@pytest.mark.parametrize("name", shipped_catalogues())
def test_columns_are_used_and_reasons_too(name: str) -> None:
    catalogue = load_catalogue(name)
    features = (*catalogue.features, *catalogue.pair_features)
    used = {column for feature in features for column in catalogue.inputs(feature.source)}
    assert used == set(catalogue.columns_of(Role.MODEL))
    assert {item.column for item in catalogue.protected} == set(catalogue.columns_of(Role.PROTECTED))
    assert {feature.reason for feature in features} == set(catalogue.reasons)


@pytest.mark.parametrize("name", ["german", "synthetic", "taiwan"])
def test_personal_attributes_are_protected(name: str) -> None:
    catalogue = load_catalogue(name)
    assert {"sex", "age", "marital_status"} <= {item.name for item in catalogue.protected}
    assert {"religion", "social_contacts", "location"} <= set(catalogue.prohibited)


def test_synthetic_covers_five_dimensions() -> None:
    catalogue = load_catalogue("synthetic")
    assert len({feature.dimension for feature in catalogue.features}) == 5
    assert any(feature.kind is Kind.NOMINAL for feature in catalogue.features)


def test_every_category_has_one_class() -> None:
    assert not FINANCIAL & PERSONAL
    assert not FINANCIAL & PROHIBITED
    assert not PERSONAL & PROHIBITED
    assert set().union(*ALLOWED_CATEGORIES.values()) == set(Category)


@pytest.mark.parametrize("module", [federation.catalogue, lexicon, load])
def test_examples_in_docstrings(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed
