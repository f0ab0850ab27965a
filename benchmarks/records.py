"""Reading, validating and encoding a large file: processor seconds over all threads, and peak memory.

Bar: 1 million rows of 25 columns in at most 6 s of processor time and 2 GB, CSV and Parquet alike. The work runs in a
fresh child process, so neither this process nor the making of the file counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from federation.catalogue import Catalogue, parse_catalogue

CPU_BAR_S = 6.0
RSS_BAR_GB = 2.0
COLUMNS = 25
_NUMBERS = 18
_CODES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rows", type=int, default=1_000_000)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One measurement per file format, each with the bars it meets or not."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder) / "bench.toml"
        catalogue.write_text(catalogue_text())
        files = make_files(Path(folder), args.rows)
        measured = {kind: _measure(catalogue, path) for kind, path in files.items()}
    ok = all(m["cpu_seconds"] <= CPU_BAR_S and m["peak_rss_gb"] <= RSS_BAR_GB for m in measured.values())
    bars = {"cpu_seconds": CPU_BAR_S, "peak_rss_gb": RSS_BAR_GB}
    return {"rows": args.rows, "columns": COLUMNS, "bars": bars, "ok": ok, "formats": measured}


def catalogue_text() -> str:
    """A catalogue of 25 columns: identifier, outcome, one protected, 18 numbers and 4 codes, with derived values."""
    parts = [_HEAD]
    parts += [_NUMBER.format(i=i) for i in range(_NUMBERS)] + [_CODE.format(i=i) for i in range(_CODES)]
    parts += [_DERIVED]
    parts += [_FEATURE.format(name=f"f{i}", source=f"n{i}") for i in range(_NUMBERS)]
    parts += [_FEATURE.format(name=name, source=name) for name in ("ratio_0", "mean_0", "late_0")]
    parts += [_NOMINAL.format(i=i) for i in range(_CODES)]
    return "\n".join(parts)


def bench_catalogue() -> Catalogue:
    """The catalogue that the benchmark's files follow."""
    return parse_catalogue(catalogue_text().encode(), source="bench.toml")


def make_files(folder: Path, rows: int) -> dict[str, Path]:
    """The same table as CSV and Parquet, with missing values, special codes and a few bad rows."""
    frame = make_table(rows, np.random.default_rng(1))
    files = {"csv": folder / "bench.csv", "parquet": folder / "bench.parquet"}
    frame.write_csv(files["csv"])
    frame.write_parquet(files["parquet"])
    return files


def make_table(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """`rows` records of the benchmark's catalogue; one row in a thousand is bad."""
    columns: dict[str, Any] = {"person": np.arange(rows).astype(str), "outcome": rng.integers(0, 2, rows)}
    columns["age"] = rng.integers(18, 90, rows)
    for i in range(_NUMBERS):
        values = np.round(rng.gamma(2.0, 500.0, rows), 2)
        values[rng.random(rows) < 0.03] = -1.0
        values[rng.random(rows) < 0.001 / _NUMBERS] = -7.0
        columns[f"n{i}"] = pl.Series(values, nan_to_null=True).set(pl.Series(rng.random(rows) < 0.05), None)
    for i in range(_CODES):
        columns[f"c{i}"] = np.array(["own", "rent", "free", "other"])[rng.integers(0, 4, rows)]
    return pl.DataFrame(columns)


def _measure(catalogue: Path, data: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.records", str(catalogue), str(data)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _child(catalogue: str, data: str) -> dict[str, Any]:
    from federation.catalogue import load_catalogue
    from federation.records import load_records

    standard = load_catalogue(catalogue)
    before = _cpu()
    encoded, report = load_records(data, standard)
    return {
        "cpu_seconds": round(_cpu() - before, 3),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3),
        "rows_good": report.rows_good,
        "rows_quarantined": report.rows_quarantined,
        "features": int(encoded.codes.shape[1]),
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_HEAD = """
format = "fedscore/catalogue/v1"
catalogue = { name = "bench", version = "1.0.0", title = "Benchmark", unit_of_privacy = "record", \
purpose = "lending decisions", retention_years = 1, base_rate = 0.5, subject = "person" }
target = { column = "outcome", bad = [1], good = [0], definition = "drawn at random" }
dimension_weights = { capacity = 1.0 }
reasons = { amount = "Amounts" }
protected = [{ name = "age", column = "age", edges = [30, 50] }]

[columns]
person = { role = "record", category = "identifier" }
outcome = { role = "record", category = "outcome", type = "integer" }
age = { role = "protected", category = "age", type = "integer", min = 18, max = 110 }
"""
_NUMBER = """n{i} = {{ role = "model", category = "balance", type = "number", min = 0, max = 1e9, \
special = [{{ name = "none", code = -1 }}] }}"""
_CODE = """c{i} = {{ role = "model", category = "housing_tenure", allowed = ["own", "rent", "free", "other"] }}"""
_DERIVED = """
[[derived]]
name = "ratio_0"
op = "ratio"
of = ["n0", "n1"]
offset = 1
[[derived]]
name = "mean_0"
op = "mean"
of = ["n2", "n3", "n4", "n5", "n6", "n7"]
specials_as = 0
[[derived]]
name = "late_0"
op = "count_above"
of = ["n8", "n9", "n10", "n11"]
threshold = 1000
"""
_FEATURE = """
[[features]]
name = "{name}"
source = "{source}"
dimension = "capacity"
reason = "amount"
kind = "ordinal"
edges = [0.5, 1, 2, 100, 300, 600, 900, 1500, 2500]
"""
_NOMINAL = """
[[features]]
name = "c{i}"
source = "c{i}"
dimension = "capacity"
reason = "amount"
kind = "nominal"
categories = ["own", "rent", "free", "other"]
"""

if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child(sys.argv[1], sys.argv[2])) + "\n")
