from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from membership_world import BUNDLE, NOW, admitted, make_coordinator, make_institution

from clients.institution.plan_store import Decision, PlanStore
from federation import cli
from server.train import PlanFile, prepare


def fedscore(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["fedscore", "institution", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_person_decides_on_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_institution(tmp_path / "a", "bank-a")
    members = [admitted(f"bank-{letter}", seed) for seed, letter in enumerate("ab")]
    coordinator = make_coordinator(tmp_path / "c")
    file = PlanFile(rounds=2, noise="local")
    plan = prepare(coordinator, members, file, run_id="spring", bundle_hash=BUNDLE, now=NOW.timestamp()).plan
    store = PlanStore.open(home.database_url)
    store.propose(plan, Decision.PENDING)

    assert fedscore(monkeypatch, "plans", "--home", home.path, "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["plan"], listed["decision"], listed["rounds"]) == (plan.hash, "pending", 2)
    assert listed["noise"] == "local"
    assert fedscore(monkeypatch, "approve", plan.hash[:12], "--home", home.path) == 0
    assert store.decision(plan.hash) is Decision.APPROVED
    assert fedscore(monkeypatch, "refuse", plan.hash, "--home", home.path) == 0
    assert store.decision(plan.hash) is Decision.REJECTED
    for wrong in (plan.hash[:4], "0" * 64):
        assert fedscore(monkeypatch, "approve", wrong, "--home", home.path) == 1
    assert fedscore(monkeypatch, "plans", "--home", home.path) == 0
    assert "spring" in capsys.readouterr().out
