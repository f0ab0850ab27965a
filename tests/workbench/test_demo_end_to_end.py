"""The whole demonstration, small: real processes, real TLS, a report at the end, nothing left running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from test_demo_processes import marked

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore


@pytest.mark.integration
@pytest.mark.timeout(700)
def test_a_small_demonstration_from_first_to_last(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "federation.cli", "demo", "--out", str(out), "--persons", "6000"]
    done = subprocess.run(
        [*command, "--rounds", "2", "--force", "--json"], capture_output=True, timeout=560, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert marked(str(out)) == []

    summary = json.loads(done.stdout)
    on_disk = json.loads((out / "summary.json").read_text())
    assert summary == on_disk
    assert 0.5 < summary["auc"]["federated"] < summary["auc"]["central_additive"] + 0.02
    assert set(summary["auc"]) >= {"federated", "alone_best", "alone_mean", "central_boosting"}
    assert summary["data"]["oracle_left_out"] == 0
    assert summary["rounds"] == 2
    assert summary["seconds_to_first_round"] > 0

    # Two of the planned rounds and the evaluation: within the cap, read back from ledgers that verify.
    assert 0 < summary["epsilon"]["pld"] <= summary["epsilon_plan"]["pld"] <= 1.0
    assert summary["delta"] <= 1e-5
    for ledger in summary["ledgers"].values():
        assert ledger["verified"]
        assert ledger["entries"] == 6
        assert ledger["spent"] <= ledger["cap"]

    # What the coordinator may know is the public size, to two figures, and never the records held.
    for institution in summary["institutions"]:
        assert institution["nominal_records"] % 100 == 0
        assert institution["nominal_records"] != institution["records"]
    page = (out / "report.html").read_text()
    assert summary["model_hash"] in page
    card = json.loads((out / "card.json").read_text())
    assert card == json.loads((out / "coordinator" / "runs" / "demo" / "card.json").read_text())
    assert card["findings"]["metrics"]["auc"]["value"] == summary["card"]["auc"]["value"]
    assert card["model"]["model_hash"] in (out / "card.html").read_text()

    # Twenty private questions, answered as the plain sums say; nobody was told about whom; all is erased.
    lookup = summary["lookup"]
    assert lookup["correct"] == lookup["queries"] == 20
    assert lookup["outcomes"]["no_hit"] == 5
    assert sum(lookup["outcomes"].values()) == 20
    assert lookup["identifiers_found"] == 0
    assert lookup["erased"]
    assert set(lookup["tickets"].values()) == {20}
    assert 60_000 < lookup["bytes_down"] < lookup["bytes_up"] < 200_000
    assert 0.5 < lookup["auc_own"] < lookup["auc_joint"]
    evidence = json.loads((out / "evidence.json").read_text())["lookup"]
    assert {line["party"] for line in evidence["seen"]} == {"querier", "member", "relay", "pool"}
    assert all(item["correct"] for item in evidence["asked"])
    assert {item["members"] for item in evidence["asked"]} == {0, 1, 2, 3}
    assert not (out / "recording").exists()

    _check_oversight(out, summary)

    # No record of a person reaches the coordinator's home, nor the regulator's.
    persons = {line.split(",")[0] for line in _lines(out / "data" / "aurora.csv.gz")[1:51]}
    for file in (*(out / "coordinator").rglob("*"), *(out / "regulator").rglob("*"), out / "export.zip"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(person.encode() in content for person in persons), file


def _check_oversight(out: Path, summary: dict[str, Any]) -> None:
    """A regulator that cosigned every round holds all of it, and whoever has its export and policy can verify."""
    found = summary["oversight"]
    assert found["holds"]
    assert found["steps"] == found["steps_passed"] == 10
    assert found["quorum"]["witnesses"] == 4
    assert found["quorum"]["needed"] == 3
    assert found["quorum"]["cosigned"] >= 3
    assert set(found["epsilon"]) == set(summary["ledgers"])
    for name, amount in found["epsilon"].items():
        assert amount["pld"] == pytest.approx(summary["ledgers"][name]["spent"])
    assert {audit["institution"] for audit in found["audits"]} == set(summary["ledgers"])
    assert all(audit["passed"] and audit["requested"] for audit in found["audits"])
    assert [replay["matches"] for replay in found["replayed"]] == [True]
    assert (out / "verification.pdf").read_bytes().startswith(b"%PDF")
    assert "All ten steps hold" in (out / "verification.html").read_text()
    assert MirrorStore.open(RegulatorHome.open(out / "regulator").database_url).alerts() == []

    # Again, by a command, as anybody could; and one byte of the trail that is another fails.
    export, policy = out / "export.zip", out / "policy.toml"
    assert _verify(export, policy) == 0
    with ZipFile(export) as honest, ZipFile(out / "forged.zip", "w") as forged:
        for name in honest.namelist():
            data = honest.read(name)
            forged.writestr(
                name, data.replace(b'"round":1', b'"round":2', 1) if name.endswith("entries.jsonl") else data
            )
    assert _verify(out / "forged.zip", policy) == 1


def _verify(export: Path, policy: Path) -> int:
    command = [sys.executable, "-m", "federation.cli", "regulator", "verify", str(export), "--policy", str(policy)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode


def _lines(file: Path) -> list[str]:
    import gzip

    return gzip.decompress(file.read_bytes()).decode().splitlines()
