"""The population as files: one table per institution, and the truth apart from them.

OUT/institution-1.csv.gz ...   what that institution holds, by the catalogue `synthetic`
OUT/truth/truth.csv.gz         the latent values, for whoever must judge a demonstration; no institution has this file
OUT/population.json            specification, seed, sizes and the population's default rate
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from federation.synthetic.population import (
    MARITAL,
    NATIONALITIES,
    SEXES,
    Persons,
    PopulationSpec,
    draw_persons,
)
from federation.synthetic.view import View, draw_view

Format = Literal["csv.gz", "parquet"]

# How each institution's systems write "not stated", in turn: an empty field, a word, a number.
_NOT_STATED = ("", "NA", "-9")
_STATED = ("monthly_income", "savings_balance")


@dataclass(frozen=True)
class Population:
    """Persons and every institution's view of them.

    >>> population = Population.draw(PopulationSpec(persons=500, institutions=2), np.random.default_rng(7))
    >>> population.table(0).columns[:4]
    ['person_id', 'vintage', 'default_12m', 'sex']
    """

    spec: PopulationSpec
    people: Persons
    views: tuple[View, ...]

    @classmethod
    def draw(cls, spec: PopulationSpec, rng: np.random.Generator) -> Population:
        """The population of `spec`; each institution's view comes from a generator spawned from `rng`."""
        people = draw_persons(spec, rng)
        views = (draw_view(people, k, child) for k, child in enumerate(rng.spawn(spec.institutions)))
        return cls(spec, people, tuple(views))

    def table(self, institution: int) -> pl.DataFrame:
        """What `institution` holds: one row per customer, columns of the catalogue `synthetic`, missing values null."""
        view, people = self.views[institution], self.people
        rows = view.rows
        known = {
            "person_id": people.identifier[rows],
            "vintage": np.array(self.spec.vintages)[people.vintage[rows]],
            "default_12m": people.bad[rows].astype(np.int64),
            "sex": np.array(SEXES)[people.sex[rows]],
            "age": people.age[rows],
            "marital_status": np.array(MARITAL)[people.marital_status[rows]],
            "nationality": np.array(NATIONALITIES)[people.nationality[rows]],
        }
        return pl.DataFrame(known | {name: _series(name, column) for name, column in view.columns.items()})

    def truth(self) -> pl.DataFrame:
        """What no institution knows: worth, probability of default, the outcome and where the person is a customer."""
        people = self.people
        return pl.DataFrame(
            {
                "person_id": people.identifier,
                "creditworthiness": people.creditworthiness.round(6),
                "probability_of_default": people.risk.round(6),
                "default_12m": people.bad.astype(np.int64),
                **{f"institution_{k + 1}": people.member[:, k].astype(np.int64) for k in range(self.spec.institutions)},
            }
        )

    def facts(self) -> dict[str, object]:
        """Sizes and rates, for people and for population.json."""
        known_to = self.people.member.sum(axis=1)
        return {
            "specification": {**asdict(self.spec), "vintages": list(self.spec.vintages)},
            "default_rate": round(float(self.people.bad.mean()), 5),
            "institutions_per_person": round(float(known_to.mean()), 4),
            "persons_known_to": {str(m): int((known_to == m).sum()) for m in range(1, self.spec.institutions + 1)},
            "records": [len(view) for view in self.views],
        }


def write_population(population: Population, directory: Path, *, form: Format = "csv.gz") -> tuple[Path, ...]:
    """Write the files above; returns the institutions' files in order. The same population gives the same CSV bytes."""
    (directory / "truth").mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(population.spec.institutions):
        path = directory / f"institution-{k + 1}.{form}"
        write_table(population.table(k), path, not_stated=_NOT_STATED[k % len(_NOT_STATED)])
        paths.append(path)
    write_table(population.truth(), directory / "truth" / f"truth.{form}")
    (directory / "population.json").write_text(json.dumps(population.facts(), indent=2) + "\n")
    return tuple(paths)


def write_table(table: pl.DataFrame, path: Path, *, not_stated: str = "") -> None:
    """One table as .parquet, or as gzipped CSV without a time stamp in it."""
    if path.name.endswith(".parquet"):
        table.write_parquet(path)
        return
    if not_stated:
        stated = [name for name in _STATED if name in table.columns]
        table = table.with_columns(pl.col(stated).cast(pl.Utf8).fill_null(not_stated))
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=4, mtime=0) as packed:
        packed.write(table.write_csv().encode())


def _series(name: str, column: np.ndarray) -> pl.Series:
    """Whole-number columns as integers even where a value is missing."""
    series = pl.Series(name, column)
    if column.dtype.kind == "f":
        series = series.fill_nan(None)
        whole = series.drop_nulls()
        if len(whole) and bool((whole == whole.round()).all()) and name not in _FRACTIONS:
            series = series.cast(pl.Int64)
    return series


_FRACTIONS = frozenset(
    {
        "on_time_share_12m",
        "peak_utilisation_6m",
        "payment_ratio_3m",
        "revolving_balance",
        "total_debt",
        "savings_balance",
    }
)
