"""An enrolled institution with a jurisdiction, a file of synthetic records and a model."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from membership_world import pinned
from scores_world import COORDINATOR, published_model

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from federation.synthetic import Population, PopulationSpec, write_population

TODAY = date(2026, 3, 2)
CASE = "ab" * 16
MODEL = published_model()


def new_home(
    folder: Path,
    *,
    jurisdiction: str | None = "us-fcra",
    persons: int = 120,
    form: Literal["csv.gz", "parquet"] = "csv.gz",
) -> InstitutionHome:
    population = Population.draw(PopulationSpec(persons=persons, institutions=1), np.random.default_rng(1))
    data = write_population(population, folder, form=form)[0]
    text = settings_text(
        name="bank-0",
        catalogue="synthetic",
        data=data,
        nominal_records=8000,
        caps=CapSettings(),
        written=datetime(2026, 1, 1, tzinfo=UTC),
    )
    if jurisdiction:
        text += f'\n[person]\njurisdiction = "{jurisdiction}"\n'
    home = InstitutionHome.create(folder / "home", text)
    home.save_coordinator(pinned(COORDINATOR))
    (folder / "model.json").write_bytes(MODEL.canonical())
    return home


def people(home: InstitutionHome) -> list[str]:
    frame = pl.read_parquet(home.data) if home.data.suffix == ".parquet" else pl.read_csv(home.data)
    return frame["person_id"].cast(pl.String).to_list()
