"""The demonstration's regulator: a policy that demands what was agreed, and figures that are the verdict's."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clients.regulator.home import RegulatorHome
from clients.regulator.policy import Policy
from clients.regulator.settings import settings_text
from federation.errors import ConfigurationError
from protocols.signing import SigningKey
from workbench.demo.cast import Terms
from workbench.demo.oversight import evidence, summary
from workbench.demo.regulator import Overseen, completed

NAMES = ("aurora", "borealis", "cassiopeia")
WITNESSES = {name: SigningKey.from_seed(bytes([i]) * 32).public.hex for i, name in enumerate(NAMES)}


@pytest.fixture
def home(tmp_path: Path) -> RegulatorHome:
    text = settings_text(
        name="regulator",
        log_url="https://127.0.0.1:9095",
        log_authority="",
        port=9390,
        written=datetime.fromtimestamp(0, UTC),
    )
    log, coordinator = (SigningKey.from_seed(bytes([i]) * 32).public for i in (8, 9))
    return RegulatorHome.create(tmp_path / "regulator", text, log=log, coordinator=coordinator)


def policy_of(home: RegulatorHome, terms: Terms, seed: str = "ab" * 16) -> Policy:
    text = completed((home.path / "policy.toml").read_text(), terms, WITNESSES, seed)
    return Policy.of(tomllib.loads(text))


def test_a_completed_policy_has_the_caps_and_a_quorum_of_three_with_the_regulator(home: RegulatorHome) -> None:
    policy = policy_of(home, Terms(epsilon=0.5))
    assert (policy.caps.run, policy.caps.year, policy.caps.lifetime) == (0.5, 1.5, 5.0)
    assert policy.caps.delta == 1e-5
    assert policy.accounting.seed == "ab" * 16
    assert [witness.name for witness in policy.witnesses] == ["regulator", *NAMES]
    assert (policy.quorum.size, policy.quorum.faults) == (3, 1)
    assert [witness.key.hex for witness in policy.quorum.required] == [home.witness_key.public.key.hex]
    assert policy.keys == home.policy.keys


def test_a_seed_that_is_none_is_not_swallowed(home: RegulatorHome) -> None:
    with pytest.raises(ConfigurationError, match="seed"):
        policy_of(home, Terms(), seed="no hexadecimal")


def verdict(**changes: Any) -> dict[str, Any]:
    amounts = [
        {"scope": "lifetime", "key": "", "delta": 1e-5, "cap": 10.0, "pld": 9.0, "prv": 9.0, "rdp": 9.0, "order": 3},
        {"scope": "run", "key": "demo", "delta": 1e-5, "cap": 1.0, "pld": 0.7, "prv": 0.71, "rdp": 0.8, "order": None},
    ]
    audit = {"institution": "aurora", "kind": "contract", "claimed": 0.4, "measured": 0.5, "passed": False, "index": 7}
    steps = [
        {"number": number, "title": f"step {number}", "outcome": outcome, "facts": ["a fact"], "findings": []}
        for number, outcome in enumerate(("holds", "fails", "not judged"), 1)
    ]
    return {
        "holds": False,
        "steps": steps,
        "checkpoint": {"size": 42, "quorum": {"witnesses": 4, "needed": 3, "cosigned": 4}},
        "account": {
            "entries": {"plan": 1},
            "ledgers": [{"institution": "aurora", "amounts": amounts}],
            "audits": [{**audit, "request": None}, {**audit, "request": "aa" * 32}],
            "replays": [],
        },
    } | changes


def test_figures_are_those_of_the_verdict() -> None:
    found = summary(Overseen(verdict(), 6.125, 1000), "demo")
    assert (found["holds"], found["steps"], found["steps_passed"], found["entries"]) == (False, 3, 1, 42)
    assert found["epsilon"] == {"aurora": {"pld": 0.7, "prv": 0.71, "rdp": 0.8, "delta": 1e-5, "cap": 1.0}}
    assert [audit["requested"] for audit in found["audits"]] == [False, True]
    assert found["audits"][0]["passed"] is False
    assert found["replayed"] == []
    shown = evidence(Overseen(verdict(), 6.125, 1000))
    assert [step["outcome"] for step in shown["steps"]] == ["holds", "fails", "not judged"]
