"""`fedscore regulator` as a person and a machine use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import audited, honest, privacy
from oversight_lies import rewritten
from oversight_world import key_of, policy_values
from regulator_content import card_of, disputed
from typer.testing import CliRunner

from clients.regulator.cli import app
from clients.regulator.policy import Policy
from clients.regulator.policy_template import template
from clients.regulator.report import LIMITS, paired
from federation.audits.claimed import claims_of
from federation.audits.finding import Check
from federation.errors import ConfigurationError
from protocols.transparency import Statement

RUN = CliRunner()
(RUN_CLAIMED,) = claims_of(privacy(), "canary").checks[Check.CANARY_GOOD].values
*_, CLAIMED = claims_of(privacy(), "contract").checks[Check.COMPOSITION].values


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The test's policy, written into the template: every key of it is read."""
    values, text = policy_values(), template()
    for name, key in values["keys"].items():
        text = text.replace(f'{name} = ""', f'{name} = "{key}"', 1)
    listed = [f'[[witnesses]]\nname = "{w["name"]}"\nkey = "{w["key"]}"' for w in values["witnesses"][1:]]
    text = text.replace('key = ""', f'key = "{values["witnesses"][0]["key"]}"', 1)
    path = tmp_path / "policy.toml"
    path.write_text(text + "\n" + "\n".join(listed) + "\n")
    return path


def test_an_honest_export_exits_with_0(tmp_path: Path, policy: Path) -> None:
    path = honest().export(tmp_path / "export.zip")
    result = RUN.invoke(app, ["verify", str(path), "--policy", str(policy)])
    assert result.exit_code == 0, result.output
    assert "All steps hold" in result.output
    assert result.stderr == ""
    seen = result.output[result.output.index("[seen]") :]
    policy.write_text(policy.read_text() + seen)  # as a person would
    watched = RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--json"], env={"FORCE_COLOR": "1"})
    assert watched.exit_code == 0
    assert json.loads(watched.stdout)["holds"]
    for work in ("entries", "compositions"):  # a bar on the terminal that standard error is
        assert re.search(rf"{work}.*100%.*0:00:0", watched.stderr)


def test_a_lie_exits_with_1_and_names_step_and_entry(tmp_path: Path, policy: Path) -> None:
    world = rewritten(honest(), "bank-b", lambda entry: None if entry.sequence > 4 else entry)
    path = world.export(tmp_path / "export.zip")
    result = RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--json"])
    assert result.exit_code == 1
    verdict = json.loads(result.output)
    assert verdict["holds"] is False
    failed = [step for step in verdict["steps"] if step["outcome"] == "fails"]
    assert [step["number"] for step in failed] == [9]
    assert failed[0]["findings"][0]["index"] == world.find("round", 2)
    assert {"where", "got", "expected", "institution", "sequence"} < failed[0]["findings"][0].keys()


def test_the_report_says_who_what_and_what_it_does_not_show(tmp_path: Path, policy: Path) -> None:
    world = honest().inserted(28, audited("bank-a"))
    path = world.export(tmp_path / "export.zip")
    report = tmp_path / "report.html"
    result = RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--report", str(report)])
    assert result.exit_code == 0, result.output
    page = report.read_text()
    said = ("a run: epsilon 0.5294 at most, the policy allows 1", "3 rounds are stated, 0 updates were drawn")
    for text in (
        LIMITS,
        "All ten steps hold",
        "bank-a, bank-b, bank-c",
        "one record at one institution",
        f"{CLAIMED:.4f}",
        *said,
    ):
        assert text in page
    assert "<script" not in page
    assert "http://" not in page


def test_the_report_of_a_lie_escapes_what_it_quotes(tmp_path: Path, policy: Path) -> None:
    said = Statement.sign("audit-result", {"institution": "<script>alert(1)</script>", "passed": True}, key_of("x"))
    path = honest().inserted(28, said.entry.data).export(tmp_path / "export.zip")
    report = tmp_path / "report.html"
    assert RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--report", str(report)]).exit_code == 1
    assert "<script" not in report.read_text()
    assert "The first finding: step 2" in report.read_text()


@pytest.mark.parametrize("findings", [5, None, {"a": 1}, ["<script>"], [[1]]])
def test_the_report_of_a_replay_in_another_form(tmp_path: Path, policy: Path, findings: object) -> None:
    content = {"institution": "bank-a", "findings": findings, "draw": [1], "matches": "yes"}
    said = Statement.sign("replay-result", content, key_of("bank-a"))
    path = honest().inserted(28, said.entry.data).export(tmp_path / "export.zip")
    report = tmp_path / "report.html"
    assert RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--report", str(report)]).exit_code == 1
    assert "<script" not in report.read_text()
    assert "bit for bit" not in report.read_text()


def test_the_report_pairs_what_was_asked_with_every_answer() -> None:
    asked = [(3, "aa", {"institution": "bank-a", "deadline": 1_780_000_000}), (4, "bb", {"institution": "bank-b"})]
    answers = [(5, {"draw": "aa", "matches": False}), (6, {"draw": "aa", "matches": True}), (7, {"draw": "zz"})]
    found = list(paired(asked, answers, "draw", "deadline"))
    rows = [(row["asked"], row["at"], row["due"]) for row in found]
    due = "2026-05-28 20:26 UTC"
    assert rows == [(3, 5, due), (3, 6, due), (4, None, ""), (None, 7, "")]


@pytest.mark.parametrize(("seen", "late"), [(None, False), (1_780_000_000, False), (1_780_000_001, True)])
def test_an_answer_is_late_once_witnesses_looked_after_its_time(seen: int | None, late: bool) -> None:
    asked = [(3, "aa", {"deadline": 1_780_000_000}), (4, "bb", {"deadline": 1_780_000_000})]
    rows = list(paired(asked, [(5, {"draw": "aa"})], "draw", "deadline", seen))
    assert [row["late"] for row in rows] == [False, late]


def test_the_report_of_a_full_trail_shows_quality_fairness_audits_and_replays(tmp_path: Path, policy: Path) -> None:
    path, report = disputed().export(tmp_path / "export.zip"), tmp_path / "report.html"
    assert RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--report", str(report)]).exit_code == 1
    page = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", report.read_text()))
    card = card_of(disputed())["findings"]
    wanted = [
        f"{card['metrics']['auc']['value']:.3f} ± {card['metrics']['auc']['se']:.3f}",
        "Four-fifths rule on approvals",
        "does not hold",
        "2 of 10 steps do not hold: 8, 9. The first finding: step 8, log entry 65, bank-b: audit canary of bank-b",
        f"canary 65 {RUN_CLAIMED:.4f} {1.31 * RUN_CLAIMED:.4f} failed",
        "64 update_differs",
        "train round 2, attempt 1 – late",  # bank-c's
        "train round 2, attempt 1 – open",  # bank-b's
        "3 rounds are stated, 4 updates were drawn, 1 replays match",
        "1 audits were asked for, 1 of these passed",
    ]
    for text in wanted:
        assert text in page, text


def test_the_report_as_pdf(tmp_path: Path, policy: Path) -> None:
    path, report = honest().export(tmp_path / "export.zip"), tmp_path / "report.pdf"
    assert RUN.invoke(app, ["verify", str(path), "--policy", str(policy), "--report", str(report)]).exit_code == 0
    assert report.read_bytes().startswith(b"%PDF-")


def test_what_is_asked_wrongly_is_said(tmp_path: Path, policy: Path) -> None:
    path = honest().export(tmp_path / "export.zip")
    for arguments in (
        ["verify", str(tmp_path / "none.zip"), "--policy", str(policy)],
        ["verify", str(path), "--policy", str(tmp_path / "none.toml")],
        ["verify", str(path), "--policy", str(policy), "--report", "report.docx"],
        ["export", "--out", str(tmp_path / "out.zip")],
        ["policy", "--out", str(policy)],
    ):
        result = RUN.invoke(app, arguments)
        assert isinstance(result.exception, ConfigurationError), result.output


def test_export_of_a_folder(tmp_path: Path) -> None:
    import zipfile

    path = honest().export(tmp_path / "export.zip")
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    out = tmp_path / "again.zip"
    result = RUN.invoke(app, ["export", "--folder", str(tmp_path / "folder"), "--out", str(out)])
    assert result.exit_code == 0
    assert "28 entries" in result.output
    assert out.read_bytes() == path.read_bytes()


def test_an_export_replaces_nothing_that_it_was_not_told_to(tmp_path: Path) -> None:
    import zipfile

    path = honest().export(tmp_path / "export.zip")
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    out = tmp_path / "again.zip"
    out.write_bytes(b"evidence")
    words = ["export", "--folder", str(tmp_path / "folder"), "--out", str(out)]
    assert "--overwrite" in str(RUN.invoke(app, words).exception)
    assert out.read_bytes() == b"evidence"
    assert RUN.invoke(app, [*words, "--overwrite"]).exit_code == 0
    assert out.read_bytes() == path.read_bytes()


def test_a_policy_that_is_not_filled_in_names_the_key(tmp_path: Path) -> None:
    out = tmp_path / "policy.toml"
    assert RUN.invoke(app, ["policy", "--out", str(out)]).exit_code == 0
    with pytest.raises(ConfigurationError, match=r"policy\.toml: keys\.log"):
        Policy.read(out)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"keys": {"log": "x"}}, "keys"),
        ({"caps": {"run": -1.0}}, "caps"),
        ({"witnesses": []}, "witnesses"),
        ({"faults": 2}, "quorum.faults"),
        ({"surprise": 1}, "surprise"),
        ({"seen": {"size": 1, "root": "zz"}}, "seen.root"),
        ({"accounting": {"agreement": 0.0}}, "accounting.agreement"),
        ({"accounting": {"seed": "no hexadecimal"}}, "accounting.seed"),
    ],
)
def test_a_policy_that_cannot_hold_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Policy.of({**policy_values(), **change})
    assert where in error.value.where


def test_a_witness_named_twice_is_refused() -> None:
    values = policy_values()
    values["witnesses"][1]["name"] = values["witnesses"][2]["name"]
    with pytest.raises(ConfigurationError, match="one name twice"):
        Policy.of(values)


def test_the_template_is_toml() -> None:
    assert tomllib.loads(template())["caps"]["run"] == 1.0


def test_help_waits_for_no_library_that_it_does_not_need() -> None:
    script = """
import sys
from typer.testing import CliRunner
from clients.regulator.cli import app
assert "verify" in CliRunner().invoke(app, ["--help"]).output
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    heavy = {"numpy", "scipy", "sqlalchemy", "alembic", "polars", "httpx", "starlette", "google", "jinja2", "flwr"}
    assert not heavy & set(done.stdout.split())
