"""A home does not open with a delta that is too large for it, or where others could read it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clients.institution.home import SETTINGS_FILE, CapSettings, InstitutionHome, settings_text
from federation.errors import ConfigurationError
from federation.ledger import Ledger


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


@pytest.mark.parametrize("name", [".", "keys", "quarantine", "logs"])
@pytest.mark.parametrize("mode", [0o750, 0o705, 0o755])
def test_a_folder_that_others_may_enter_is_named(home: InstitutionHome, name: str, mode: int) -> None:
    folder = (home.path / name).resolve()
    folder.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        InstitutionHome.open(home.path)
    assert (caught.value.where, caught.value.got) == (str(folder), f"mode {mode:04o}")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_ledger_that_others_may_read_is_named(home: InstitutionHome, suffix: str) -> None:
    file = home.path / f"institution.db{suffix}"
    file.touch(mode=0o600)
    InstitutionHome.open(home.path)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        InstitutionHome.open(home.path)
    assert (caught.value.where, caught.value.got) == (str(file), "mode 0644")


def test_a_ledger_is_its_owners_alone_whatever_the_umask(home: InstitutionHome) -> None:
    before = os.umask(0)
    try:
        ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())
        ledger.refuse("late", "deadline", got=1, expected=2)
        modes = {file.name: file.stat().st_mode & 0o777 for file in home.path.glob("institution.db*")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("institution.db", "institution.db-wal", "institution.db-shm"), 0o600)
    InstitutionHome.open(home.path)
    ledger.close()


def test_a_home_that_is_a_link_to_anothers_database_is_refused(home: InstitutionHome, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").touch(mode=0o644)
    (home.path / "institution.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ConfigurationError, match=r"institution\.db"):
        InstitutionHome.open(home.path)
