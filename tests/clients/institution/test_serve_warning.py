"""`fedscore institution serve` says so where no bundle is allowed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from clients.institution.home import InstitutionHome
from clients.institution.serve import bundle_warning


def home_with(*bundles: str) -> InstitutionHome:
    home = SimpleNamespace(name="bank-a", path=Path("/homes/a"), allowed_bundles=frozenset(bundles))
    return cast(InstitutionHome, home)


def test_a_bank_without_a_bundle_is_warned_and_told_how() -> None:
    told = "\n".join(bundle_warning(home_with()))
    assert "WARNING: bank-a allows no Flower bundle" in told
    assert "fedscore institution accept-bundle HASH --home /homes/a" in told


def test_a_bank_with_a_bundle_is_left_in_peace() -> None:
    assert bundle_warning(home_with("a" * 64)) == ()
