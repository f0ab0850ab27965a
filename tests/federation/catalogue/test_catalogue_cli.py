"""`fedscore catalogue list | describe | check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from federation.catalogue import shipped_catalogues
from federation.catalogue.cli import app

ROWS = (
    "customer,outcome,age,sex,months_since_delay,balance,limit,income,contract,colour\n"
    "c1,repaid,34,f,-1,120.50,2000,2400,P,red\n"
    "c2,lost,51,m,3,1990,2000,,T,red\n"
)


@pytest.fixture
def files(tmp_path: Path, loans_toml: str) -> tuple[str, str]:
    (tmp_path / "loans.toml").write_text(loans_toml)
    (tmp_path / "loans.csv").write_text(ROWS)
    return str(tmp_path / "loans.toml"), str(tmp_path / "loans.csv")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_list() -> None:
    code, out, _ = run("list", "--json")
    assert code == 0
    assert [item["name"] for item in json.loads(out)] == list(shipped_catalogues())
    code, out, _ = run("list")
    assert code == 0
    assert "synthetic" in out


def test_describe() -> None:
    code, out, _ = run("describe", "taiwan", "--json")
    content = json.loads(out)
    assert code == 0
    assert content["purpose"] == "lending decisions"
    assert content["features"][0]["cells"][-1] == "missing"
    assert len(content["pairs"]) == 12
    code, out, _ = run("describe", "taiwan")
    assert code == 0
    assert "prohibited: religion" in out


def test_check_a_catalogue(files: tuple[str, str]) -> None:
    code, out, _ = run("check", files[0])
    assert code == 0
    assert "4 features" in out
    code, out, _ = run("check", files[0], "--json")
    assert json.loads(out)["ok"] is True


def test_check_data_counts_and_hides_values(files: tuple[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    code, out, _ = run("check", files[0], "--data", files[1], "--quarantine", str(bad))
    assert code == 0
    assert "2 read, 1 good, 1 quarantined" in out
    assert "ignored columns: colour" in out
    assert "lost" not in out
    assert f"bad rows written to {bad}" in out
    assert "outcome: target" in bad.read_text()
    _, out, _ = run("check", files[0], "--data", files[1], "--show-values")
    assert "lost" in out
    _, out, _ = run("check", files[0], "--data", files[1], "--json")
    assert json.loads(out)["data"]["rows"] == {"read": 2, "good": 1, "quarantined": 1}


def test_check_data_without_outcome_and_with_coverage(files: tuple[str, str]) -> None:
    code, out, _ = run("check", files[0], "--data", files[1], "--no-target", "--coverage", "income, contract")
    assert code == 0
    assert "2 good" in out
    assert "missing: income 1" in out


def test_refusals_exit_1(files: tuple[str, str], tmp_path: Path) -> None:
    code, _, err = run("check", "atlantis")
    assert code == 1
    assert "refused: atlantis" in err
    code, out, _ = run("describe", "atlantis", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    data = tmp_path / "religion.csv"
    data.write_text("Religion\nx\n")
    code, out, _ = run("check", files[0], "--data", str(data), "--json")
    assert code == 1
    assert "prohibited" in json.loads(out)["got"]


def test_wrong_usage_exits_2() -> None:
    assert run("check")[0] == 2
    assert run("check", "taiwan", "--quarantine", "bad.csv")[0] == 2


def test_quarantine_file_is_named_for_machines(files: tuple[str, str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    code, out, _ = run("check", files[0], "--data", files[1], "--quarantine", str(bad), "--json")
    assert code == 0
    assert json.loads(out)["data"]["quarantine_file"] == str(bad)


@pytest.mark.parametrize(
    "taken", ["loans.csv", "loans.toml", "link.csv", "dangling.csv", "other.csv", "absent/bad.csv"]
)
def test_quarantine_overwrites_nothing(files: tuple[str, str], tmp_path: Path, taken: str) -> None:
    (tmp_path / "link.csv").hardlink_to(files[1])
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.exists()}
    code, out, _ = run("check", files[0], "--data", files[1], "--quarantine", str(tmp_path / taken), "--json")
    assert code == 1
    assert json.loads(out)["where"] == str(tmp_path / taken)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.exists()} == before


@pytest.mark.parametrize(("old", "new", "hint"), [(",", ";", "semicolons"), ("income", "Income", "capitals")])
def test_a_missing_column_has_a_hint(files: tuple[str, str], old: str, new: str, hint: str) -> None:
    Path(files[1]).write_text(ROWS.replace(old, new))
    code, _, err = run("check", files[0], "--data", files[1])
    assert code == 1
    assert hint in err


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_blank_lines_at_the_end_are_no_rows(files: tuple[str, str], end: str) -> None:
    Path(files[1]).write_bytes((ROWS + end).encode())
    assert "2 read, 1 good, 1 quarantined" in run("check", files[0], "--data", files[1])[1]


def test_a_special_code_inside_the_range_is_refused(files: tuple[str, str]) -> None:
    path = Path(files[0])
    path.write_text(path.read_text().replace("code = -1", "code = 120"))
    code, _, err = run("check", files[0])
    assert code == 1
    assert "columns.months_since_delay.special: got 120, expected a code outside 0..120" in err
