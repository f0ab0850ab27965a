"""What `make demo` left, from first to last: a model, a report, proofs that verify, nothing running.

`make soak` plays the demonstration first; nothing here plays it again.
"""

from __future__ import annotations

import gzip
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

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(700)]
OUT = Path(__file__).resolve().parents[2] / "out" / "demo"
ROUNDS = 32  # of recipe GP


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    file = OUT / "summary.json"
    assert file.exists(), f"no {file}: `make demo` first"
    found: dict[str, Any] = json.loads(file.read_text())
    assert found["catalogue"]["name"] == "synthetic", "another demonstration was played since: `make demo` first"
    return found


def test_nothing_is_left_running(summary: dict[str, Any]) -> None:
    assert marked(str(OUT)) == []


def test_the_model_is_better_than_anybodys_alone_and_paid_for(summary: dict[str, Any]) -> None:
    assert 0.5 < summary["auc"]["federated"] < summary["auc"]["central_additive"] + 0.02
    assert set(summary["auc"]) >= {"federated", "alone_best", "alone_mean", "central_boosting"}
    assert summary["data"]["oracle_left_out"] == 0
    assert summary["rounds"] == ROUNDS
    assert summary["seconds_to_first_round"] > 0

    # The planned rounds and the evaluation: within the cap, read back from ledgers that verify.
    assert 0 < summary["epsilon"]["pld"] <= summary["epsilon_plan"]["pld"] <= 1.0
    assert summary["delta"] <= 1e-5
    for ledger in summary["ledgers"].values():
        assert ledger["verified"]
        assert ledger["entries"] == 2 * (ROUNDS + 1)
        assert ledger["spent"] <= ledger["cap"]


def test_the_coordinator_saw_sums_alone_and_everybody_computed_the_model_again(summary: dict[str, Any]) -> None:
    assert (summary["noise"], summary["recipe"]) == ("secagg", "gp")
    seen = summary["masked"]
    assert (seen["rounds"], seen["members"], seen["survivors"]) == (ROUNDS, 3, 3)
    assert seen["received_p"] > 1e-6 > seen["bare_p"]
    evidence = json.loads((OUT / "evidence.json").read_text())["masked"]
    assert {row["stage"] for row in evidence["rounds"]} == {"histogram", "mains", "pairs", "calibration"}
    assert all(row["received_p"] > 1e-8 for row in evidence["rounds"])
    for again in summary["recomputed"].values():
        assert (again["follows"], again["rounds"], again["own"]) == (True, ROUNDS, ROUNDS)
    # Shared noise: whoever is known to all three moves one sum three times.
    assert summary["epsilon_person"]["3"]["pld"] > 3 * summary["epsilon_plan"]["pld"]
    assert "What did the coordinator see, round by round?" in (OUT / "report.html").read_text()


def test_pages_and_card_are_of_this_model(summary: dict[str, Any]) -> None:
    # What the coordinator may know is the public size, to two figures, and never the records held.
    for institution in summary["institutions"]:
        assert institution["nominal_records"] % 100 == 0
        assert institution["nominal_records"] != institution["records"]
    page = (OUT / "report.html").read_text()
    assert summary["model_hash"] in page
    card = json.loads((OUT / "card.json").read_text())
    assert card == json.loads((OUT / "coordinator" / "runs" / "demo" / "card.json").read_text())
    assert card["findings"]["metrics"]["auc"]["value"] == summary["card"]["auc"]["value"]
    assert card["model"]["model_hash"] in (OUT / "card.html").read_text()


def test_private_questions_are_answered_as_the_plain_sums_say_and_all_is_erased(summary: dict[str, Any]) -> None:
    lookup = summary["lookup"]
    assert lookup["correct"] == lookup["queries"] == 20
    assert lookup["outcomes"]["no_hit"] == 5
    assert sum(lookup["outcomes"].values()) == 20
    assert lookup["identifiers_found"] == 0
    assert lookup["erased"]
    assert set(lookup["tickets"].values()) == {21}  # one of them around a node
    assert 60_000 < lookup["bytes_down"] < lookup["bytes_up"] < 200_000
    assert 0.5 < lookup["auc_own"] < lookup["auc_joint"]
    evidence = json.loads((OUT / "evidence.json").read_text())["lookup"]
    assert {line["party"] for line in evidence["seen"]} == {"querier", "member", "relay", "pool"}
    assert all(item["correct"] for item in evidence["asked"])
    assert {item["members"] for item in evidence["asked"]} == {0, 1, 2, 3}
    assert not (OUT / "recording").exists()


def test_permission_and_rights_hold_and_tell_one_story(summary: dict[str, Any]) -> None:
    consent, check, asked = summary["consent"], summary["spot_check"], summary["inquiries"]
    assert consent["authorities"] == ["e-id"]
    assert consent["refused"] == {"no receipt": "missing", "a revoked receipt": "revoked"}
    assert all(summary[name]["holds"] for name in ("consent", "spot_check", "inquiries", "blind", "dispute"))
    bypasser = check["bypassed"]["institution"]
    assert {name: rules for name, rules in check["broken"].items() if rules} == {bypasser: ["unknown_key"]}
    assert sum(check["opened"].values()) == sum(check["drawn"].values()) >= 17
    assert (asked["asked"], asked["not_asked"]) == (21, 0)
    kinds = {each["querier"]: each["inquiry"] for each in asked["found"]}
    assert sorted(kinds.values()) == ["hard", "unknown"]
    assert kinds[bypasser] == "unknown"
    case, blind = summary["dispute"], summary["blind"]
    assert {name for name, there in case["delivered"].items() if there} == set(kinds) == set(case["read"])
    assert case["institution"] not in kinds
    assert case["score_after"] > case["score_before"]
    assert (case["steps"], case["after_epoch"]) == (["opened", "corrected", "notified", "told"], 1)
    assert 0 <= blind["difference"] <= blind["plus_minus"] + 0.01
    assert (blind["answered"], blind["left"]) == (1, blind["lifetime"] - 1)
    assert blind["lifetime"] < blind["smallest_part"]
    assert 'id="rights"' in (OUT / "report.html").read_text()


def test_no_record_of_a_person_reaches_the_coordinators_home_nor_the_regulators(summary: dict[str, Any]) -> None:
    persons = {line.split(",")[0] for line in _lines(OUT / "data" / "aurora.csv.gz")[1:51]}
    for file in (*(OUT / "coordinator").rglob("*"), *(OUT / "regulator").rglob("*"), OUT / "export.zip"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(person.encode() in content for person in persons), file


def test_a_regulator_holds_all_of_it_and_anybody_can_verify(summary: dict[str, Any], tmp_path: Path) -> None:
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
    assert (OUT / "verification.pdf").read_bytes().startswith(b"%PDF")
    assert "All ten steps hold" in (OUT / "verification.html").read_text()
    assert MirrorStore.open(RegulatorHome.open(OUT / "regulator").database_url).alerts() == []

    # Again, by a command, as anybody could; and one byte of the trail that is another fails.
    export, policy = OUT / "export.zip", OUT / "policy.toml"
    assert _verify(export, policy) == 0
    with ZipFile(export) as honest, ZipFile(tmp_path / "forged.zip", "w") as forged:
        for name in honest.namelist():
            data = honest.read(name)
            forged.writestr(
                name, data.replace(b'"round":1', b'"round":2', 1) if name.endswith("entries.jsonl") else data
            )
    assert _verify(tmp_path / "forged.zip", policy) == 1


def _verify(export: Path, policy: Path) -> int:
    command = [sys.executable, "-m", "federation.cli", "regulator", "verify", str(export), "--policy", str(policy)]
    return subprocess.run(command, capture_output=True, timeout=300, check=False).returncode


def _lines(file: Path) -> list[str]:
    return gzip.decompress(file.read_bytes()).decode().splitlines()
