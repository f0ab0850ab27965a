from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.catalogue import Catalogue, parse_catalogue

DOCS = Path(__file__).resolve().parents[3] / "docs" / "catalogue.md"


@pytest.fixture(scope="session")
def loans_toml() -> str:
    """The worked example of the documentation."""
    found = re.search(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def changed(loans_toml: str) -> Callable[[str, str], Catalogue]:
    """The example with one text replaced, parsed."""

    def parse(old: str, new: str) -> Catalogue:
        assert loans_toml.count(old) >= 1
        return parse_catalogue(loans_toml.replace(old, new, 1).encode(), source="loans.toml")

    return parse
