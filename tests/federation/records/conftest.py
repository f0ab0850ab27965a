from __future__ import annotations

import re
from pathlib import Path

import pytest

from federation.catalogue import Catalogue, parse_catalogue

DOCS = Path(__file__).resolve().parents[3] / "docs" / "catalogue.md"


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="session")
def loans() -> Catalogue:
    """The catalogue of the documentation's worked example."""
    return parse_catalogue(_block("toml").encode(), source="loans.toml")


@pytest.fixture
def loans_csv(tmp_path: Path) -> Path:
    """The data of the documentation's worked example."""
    path = tmp_path / "loans.csv"
    path.write_text(_block("csv"))
    return path
