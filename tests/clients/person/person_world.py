"""An enrolled institution with a jurisdiction, a file of synthetic records and a model."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from bank_home import bank_home
from scores_world import published_model

from clients.institution.home import InstitutionHome
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
    more = f'\n[person]\njurisdiction = "{jurisdiction}"\n' if jurisdiction else ""
    home = bank_home(folder / "home", data, more=more)
    (folder / "model.json").write_bytes(MODEL.canonical())
    return home


def people(home: InstitutionHome) -> list[str]:
    frame = pl.read_parquet(home.data) if home.data.suffix == ".parquet" else pl.read_csv(home.data)
    return frame["person_id"].cast(pl.String).to_list()
