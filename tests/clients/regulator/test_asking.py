"""A draw or a request that names nothing is refused before it is signed: the log would keep it for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from oversight_federation import make_plan
from oversight_replays import Replayed, replayed
from oversight_world import NOW, World, key_of
from regulator_world import fill, regulator_home, trained
from typer.testing import CliRunner

from clients.regulator.asking import Askable
from clients.regulator.cli import app
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.verify import verify
from federation.errors import ConfigurationError
from federation.oversight.audits import AuditRequest
from federation.oversight.replay import Place

PLAN = make_plan(replay=True).hash
DRAW = {"--institution": "bank-b", "--run": "spring", "--round": "1"}
REQUEST = {"--institution": "bank-b", "--kind": "contract", "--plan": PLAN}


@pytest.fixture
def home(tmp_path: Path) -> RegulatorHome:
    """Nobody serves its log: what is signed is kept, and the command fails only afterwards."""
    opened = regulator_home(tmp_path)
    fill(opened, trained())
    return opened


def ask(home: RegulatorHome, command: str, options: dict[str, str]) -> BaseException | None:
    words = [word for option in options.items() for word in option]
    return CliRunner().invoke(app, [command, "--home", str(home.path), *words]).exception


@pytest.mark.parametrize(
    ("wrong", "where", "expected"),
    [
        ({"--institution": "bank-q"}, "--institution", "bank-a or bank-b or bank-c"),
        ({"--run": "sprign"}, "--run", "spring"),
        ({"--round": "99"}, "--round", "1 to 2, the rounds of spring"),
        ({"--round": "0"}, "--round", "1 to 2, the rounds of spring"),
        ({"--attempt": "7"}, "--attempt", "1 for train round 1 of spring at bank-b"),
        ({"--phase": "evaluate"}, "--round", "0: a run has one evaluation"),
        (
            {"--phase": "evaluate", "--round": "0"},
            "evaluate round 0 of spring at bank-b",
            "a run that can be replayed",
        ),
    ],
)
def test_a_draw_of_nothing_is_refused_and_not_signed(
    home: RegulatorHome, wrong: dict[str, str], where: str, expected: str
) -> None:
    error = ask(home, "draw", DRAW | wrong)
    assert isinstance(error, ConfigurationError)
    assert (error.where, error.expected) == (where, expected)
    assert MirrorStore.open(home.database_url).said() == []


@pytest.mark.parametrize(
    ("wrong", "where", "expected"),
    [
        ({"--institution": "bank-q"}, "--institution", "bank-a or bank-b or bank-c"),
        ({"--plan": "ab" * 32}, "--plan", f"{PLAN} (spring)"),
    ],
)
def test_a_request_for_nothing_is_refused_and_not_signed(
    home: RegulatorHome, tmp_path: Path, wrong: dict[str, str], where: str, expected: str
) -> None:
    error = ask(home, "request", REQUEST | wrong | {"--out": str(tmp_path / "request.json")})
    assert isinstance(error, ConfigurationError)
    assert (error.where, error.expected) == (where, expected)
    assert MirrorStore.open(home.database_url).said() == []


def test_what_the_log_shows_is_signed(home: RegulatorHome, tmp_path: Path) -> None:
    """Kept, to be sent by `watch`: the log is away."""
    ask(home, "draw", DRAW)
    ask(home, "request", REQUEST | {"--out": str(tmp_path / "request.json")})
    kinds = {said.kind for said in MirrorStore.open(home.database_url).said()}
    assert kinds == {"draw", "audit-request"}


def test_an_attempt_that_was_only_committed_to_is_refused() -> None:
    """A commitment is made ahead of time; the round may never come."""
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    there = Askable.of(federation.entries)
    there.check_draw("bank-a", Place("spring", "train", 2, 1))
    with pytest.raises(ConfigurationError, match=r"--attempt: got 2, expected 1 for"):
        there.check_draw("bank-a", Place("spring", "train", 2, 2))


def test_a_round_that_cannot_be_computed_again_is_refused() -> None:
    federation = Replayed(skip=("bank-a", "bank-b", "bank-c"))
    federation.enrol()
    federation.run(make_plan())
    with pytest.raises(ConfigurationError, match="no commitment in the log"):
        Askable.of(federation.entries).check_draw("bank-a", Place("spring", "train", 1, 1))


def test_an_empty_copy_has_nothing_to_ask_for(tmp_path: Path) -> None:
    error = ask(regulator_home(tmp_path), "draw", DRAW)
    assert isinstance(error, ConfigurationError)
    assert error.where == "copy of the log"


@pytest.mark.parametrize(("institution", "plan"), [("bank-q", PLAN), ("bank-b", "ab" * 32)])
def test_a_request_for_nothing_that_is_logged_is_held_against_nobody(
    tmp_path: Path, institution: str, plan: str
) -> None:
    federation = replayed()
    federation.say(AuditRequest(institution, "canary", plan, "cd" * 32, NOW).sign(key_of("regulator")).data)
    world = World(tuple(federation.entries), federation.documents)
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds, verdict.first
    assert any(note.startswith(f"audit canary of {institution}") for note in verdict.step(8).notes)


def test_a_request_that_can_be_answered_is_due(tmp_path: Path) -> None:
    federation = replayed()
    federation.say(AuditRequest("bank-b", "canary", PLAN, "cd" * 32, NOW).sign(key_of("regulator")).data)
    world = World(tuple(federation.entries), federation.documents)
    assert not verify(world.export(tmp_path / "e.zip"), world.policy()).holds
