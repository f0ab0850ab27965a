"""The file that bad rows go to: private, complete, and never in place of the records."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.records import load_records, read_table


def test_quarantine_file_is_private_and_complete(loans: Catalogue, loans_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "quarantine" / "bad.csv"
    encoded, report = load_records(loans_csv, loans, quarantine=path)
    assert len(encoded) == 4
    assert report.quarantine_file == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = read_table(path)
    assert kept["row"].to_list() == ["5", "6", "7"]
    assert kept["customer"].to_list() == ["c5", "c6", "c1"]


def test_a_callers_own_quarantine_is_replaced_but_never_the_records(
    loans: Catalogue, loans_csv: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("old " * 10_000)
    path.chmod(0o644)
    load_records(loans_csv, loans, quarantine=path)
    assert read_table(path)["row"].to_list() == ["5", "6", "7"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = loans_csv.read_bytes()
    with pytest.raises(RecordsError, match="the file that is read"):
        load_records(loans_csv, loans, quarantine=loans_csv)
    assert loans_csv.read_bytes() == before


@pytest.mark.parametrize("name", ["loans.csv", "loans.csv.gz"])
def test_ragged_rows_are_quarantined_and_the_others_go_on(
    loans_csv: Path, loans: Catalogue, tmp_path: Path, name: str
) -> None:
    sound = load_records(loans_csv, loans)
    lines = loans_csv.read_text().splitlines()
    width = len(lines[0].split(","))
    text = "\n".join([lines[0], lines[1] + ",more", *lines[1:], "secret,short", ""])
    path = tmp_path / "ragged" / name
    path.parent.mkdir()
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    records, report = load_records(path, loans, quarantine=tmp_path / "bad.csv")
    assert np.array_equal(records.codes, sound[0].codes)
    assert report.rows_quarantined == sound[1].rows_quarantined + 2
    assert report.rows_read == report.rows_good + report.rows_quarantined == len(lines) + 1
    assert report.broken["(fields)", f"{width} expected"] == 2
    assert report.ignored == sound[1].ignored
    assert "secret" not in report.to_json()
    kept = read_table(tmp_path / "bad.csv").filter(pl.col("(fields)").is_not_null())
    assert kept.select("row", "reasons", "(fields)", "(row)").rows() == [
        ("1", f"(fields): {width} expected", str(width + 1), lines[1] + ",more"),
        (str(len(lines) + 1), f"(fields): {width} expected", "2", "secret,short"),
    ]
