"""A data file that cannot be used is refused when the home is made, and explained when the node cannot start on it."""

from __future__ import annotations

import gzip
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clients.institution.cli import app
from clients.institution.explaining import explain
from clients.institution.home import InstitutionHome
from federation.cli import main as fedscore
from federation.errors import RecordsError
from federation.runtime.processes import python_module
from federation.synthetic.cli import app as synth


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    done = CliRunner().invoke(synth, ["--out", str(folder), "--persons", "600", "--institutions", "1"])
    assert done.exit_code == 0, done.output
    [packed] = folder.glob("*.csv.gz")
    (folder / "good.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    return folder / "good.csv"


def with_column(file: Path, name: str) -> str:
    header, *rows = file.read_text().splitlines()
    return "\n".join([f"{header},{name}", *[f"{row},x" for row in rows]]) + "\n"


def header_only(file: Path) -> str:
    return file.read_text().splitlines()[0] + "\n"


def without_good_rows(file: Path) -> str:
    header, *rows = file.read_text().splitlines()
    return "\n".join([header, *[re.sub(r"[^,]+", "zz", row) for row in rows]]) + "\n"


def made(folder: Path, data: Path) -> InstitutionHome:
    """A home on `data`, made while it was good."""
    words = ["--home", str(folder / "home"), "--name", "bank-a", "--catalogue", "synthetic", "--data", str(data)]
    done = CliRunner().invoke(app, ["init", *words])
    if done.exception is not None:
        raise done.exception
    return InstitutionHome.open(folder / "home")


BAD = [
    (lambda file: with_column(file, "religion"), "column religion: got a prohibited attribute"),
    (header_only, "got a header and no rows, expected at least one good row"),
    (without_good_rows, r"got no good row of \d+ \(.*: \d+.*\), expected at least one good row"),
]


@pytest.mark.parametrize(("spoilt", "said"), BAD)
def test_no_home_is_made_for_a_file_that_cannot_be_used(tmp_path: Path, good: Path, spoilt: object, said: str) -> None:
    data = tmp_path / "data.csv"
    data.write_text(spoilt(good))  # type: ignore[operator]
    with pytest.raises(RecordsError, match=said):
        made(tmp_path, data)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("spoilt", "said"), BAD)
def test_the_terminal_is_told_what_is_wrong_and_nothing_else_is(
    tmp_path: Path, good: Path, spoilt: object, said: str
) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(good.read_bytes())
    home = made(tmp_path, data)
    data.write_text(spoilt(good))  # type: ignore[operator]
    kept = io.StringIO()
    assert explain(home.path, kept) == 1  # a journal: the command, and no text of the error
    assert kept.getvalue() == f"  to see it again: fedscore catalogue check synthetic --data {data}\n"
    master, slave = pty.openpty()
    done = subprocess.run(python_module("clients.institution.explaining", str(home.path)), stderr=slave, check=False)
    os.close(slave)
    assert done.returncode == 1
    assert re.search(said, re.sub(r"\s+", " ", os.read(master, 10_000).decode()))
    os.close(master)


def test_a_file_of_which_all_is_well_is_explained_away(tmp_path: Path, good: Path) -> None:
    kept = io.StringIO()
    assert explain(made(tmp_path, good).path, kept) == 0
    assert kept.getvalue() == ""


def test_the_check_of_a_catalogue_refuses_what_has_no_good_row(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, spoilt in enumerate((header_only, without_good_rows)):
        data = tmp_path / f"{number}.csv"
        data.write_text(spoilt(good))
        monkeypatch.setattr(sys, "argv", ["fedscore", "catalogue", "check", "synthetic", "--data", str(data)])
        with pytest.raises(SystemExit) as ended:
            fedscore()
        shown = capsys.readouterr()
        assert ended.value.code == 1
        assert "0 good" in shown.out
        assert "expected at least one good row" in shown.err
