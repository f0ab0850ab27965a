"""`fedscore institution audit`: a signed result, on the regulator's request or one's own seed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from membership_world import make_institution
from sum_subjects import sum_plan
from typer.testing import CliRunner, Result

from benchmarks.audits import training_plan
from clients.institution import audits
from clients.institution.audit_cli import app
from clients.institution.audits import Requested, kept
from clients.institution.home import InstitutionHome
from clients.institution.plan_store import Decision, PlanStore
from clients.institution.training import make_trainer
from federation.audits import Check
from federation.errors import ConfigurationError
from federation.oversight.audits import AuditRequest, AuditResult, audit_rows
from federation.privacy import NoiseSource, SeededNoise
from federation.privacy.omission import omission
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement

REGULATOR = SigningKey.from_seed(b"r" * 32)
RUNNER = CliRunner(env={"COLUMNS": "200", "FEDSCORE_HOME": ""})
SEED = "5e" * 32


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> InstitutionHome:
    """A home without any records, which was shown one plan."""
    made = make_institution(tmp_path_factory.mktemp("audits") / "bank-a", "bank-a")
    PlanStore.open(made.database_url).propose(training_plan(1.0), Decision.APPROVED)
    return made


def run(home: InstitutionHome, *words: object) -> Result:
    return RUNNER.invoke(app, ["--home", str(home.path), *map(str, words)])


def request_file(folder: Path, **changes: Any) -> Path:
    values = {"institution": "bank-a", "kind": "one-run", "plan_hash": training_plan(1.0).hash, "seed": SEED}
    asked = AuditRequest(**{**values, "expires": int(time.time()) + 600, **changes})
    path = folder / "request.json"
    path.write_bytes(asked.sign(REGULATOR).data + b"\n")
    return path


def test_a_contract_is_signed_and_kept_for_the_log(home: InstitutionHome) -> None:
    ran = run(home, "--kind", "contract", "--seed", SEED, "--json")
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    entry = next(entry for entry in kept(home) if entry.hash.hex() in said["file"])
    statement = Statement.read(entry)
    assert statement.signer == home.signing_key.public
    result = AuditResult.from_json(statement.content)
    assert (result.kind, result.seed, result.request, result.passed) == ("contract", SEED, None, True)
    assert result.plan_hash == training_plan(1.0).hash
    assert 0 < result.claimed < 1
    assert result.claimed == pytest.approx(result.measured, rel=0.02)
    assert said["seconds"] > 0


def test_a_request_decides_everything_and_is_answered(home: InstitutionHome, tmp_path: Path) -> None:
    path = request_file(tmp_path)
    ran = run(home, "--request", path, "--json")
    assert ran.exit_code == 0, ran.output
    asked = Requested.read(path, "bank-a", now=time.time())
    answer = next(entry for entry in kept(home) if entry.hash.hex() in json.loads(ran.stdout)["file"])
    entries = [asked.request.sign(REGULATOR), answer]
    (row,) = audit_rows(enumerate(entries), {"bank-a": home.signing_key.public}, REGULATOR.public)
    assert (row.asked, row.place, row.red) == (0, 1, False)
    assert row.result is not None
    assert row.result.confidence == 0.99


@pytest.mark.parametrize("kind", ["contract", "canary", "one-run"])
def test_a_plan_of_sums_is_audited_stage_by_stage(tmp_path: Path, kind: str) -> None:
    """With what a missing share would cost, where noise is shared."""
    made = make_institution(tmp_path / "bank-a", "bank-a", catalogue="taiwan")
    PlanStore.open(made.database_url).propose(sum_plan(), Decision.APPROVED)
    ran = run(made, "--kind", kind, "--seed", SEED)
    assert ran.exit_code == 0, ran.output
    assert f"Shared noise: {omission(sum_plan().privacy)}." in ran.stdout
    (result,) = [AuditResult.from_json(Statement.read(entry).content) for entry in kept(made)]
    assert result.passed
    assert {finding.stage for finding in result.findings} == (
        {None, "histogram", "mains", "pairs", "calibration"} if kind == "contract" else {None}
    )


def test_a_trainer_at_fault_fails_and_its_result_is_signed_all_the_same(
    home: InstitutionHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted in the one function that makes trainers, for rounds and for audits."""

    def at_fault(catalogue: Any, plan: Any, nominal_records: int, noise: NoiseSource) -> Any:
        return make_trainer(catalogue, plan, nominal_records, SeededNoise(7))

    monkeypatch.setattr(audits, "make_trainer", at_fault)
    ran = run(home, "--kind", "contract")
    assert ran.exit_code == 1
    assert "FAILED" in ran.stdout
    assert "nobody asked for it" in ran.stdout
    results = [AuditResult.from_json(Statement.read(entry).content) for entry in kept(home)]
    (failed,) = [result for result in results if not result.passed]
    assert Check.ROUNDS.value in failed.failed


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "--kind"),
        (("--kind", "contract", "--seed", "5E" * 32), "--seed"),
        (("--kind", "contract", "--seed", "xyz"), "--seed"),
        (("--kind", "contract", "--plan", "ffff"), "--plan"),
    ],
)
def test_wrong_usage_is_named(home: InstitutionHome, words: tuple[str, ...], named: str) -> None:
    ran = run(home, *words)
    assert isinstance(ran.exception, ConfigurationError)
    assert ran.exception.where == named


@pytest.mark.parametrize(
    ("changes", "named"), [({"institution": "bank-b"}, "institution"), ({"expires": 1_000}, "expires")]
)
def test_requests_to_others_or_of_yesterday_are_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Requested.read(request_file(tmp_path, **changes), "bank-a", now=time.time())


def test_files_that_are_no_request_are_refused(home: InstitutionHome, tmp_path: Path) -> None:
    path = request_file(tmp_path)
    ran = run(home, "--request", path, "--kind", "contract")
    assert isinstance(ran.exception, ConfigurationError)
    for data in (b"", b"{}", path.read_bytes().replace(b"one-run", b"canary"), Entry("model", b"{}").data):
        path.write_bytes(data)
        with pytest.raises(ConfigurationError):
            Requested.read(path, "bank-a", now=time.time())
    with pytest.raises(ConfigurationError, match="absent"):
        Requested.read(tmp_path / "absent", "bank-a", now=time.time())
