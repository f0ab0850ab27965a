"""Who publishes hears of every record that stays out of the epoch: a customer missing there is missing in all sums."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
from person_world import MODEL, new_home
from scores_world import CATALOGUE

from clients.institution.lookup.customers import read_customers
from federation.records import read_table
from federation.scorecard import Scaling


def test_what_stays_out_is_counted_by_its_reason(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    said: list[str] = []
    everybody = len(read_customers(home, MODEL, Scaling(), said.append))
    assert said == []
    assert CATALOGUE.subject is not None
    table, subject = read_table(home.data).cast(pl.String), CATALOGUE.subject
    row = pl.int_range(pl.len())
    table = table.with_columns(
        pl.when(row == 3)
        .then(pl.lit("x" * 300))
        .otherwise(pl.col(subject))
        .alias(subject),  # longer than any identifier
        pl.when(row == 5).then(pl.lit("young")).otherwise(pl.col("age")).alias("age"),
    )
    home.data.write_bytes(gzip.compress(table.write_csv().encode()))
    assert len(read_customers(home, MODEL, Scaling(), said.append)) == everybody - 2
    assert said == [
        f"1 records break a rule and stay out: {home.quarantine / 'lookup.csv'}",
        f"1 of {everybody - 1:,} records have no identifier of the scheme opaque, and stay out",
    ]
