"""From TOML to frozen values, and how a wrong file is named."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.catalogue import Catalogue, Dimension, Role, load_catalogue, parse_catalogue
from federation.catalogue.document import Document
from federation.errors import CatalogueError

Changed = Callable[[str, str], Catalogue]


@pytest.fixture
def loans(loans_toml: str) -> Catalogue:
    return parse_catalogue(loans_toml.encode(), source="loans.toml")


def test_features_number_their_cells(loans: Catalogue) -> None:
    since, use, income, contract = loans.features
    assert [since.cell_label(i) for i in range(since.n_cells + 1)] == [
        "< 6 months",
        "6 to < 12 months",
        "12 to < 24 months",
        ">= 24 months",
        "never",
        "missing",
        "not held",
    ]
    assert (since.n_ordered, since.n_cells, since.missing_cell, since.absent_code) == (4, 6, 5, 6)
    assert use.title == "Balance against limit"
    assert income.unit == "EUR"
    assert [contract.cell_label(i) for i in range(contract.n_ordered)] == ["permanent", "temporary or self-employed"]


@pytest.mark.parametrize("cell", [-1, 7])
def test_no_label_outside_the_cells(loans: Catalogue, cell: int) -> None:
    with pytest.raises(IndexError, match="months_since_delay"):
        loans.features[0].cell_label(cell)


def test_catalogue_answers_what_others_ask(loans: Catalogue) -> None:
    assert loans.feature("income").dimension is Dimension.CAPACITY
    assert loans.inputs("utilisation") == ("balance", "limit")
    assert loans.held(["income", "balance", "limit"]) == ("utilisation", "income")
    assert loans.prohibited == ("religion",)
    assert loans.retention == 5
    assert loans.protected[0].groups == ("< 25", "25 to < 40", "40 to < 60", ">= 60", "unknown")
    assert loans.protected[1].groups == ("women", "men", "unknown")
    assert loans.dimension_weights[Dimension.ENQUIRIES] == 0
    assert loans.columns_of(Role.RECORD) == ("customer", "outcome")
    with pytest.raises(KeyError):
        loans.feature("nothing")


def test_values_are_frozen_and_travel(loans: Catalogue) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loans.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(loans)) == loans


def test_hash_sees_rules_and_not_spelling(loans: Catalogue, loans_toml: str, changed: Changed) -> None:
    assert len(bytes.fromhex(loans.hash)) == 32
    assert changed("base_rate = 0.08", "base_rate = 0.080 # the same").hash == loans.hash
    assert changed('name = "age"\n', 'name = "age"\n\n').hash == loans.hash
    assert changed("[6, 12, 24]", "[6, 12, 25]").hash != loans.hash
    assert changed("base_rate = 0.08", "base_rate = 0.09").hash != loans.hash
    blocks = loans_toml.split("[[features]]")
    swapped = "[[features]]".join([blocks[0], blocks[2], blocks[1], *blocks[3:]])
    assert parse_catalogue(swapped.encode(), source="x").hash != loans.hash


def test_hash_ignores_keys_that_say_their_default(loans: Catalogue, changed: Changed) -> None:
    assert changed('op = "ratio"', 'op = "ratio"\noffset = 0').hash == loans.hash


@pytest.mark.parametrize(
    ("old", "new", "where", "expected"),
    [
        ("base_rate = 0.08", "base_rate = 1.0", "catalogue.base_rate", "less than 1"),
        ("base_rate = 0.08", 'base_rate = "low"', "catalogue.base_rate", "number"),
        ("retention_years = 5", "retention_years = 50", "catalogue.retention_years", "10"),
        ('purpose = "lending decisions"', 'purpose = "ranking citizens"', "catalogue.purpose", "lending decisions"),
        ('version = "1.0.0"', 'version = "1"', "catalogue.version", "text like"),
        ('unit_of_privacy = "record"\n', "", "catalogue.unit_of_privacy", "this key"),
        ('format = "fedscore/catalogue/v1"', 'format = "2"', "format", "fedscore/catalogue/v1"),
        ("monotone = -1", "monotone = 2", "features.0.monotone", "-1"),
        ("monotone = -1", "monoton = -1", "features.0.monoton", "only the keys"),
        ('op = "ratio"', 'op = "exec"', "derived.0", "first_above"),
        ('op = "ratio"\n', "", "derived.0", "ratio"),
        ('of = ["balance", "limit"]', 'of = ["balance"]', "derived.0.of", "at least 2"),
        ('op = "ratio"', 'op = "ratio"\nfloor = 0', "derived.0.floor", "only the keys"),
        ("edges = [6, 12, 24]", "edges = [6, inf]", "features.0.edges.1", "finite"),
        ('allowed = ["f", "m"]', "allowed = [true]", "columns.sex.allowed.0", "valid"),
    ],
)
def test_wrong_shape_is_named(changed: Changed, old: str, new: str, where: str, expected: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        changed(old, new)
    assert caught.value.where == f"loans.toml: {where}"
    assert expected in caught.value.expected


@pytest.mark.parametrize("data", [b"a = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_no_toml(data: bytes) -> None:
    with pytest.raises(CatalogueError, match=r"broken\.toml"):
        parse_catalogue(data, source="broken.toml")


def test_load_by_path_and_by_name(tmp_path: Path, loans_toml: str, loans: Catalogue) -> None:
    path = tmp_path / "loans.toml"
    path.write_text(loans_toml)
    assert load_catalogue(path) == load_catalogue(str(path)) == loans
    assert load_catalogue("taiwan").name == "taiwan"


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(CatalogueError, match="taiwan"):
        load_catalogue("atlantis")


def test_oversized_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * 4_000_001)
    with pytest.raises(CatalogueError, match="at most"):
        load_catalogue(path)


def test_document_is_frozen() -> None:
    assert Document.model_config.get("frozen") is True
    assert Document.model_config.get("extra") == "forbid"
