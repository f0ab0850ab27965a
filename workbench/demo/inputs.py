"""The demonstration's files: one per institution, and an oracle's records that no institution is ever given.

Without data a population is drawn and its persons (not records) are held out, so nobody is in training at one
institution and in the oracle's set at another. With data, a fifth of the rows is held out and the rest is dealt out in
three unequal, random parts; every row goes somewhere, broken ones included: validation is the institutions' own work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from federation.errors import ConfigurationError
from federation.records import read_table
from federation.synthetic import Population, PopulationSpec, write_table

NAMES = ("aurora", "borealis", "cassiopeia")
HELD_OUT = 0.2
_SHARES = (0.40, 0.33, 0.27)
_SMALLEST = 300  # rows; below it not even a refusal is worth three processes


@dataclass(frozen=True)
class Given:
    """One institution's file, and the judge's file of records about its customers."""

    name: str
    records: Path
    oracle: Path
    rows: int


@dataclass(frozen=True)
class Inputs:
    """What the federation starts from. `description` and `oracle_reason` are for the report."""

    catalogue: str
    description: str
    oracle_reason: str
    institutions: tuple[Given, ...]
    facts: dict[str, object]


def synthesise(out: Path, persons: int, seed: int) -> Inputs:
    """Draw a population of `persons` and write its files under `out`. Raises ConfigurationError."""
    rng = np.random.default_rng(seed)
    population = Population.draw(PopulationSpec(persons=persons, institutions=len(NAMES)), rng)
    held_out = rng.random(persons) < HELD_OUT
    given = []
    for k, name in enumerate(NAMES):
        table, outside = population.table(k), held_out[population.views[k].rows]
        given.append(_write(out, name, table.filter(~pl.Series(outside)), table.filter(pl.Series(outside))))
    return Inputs(
        catalogue="synthetic",
        description=f"{persons:,} synthetic persons",
        oracle_reason="these people do not exist",
        institutions=tuple(given),
        facts=population.facts(),
    )


def split_file(out: Path, data: Path, catalogue: str, seed: int) -> Inputs:
    """Deal the rows of `data` to the institutions. Raises RecordsError, ConfigurationError (too few rows)."""
    table = read_table(data)
    if table.height < _SMALLEST:
        raise ConfigurationError(str(data), got=f"{table.height} rows", expected=f"at least {_SMALLEST}")
    order = np.random.default_rng(seed).permutation(table.height)
    edge = round(HELD_OUT * table.height)
    cuts = edge + np.round(np.cumsum(_SHARES)[:-1] * (table.height - edge)).astype(int)
    parts = np.split(order[edge:], cuts - edge)
    oracles = np.array_split(order[:edge], len(NAMES))
    given = tuple(
        _write(out, name, table[np.sort(part)], table[np.sort(oracle)])
        for name, part, oracle in zip(NAMES, parts, oracles, strict=True)
    )
    return Inputs(
        catalogue=catalogue,
        description=f"{data.name}, {table.height:,} rows dealt to {len(NAMES)} institutions",
        oracle_reason="the whole file belongs to whoever runs this demonstration",
        institutions=given,
        facts={"file": data.name, "rows": table.height},
    )


def customers(inputs: Inputs, subject: str, files: Mapping[str, Path], most: int, seed: int) -> Inputs:
    """`inputs` narrowed to `most` persons at random and what every institution holds about them, written to `files`.

    Persons are told apart by the column `subject`. Raises RecordsError.
    """
    tables = {given.name: read_table(given.records) for given in inputs.institutions}
    everybody = pl.concat([table[subject] for table in tables.values()]).drop_nulls().unique().sort()
    chosen = everybody.sample(min(most, len(everybody)), seed=seed)
    given = []
    for item in inputs.institutions:
        table = tables[item.name].filter(pl.col(subject).is_in(chosen.implode()))
        write_table(table, files[item.name])
        given.append(replace(item, records=files[item.name], rows=table.height))
    return replace(inputs, institutions=tuple(given))


def _write(out: Path, name: str, records: pl.DataFrame, oracle: pl.DataFrame) -> Given:
    paths = out / "data" / f"{name}.csv.gz", out / "oracle" / f"{name}.csv.gz"
    for path, table in zip(paths, (records, oracle), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, path)
    return Given(name, *paths, records.height)
