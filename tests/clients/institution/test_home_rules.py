"""A home does not open with a delta that is too large for it, or where others could read it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.institution.home import SETTINGS_FILE, CapSettings, InstitutionHome, settings_text
from federation.errors import ConfigurationError


def text(nominal: int = 1000, delta: float = 1e-5) -> str:
    return settings_text(
        name="bank-a",
        catalogue="taiwan",
        data=Path("records.csv"),
        nominal_records=nominal,
        caps=CapSettings(run=1, year=3, lifetime=10, delta=delta),
        written=datetime(2025, 1, 1, tzinfo=UTC),
    )


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return InstitutionHome.create(tmp_path / "home", text())


@pytest.mark.parametrize(("nominal", "delta"), [(1000, 1.1e-4), (10_001, 1e-5), (24_000, 1e-5), (100, 9e-3)])
def test_a_delta_too_large_for_the_size_makes_no_home(tmp_path: Path, nominal: int, delta: float) -> None:
    """At such a delta a mechanism may publish somebody's record outright and keep its promise."""
    with pytest.raises(ConfigurationError) as caught:
        InstitutionHome.create(tmp_path / "home", text(nominal, delta))
    assert caught.value.where == f"{SETTINGS_FILE}: caps.delta"
    assert f"for {nominal} records" in caught.value.expected
    assert not (tmp_path / "home" / SETTINGS_FILE).exists()


@pytest.mark.parametrize(("nominal", "delta"), [(1000, 1e-4), (10_000, 1e-5), (24_000, 4e-6)])
def test_a_delta_that_fits_opens(tmp_path: Path, nominal: int, delta: float) -> None:
    assert InstitutionHome.create(tmp_path / "home", text(nominal, delta)).settings.caps.delta == delta


def test_an_edited_file_and_the_environment_are_checked_when_the_home_opens(
    home: InstitutionHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.path / SETTINGS_FILE
    file.write_text(text(nominal=20_000))
    with pytest.raises(ConfigurationError, match=f"{file}: caps.delta"):
        InstitutionHome.open(home.path)
    file.write_text(text())
    monkeypatch.setenv("FEDSCORE_INSTITUTION_CAPS__DELTA", "0.001")
    with pytest.raises(ConfigurationError, match=f"{file}: caps.delta"):
        InstitutionHome.open(home.path)
