"""The five public data sets through their catalogues. Counts that a reader can check against the sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from federation.catalogue import load_catalogue
from federation.records import Encoded, ValidationReport, load_records, validate

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
FILES = {
    "taiwan": ("taiwan.csv.gz", 30_000, 6_636),
    "german": ("german.csv.gz", 1_000, 300),
    "japanese": ("japanese_crx.csv.gz", 690, 383),
    "australian": ("australian.csv.gz", 690, 383),
    "polish": ("polish_1year.csv.gz", 7_027, 271),
}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not beside this checkout")


@pytest.fixture(scope="module")
def loaded() -> dict[str, tuple[Encoded, ValidationReport]]:
    return {name: load_records(DATA / file, load_catalogue(name)) for name, (file, _, _) in FILES.items()}


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_good(loaded: dict[str, tuple[Encoded, ValidationReport]], name: str) -> None:
    encoded, report = loaded[name]
    _, rows, bads = FILES[name]
    assert (report.rows_read, report.rows_good, report.rows_quarantined) == (rows, rows, 0)
    assert encoded.target is not None
    assert int(encoded.target.sum()) == bads


@pytest.mark.parametrize("name", FILES)
def test_codes_are_cells(loaded: dict[str, tuple[Encoded, ValidationReport]], name: str) -> None:
    encoded, _ = loaded[name]
    for index, feature in enumerate(load_catalogue(name).features):
        assert encoded.codes[:, index].max() < feature.n_cells


def test_missing_values_are_where_the_sources_say(loaded: dict[str, tuple[Encoded, ValidationReport]]) -> None:
    assert loaded["japanese"][1].missing == {"A1": 12, "A2": 12, "A4": 6}
    assert loaded["polish"][1].missing["Attr21"] == 1_622
    assert not loaded["taiwan"][1].missing


def test_taiwan_states_keep_cells_of_their_own(loaded: dict[str, tuple[Encoded, ValidationReport]]) -> None:
    encoded, report = loaded["taiwan"]
    assert report.ignored == ("EDUCATION",)
    index = load_catalogue("taiwan").feature_names.index("status_september")
    feature = load_catalogue("taiwan").features[index]
    counts = np.bincount(encoded.codes[:, index], minlength=feature.n_cells)
    assert counts.tolist() == [2_759, 5_686, 14_737, 3_688, 2_667, 463, 0]
    assert feature.cell_label(1) == "paid in full"
    assert feature.cell_label(5) == "3 to 9 months late"


def test_protected_groups_are_full(loaded: dict[str, tuple[Encoded, ValidationReport]]) -> None:
    sexes = np.bincount(loaded["taiwan"][0].protected["sex"], minlength=3)
    assert sexes.tolist() == [11_888, 18_112, 0]
    assert np.bincount(loaded["german"][0].protected["nationality"]).tolist() == [963, 37]


def test_synthetic_population_follows_its_catalogue() -> None:
    from federation.synthetic import Population, PopulationSpec

    population = Population.draw(PopulationSpec(persons=2_000, institutions=2), np.random.default_rng(3))
    report = validate(population.table(0), load_catalogue("synthetic")).report
    assert report.rows_quarantined == 0
    assert report.ignored == ()
    assert report.missing
    assert report.special["months_since_delinquency"]["never"] > 0
