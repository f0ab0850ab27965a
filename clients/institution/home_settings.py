"""HOME/institution.toml: its keys, and the text of a new one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from clients.institution.lookup.settings import LOOKUP_TEXT, LookupSettings
from clients.institution.person.settings import PERSON_TEXT, PersonSettings
from federation.delta import MAX_DELTA
from federation.errors import ConfigurationError, PrivacyError
from federation.runtime.settings import HomeSettings, MetricsSetting, Name


class CapSettings(BaseModel):
    """How much privacy loss this institution allows: epsilon per run, year and lifetime, all at `delta`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: PositiveFloat = 1.0
    year: PositiveFloat = 3.0
    lifetime: PositiveFloat = 10.0
    delta: float = Field(default=MAX_DELTA, gt=0, lt=1e-2)


class InstitutionSettings(HomeSettings):
    """HOME/institution.toml: who this is, what it holds and what it allows."""

    model_config = SettingsConfigDict(env_prefix="FEDSCORE_INSTITUTION_")

    name: Name
    catalogue: str
    data: Path
    features: tuple[str, ...] | None = None
    nominal_records: PositiveInt
    holdout: float = Field(default=0.2, ge=0, lt=1)
    caps: CapSettings = CapSettings()
    allow_families: tuple[Literal["additive", "mlp"], ...] = Field(default=("additive",), min_length=1)
    approve_plans: Literal["within_policy", "manual"] = "within_policy"
    database_url: str | None = None
    lookup: LookupSettings = LookupSettings()
    person: PersonSettings = PersonSettings()
    metrics: MetricsSetting = "auto"


def fitting(settings: InstitutionSettings, where: str) -> InstitutionSettings:
    """The settings, if their delta fits their size. Raises ConfigurationError naming `where` and the key."""
    from federation.privacy import check_delta  # later than the settings, for the sake of commands that need neither

    try:
        check_delta(settings.caps.delta, [settings.nominal_records])
    except PrivacyError as error:
        raise ConfigurationError(f"{where}: caps.delta", got=error.got, expected=error.expected) from error
    return settings


def settings_text(
    *,
    name: str,
    catalogue: str,
    data: Path,
    nominal_records: int,
    caps: CapSettings,
    features: tuple[str, ...] | None = None,
    holdout: float = 0.2,
    approve_plans: str = "within_policy",
    written: datetime,
) -> str:
    """The text of a new institution.toml, with the words that explain each key to the person who will edit it."""
    held = "" if features is None else f"features = {json.dumps(list(features))}\n"
    return f"""# Settings of {name}, {written:%Y-%m-%d}. The environment (FEDSCORE_INSTITUTION_*) wins over it.
name = {json.dumps(name)}

# The data standard of the federation: a shipped catalogue's name, or a .toml file.
catalogue = {json.dumps(catalogue)}

# The records: CSV, CSV.gz or Parquet. They are read here and go nowhere.
data = {json.dumps(str(data))}

# Features held, if not all of the catalogue's. Public: the coordinator learns this list.
{held or '# features = ["..."]' + chr(10)}
# The number of training records that you publish: a figure you choose, never the exact count. It sets weights and
# sampling.
nominal_records = {nominal_records}

# The share of records kept out of training for this institution's own measurements. Where the catalogue names no
# subject column it goes by the record's own cells and outcome.
holdout = {holdout}

# Families of models trained here: "additive", a scorecard; "mlp", a small network, whose gradients are less simple.
allow_families = ["additive"]

# "within_policy" signs a proposed plan that keeps every cap below; "manual" waits for `fedscore institution approve`.
approve_plans = {json.dumps(approve_plans)}

# Privacy loss allowed, as epsilon at delta. The ledger refuses what would pass one of them.
# delta is at most 1 / (10 x nominal_records): a larger one would allow to publish somebody outright.
[caps]
run = {caps.run}
year = {caps.year}
lifetime = {caps.lifetime}
delta = {caps.delta!r}
{LOOKUP_TEXT}{PERSON_TEXT}"""
