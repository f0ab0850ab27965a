"""Scoring a large file: CSV in, scored CSV and Parquet out, and from encoded codes; subjects a minute on one core.

Bar: 1 million subjects a minute on one core, reading, validation, scores, parts, reasons and writing included. The work
runs in a fresh child process that is held to one thread; the figures count its processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BAR = 1_000_000
ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rows", type=int, default=1_000_000)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Subjects a minute for each road; `ok` if the whole road, CSV to CSV, meets the bar."""
    import numpy as np

    from benchmarks.records import catalogue_text, make_table

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.toml").write_text(catalogue_text())
        make_table(args.rows, np.random.default_rng(1)).write_csv(Path(folder) / "bench.csv")
        command = [sys.executable, "-m", "benchmarks.scoring", folder]
        child = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(child.stdout)
    roads = found["subjects_per_minute"]
    return {"rows": args.rows, "bar_subjects_per_minute": BAR, "ok": roads["csv_to_csv"] >= BAR, **found}


def measure(folder: Path) -> dict[str, Any]:
    """In the child: processor seconds of each stage, and what they make a minute."""
    import numpy as np

    from federation.catalogue import load_catalogue
    from federation.records import encode, read_table, validate
    from federation.scorecard import Scorecard

    catalogue = load_catalogue(folder / "bench.toml")
    rng = np.random.default_rng(2)
    effects = [rng.normal(0, 0.3, feature.n_cells) for feature in catalogue.features]
    shares = [np.full(feature.n_cells, 1 / feature.n_cells) for feature in catalogue.features]
    card = Scorecard(catalogue, effects, shares=shares)
    seconds: dict[str, float] = {}

    def stage(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        seconds[name] = time.process_time() - start
        return result

    def prepare() -> Any:
        return encode(validate(read_table(folder / "bench.csv"), catalogue, require_target=False).good, catalogue)

    records = stage("read_validate_encode", prepare)
    scores = stage("score", lambda: card.score(records))
    frame = stage("frame", lambda: scores.to_frame(records.subjects))
    stage("write_csv", lambda: frame.write_csv(folder / "scored.csv"))
    stage("write_parquet", lambda: frame.write_parquet(folder / "scored.parquet"))
    return {
        "features": len(catalogue.features),
        "outcomes": scores.counts(),
        "cpu_seconds": seconds,
        "subjects_per_minute": _per_minute(len(records), seconds),
    }


def _per_minute(n: int, seconds: dict[str, float]) -> dict[str, float]:
    to_frame = seconds["read_validate_encode"] + seconds["score"] + seconds["frame"]
    return {
        "csv_to_csv": 60 * n / (to_frame + seconds["write_csv"]),
        "csv_to_parquet": 60 * n / (to_frame + seconds["write_parquet"]),
        "from_codes": 60 * n / seconds["score"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
