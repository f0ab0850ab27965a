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
