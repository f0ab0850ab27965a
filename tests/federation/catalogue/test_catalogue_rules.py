"""What must hold between the parts of a catalogue."""

# ruff: noqa: E501  (one case per line reads best)

from __future__ import annotations

from collections.abc import Callable

import pytest

from federation.catalogue import Catalogue
from federation.errors import CatalogueError

Changed = Callable[[str, str], Catalogue]
INCOME = 'category = "income"\nmin = 0'


@pytest.mark.parametrize(
    ("old", "new", "where", "expected"),
    [
        # roles and categories
        ('role = "model"\ncategory = "income"', 'role = "model"\ncategory = "religion"', "columns.income.category", "repayment"),
        ('role = "model"\ncategory = "income"', 'role = "model"\ncategory = "age"', "columns.income.category", "repayment"),
        ('role = "prohibited"', 'role = "model"', "columns.religion.category", "repayment"),
        ('role = "prohibited"', 'role = "protected"', "columns.religion.category", "age"),
        ('source = "income"', 'source = "age"', "features.2.source", "role model"),
        ('of = ["balance", "limit"]', 'of = ["age", "limit"]', "derived.0.of.0", "role model"),
        ('source = "income"', 'source = "wealth"', "features.2.source", "declared column"),
        ('column = "age"', 'column = "income"', "protected.0.column", "role protected"),
        # columns
        (INCOME, 'category = "income"\nmin = 9_000_000', "columns.income.max", "at least"),
        ('category = "sex"', 'category = "sex"\nmin = 0', "columns.sex.min", "no bounds"),
        ('category = "sex"', 'category = "sex"\nmax = 0', "columns.sex.max", "no bounds"),
        ('allowed = ["f", "m"]', "allowed = [1, 2]", "columns.sex.allowed", "text"),
        ("code = -1", 'code = "none"', "columns.months_since_delay.special", "a number"),
        ("code = -1", "code = -1.5", "columns.months_since_delay.special", "whole"),
        ("code = -1", "code = inf", "columns.months_since_delay.special", "finite"),
        ('missing = ["NA", -999]', "missing = [-999, -999]", "columns.income.missing", "not already in missing"),
        ('{ name = "never", code = -1 }', '{ name = "a", code = -1 }, { name = "a", code = -2 }', "columns.months_since_delay.special", "differ"),
        ('S = "self-employed" }', 'X = "?" }', "columns.contract.labels.X", "allowed"),
        # record columns
        ('subject = "customer"', 'subject = "client"', "catalogue.subject", "declared column"),
        ('subject = "customer"', 'subject = "outcome"', "catalogue.subject", "identifiers"),
        ('category = "identifier"', 'category = "identifier"\ntype = "integer"', "catalogue.subject", "text"),
        ('column = "outcome"', 'column = "customer"', "target.column", "outcome"),
        ('good = ["repaid", "current"]', 'good = ["repaid", "defaulted"]', "target.good", "not bad"),
        ('bad = ["defaulted"]', "bad = [1]", "target.bad", "text"),
        # derived values
        ('of = ["balance", "limit"]', 'of = ["balance", "nothing"]', "derived.0.of.1", "earlier derived"),
        ('of = ["balance", "limit"]', 'of = ["balance", "contract"]', "derived.0.of.1", "numbers"),
        ('of = ["balance", "limit"]', 'of = ["balance", "utilisation"]', "derived.0.of.1", "earlier derived"),
        ('op = "ratio"', 'op = "sum"\nweights = [1]', "derived.0.weights", "2 weights"),
        ('name = "utilisation"\ntitle', 'name = "balance"\ntitle', "derived.0.name", "not used before"),
        # features
        ('reason = "income"', 'reason = "wealth"', "features.2.reason", "delays"),
        ("edges = [1000, 2000, 4000]", "edges = [1000, 1000]", "features.2.edges", "rise"),
        ("edges = [1000, 2000, 4000]", "", "features.2", "edges or categories"),
        ("edges = [1000, 2000, 4000]", "edges = [1]\ncategories = [1]", "features.2", "edges or categories"),
        ('kind = "ordinal"\nedges = [1000', 'kind = "nominal"\nedges = [1000', "features.2.kind", "categories"),
        ('categories = ["P", ["T", "S"]]', 'categories = ["P", "T"]', "features.3.categories", "every allowed"),
        ('categories = ["P", ["T", "S"]]', 'categories = ["P", ["T", "S"], "P"]', "features.3.categories", "once"),
        ('categories = ["P", ["T", "S"]]', 'categories = ["P", ["T", "S"], "Q"]', "features.3.categories", "values out of"),
        ('categories = ["P", ["T", "S"]]', 'categories = ["P", ["T", "S"]]\nmonotone = 1', "features.3.monotone", "0"),
        ('categories = ["P", ["T", "S"]]', "edges = [1]", "features.3.kind", "categories"),
        ('kind = "nominal"\ncategories = ["P", ["T", "S"]]', 'kind = "ordinal"\nedges = [1]', "features.3.edges", "numeric"),
        ("edges = [0.1, 0.5, 0.9]", "categories = [1]", "features.1.categories", "edges for a derived"),
        ("edges = [1000, 2000, 4000]", "categories = [1]", "features.2.categories", "allowed"),
        ("edges = [1000, 2000, 4000]", f"edges = {list(range(300))}", "features.2", "at most 254"),
        ('name = "income"', 'name = "contract"', "features", "unique"),
        # protected, pairs, weights
        ("edges = [25, 40, 60]", "edges = [25, 20]", "protected.0.edges", "rise"),
        ("edges = [25, 40, 60]", "", "protected.0", "edges or groups"),
        ('groups = [{ label = "women", values = ["f"] }, { label = "men", values = ["m"] }]', "edges = [1]", "protected.1.edges", "numeric"),
        ("edges = [25, 40, 60]", 'groups = [{ label = "x", values = [1] }]', "protected.0.groups", "allowed"),
        ('values = ["m"]', 'values = ["f"]', "protected.1.groups", "once"),
        ('label = "men"', 'label = "women"', "protected.1.groups", "differ"),
        ('name = "sex"', 'name = "age"', "protected.1.name", "not used before"),
        ("history = 0.4", "history = 0.5", "dimension_weights", "sum 1"),
        ("history = 0.4\n", "enquiries = 0.4\n", "dimension_weights.history", "positive"),
        ("history = 0.4\n", "history = 0.3\nenquiries = 0.1\n", "dimension_weights.enquiries", "no feature"),
        ("[[derived]]", '[[pairs]]\nof = ["income", "wealth"]\n[[derived]]', "pairs.0.of", "pair feature"),
        ("[[derived]]", '[[pairs]]\nof = ["income", "income"]\n[[derived]]', "pairs.0.of", "different"),
    ],
)  # fmt: skip
def test_broken_rule_is_named(changed: Changed, old: str, new: str, where: str, expected: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        changed(old, new)
    assert caught.value.where == f"loans.toml: {where}"
    assert expected in caught.value.expected


def test_pair_feature_must_be_used(changed: Changed) -> None:
    extra = (
        '[[pair_features]]\nname = "income_pair"\nsource = "income"\ndimension = "capacity"\nreason = "income"\n'
        'kind = "ordinal"\nedges = [1500]\n'
    )
    with pytest.raises(CatalogueError, match="a feature that a pair uses"):
        changed("[[derived]]", extra + "[[derived]]")
    pair = '[[pairs]]\nof = ["income_pair", "contract"]\n'
    catalogue = changed("[[derived]]", extra + pair + "[[derived]]")
    assert catalogue.pairs == (("income_pair", "contract"),)
    assert "income_pair" not in catalogue.feature_names
    assert catalogue.feature("income_pair").edges == (1500.0,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "Net monthly income"', 'title = "Number of friends"'),
        ('title = "Balance against limit"', 'title = "Party membership"'),
        ('income = "Low income"', 'income = "Visits to a mosque"'),
        ('title = "Employment contract"', 'title = "Browsing at night"'),
        ("[columns.income]", '[columns.gpsTrack]\ncategory = "income"\nrole = "model"\n[columns.income]'),
    ],
)
def test_mislabelled_attribute_is_refused(changed: Changed, old: str, new: str) -> None:
    with pytest.raises(CatalogueError, match="a financial attribute"):
        changed(old, new)


@pytest.mark.parametrize(
    ("old", "new", "hidden"),
    [
        ("[columns.income]", '[columns."l\u0456mits"]\ncategory = "income"\nrole = "model"\n[columns.income]', "a letter beyond ASCII"),
        ("[columns.income]", '[columns."li\u200bmits"]\ncategory = "income"\nrole = "model"\n[columns.income]', "an invisible character"),
        ('title = "Net monthly income"', 'title = "Net\u2060 monthly income"', "an invisible character"),
        ('title = "Net monthly income"', 'title = "N\u0435t monthly income"', "letters of several alphabets"),
        ('income = "Low income"', 'income = "Low \uff49ncome"', "letters of several alphabets"),
    ],
)  # fmt: skip
def test_letters_that_are_not_what_they_look_like_are_refused(
    changed: Changed, old: str, new: str, hidden: str
) -> None:
    with pytest.raises(CatalogueError, match=hidden) as caught:
        changed(old, new)
    assert caught.value.got.isascii()


def test_a_title_may_be_written_in_another_language(changed: Changed) -> None:
    changed('title = "Net monthly income"', 'title = "Monatliches Nettoeinkommen, Überstunden eingeschlossen"')
