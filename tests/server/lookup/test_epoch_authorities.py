"""Whether a federation asks with consent: from coordinator.toml into the proposal, and told by `epoch status`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from membership_world import make_coordinator
from typer.testing import CliRunner

from federation.errors import ConfigurationError
from protocols.errors import ProtocolError
from protocols.lookup.parameters import Parameters
from protocols.signing import SigningKey
from server.cli import app
from server.home import SETTINGS_FILE, CoordinatorHome
from server.lookup import desk as desk_module
from server.lookup.desk import desk
from server.lookup.proposals import Candidate, open_epoch

KEY = SigningKey.from_seed(bytes(32)).public.hex


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CoordinatorHome:
    monkeypatch.setattr(desk_module, "model_hash", lambda run: "22" * 32)
    return make_coordinator(tmp_path / "coordinator")


def opened(home: CoordinatorHome, authorities: str = "") -> CoordinatorHome:
    """The home with these lines in its settings, and an epoch opened from them."""
    with (home.path / SETTINGS_FILE).open("a") as settings:
        settings.write(authorities)
    again = CoordinatorHome.open(home.path)
    with desk(again) as at:
        terms = at.terms(Parameters(engine="mirror"), "run", oversight="", auditors=())
        members = [Candidate(name, SigningKey.generate().public.hex, 10) for name in ("aurora", "borealis", "castor")]
        open_epoch(at.record, again.signing_key, members, terms, time.time(), at.log_step)
    return again


def status(home: CoordinatorHome, *options: str) -> str:
    return CliRunner().invoke(app, ["epoch", "status", "--home", str(home.path), *options]).output


def test_a_federation_without_an_authority_says_that_it_asks_without_consent(home: CoordinatorHome) -> None:
    assert "WITHOUT the persons' consent" in status(opened(home))
    assert json.loads(status(home, "--json"))["consent"] == []


def test_a_named_authority_stands_in_the_proposal_and_in_the_status(home: CoordinatorHome) -> None:
    opened(home, f'\n[authorities]\n"e-id north" = "{KEY}"\n')
    assert "every question needs consent" in status(home)
    assert json.loads(status(home, "--json"))["consent"] == ["e-id north"]
    with desk(home) as at:
        current = at.record.current()
    assert current is not None
    assert current.proposal["authorities"] == {"e-id north": KEY}


@pytest.mark.parametrize("line", ['e-id = "no key"', f'"" = "{KEY}"', f'"a\\nb" = "{KEY}"', "e-id = 1"])
def test_what_names_no_authority_is_refused_where_it_stands(line: str, home: CoordinatorHome) -> None:
    with pytest.raises(ConfigurationError, match="authorities"):
        opened(home, f"\n[authorities]\n{line}\n")


def test_what_is_no_key_or_one_under_two_names_opens_no_epoch(home: CoordinatorHome) -> None:
    for number, lines in enumerate((f'e-id = "{"00" * 32}"', f'one = "{KEY}"\ntwo = "{KEY}"')):
        other = make_coordinator(home.path.parent / f"coordinator-{number}")
        with pytest.raises(ProtocolError):
            opened(other, f"\n[authorities]\n{lines}\n")
        with desk(other) as at:
            assert at.record.current() is None
