"""The home of an institution that has joined, without a coordinator that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from membership_world import pinned
from scores_world import COORDINATOR

from clients.institution.home import CapSettings, InstitutionHome, settings_text

_DEFAULT = CapSettings()


def bank_home(
    path: Path, data: Path, *, caps: CapSettings = _DEFAULT, features: tuple[str, ...] | None = None, more: str = ""
) -> InstitutionHome:
    """bank-0 at `path`, with synthetic records in `data` and `COORDINATOR` as its own; `more`: of institution.toml."""
    text = settings_text(
        name="bank-0",
        catalogue="synthetic",
        data=data,
        nominal_records=8000,
        caps=caps,
        features=features,
        written=datetime(2026, 1, 1, tzinfo=UTC),
    )
    home = InstitutionHome.create(path, text + more)
    home.save_coordinator(pinned(COORDINATOR))
    return home
