"""`fedscore coordinator epoch`: what it says, and what it refuses; the supervisor starts a pool only when wanted."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from membership_world import admitted, make_coordinator
from typer.testing import CliRunner

from federation.errors import ConfigurationError, Refused
from federation.runtime.processes import Child, Supervisor
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from protocols.signing import SigningKey
from server.cli import app
from server.home import CoordinatorHome
from server.lookup import desk as desk_module
from server.lookup import proposals
from server.lookup.desk import desk, line
from server.lookup.folders import LookupFolders
from server.lookup.hosting import conduct
from server.lookup.progress import Progress, ProgressFile, Trouble, progress_of
from server.lookup.proposals import Candidate, Terms, open_epoch
from server.serve import children


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    return make_coordinator(tmp_path / "coordinator")


def open_with(home: CoordinatorHome, *names: str) -> None:
    with desk(home) as at:
        terms = Terms(
            Parameters(engine="mirror"),
            "11" * 32,
            "22" * 32,
            at.home.log_key.public.key.hex,
            at.folders.pool_key().public.hex,
        )
        members = [Candidate(name, SigningKey.generate().public.hex, 10) for name in names]
        open_epoch(at.record, home.signing_key, members, terms, 1.0, at.log_step)


def test_status_names_who_is_waited_for(home: CoordinatorHome) -> None:
    runner = CliRunner()
    told = runner.invoke(app, ["epoch", "status", "--home", str(home.path)])
    assert "no epoch yet" in told.output
    open_with(home, "aurora", "borealis", "castor")
    told = runner.invoke(app, ["epoch", "status", "--home", str(home.path), "--json"])
    view = json.loads(told.output)
    assert view["phase"] == "keys"
    assert {wait["party"] for wait in view["waiting"]} == {"aurora", "borealis", "castor"}
    assert "waiting for aurora: commit" in line(view)
    with desk(home) as at:
        current = at.record.current()
        assert current is not None
        assert view["roster"] == roster_fingerprint(current.proposal)
    told = runner.invoke(app, ["epoch", "status", "--home", str(home.path)])
    assert view["roster"] in told.output
    closed = runner.invoke(app, ["epoch", "close", "--home", str(home.path), "--json"])
    assert json.loads(closed.output)["phase"] == "closing"


def test_the_proposal_is_in_the_log(home: CoordinatorHome) -> None:
    open_with(home, "aurora", "borealis", "castor")
    with desk(home) as at:
        [(_, entry)] = at.log.entries(0, 10, "lookup-step").entries
    assert json.loads(entry)["body"]["kind"] == "propose"


def test_open_wants_a_finished_run_and_known_members(home: CoordinatorHome) -> None:
    told = CliRunner().invoke(app, ["epoch", "open", "--home", str(home.path), "--run", "none"])
    assert isinstance(told.exception, ConfigurationError)
    assert "no published model" in told.exception.got
    with desk(home) as at, pytest.raises(ConfigurationError):
        at.candidates({"stranger": 5})
    with pytest.raises(Refused):
        open_with(home, "aurora", "borealis")


def test_customers_that_nobody_attests_are_twice_the_nominal_records(
    home: CoordinatorHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SimpleNamespace(admitted=lambda: (admitted("aurora", 1), admitted("borealis", 2)), close=lambda: None)
    monkeypatch.setattr(desk_module, "MembershipStore", SimpleNamespace(open=lambda url: store))
    with desk(home) as at:
        candidates = at.candidates({"borealis": 70_000})
    assert [candidate.customers for candidate in candidates] == [20_000, 70_000]


def test_a_purpose_that_the_catalogue_does_not_serve_opens_no_epoch(home: CoordinatorHome) -> None:
    told = CliRunner().invoke(
        app, ["epoch", "open", "--home", str(home.path), "--run", "none", "--purpose", "marketing"]
    )
    assert isinstance(told.exception, ConfigurationError)
    assert told.exception.where == "purposes"
    assert "marketing" in told.exception.got
    with desk(home) as at:
        assert at.record.current() is None


def test_a_scheme_of_identifiers_that_nobody_knows_opens_no_epoch(home: CoordinatorHome) -> None:
    told = CliRunner().invoke(
        app, ["epoch", "open", "--home", str(home.path), "--run", "none", "--identifiers", "es-dmi"]
    )
    assert isinstance(told.exception, ConfigurationError)
    assert told.exception.got == "es-dmi"
    with desk(home) as at:
        assert at.record.current() is None


def test_too_early_says_when_in_universal_time(home: CoordinatorHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "earliest", lambda store: 1_900_000_000)
    with pytest.raises(Refused) as refused:
        open_with(home, "aurora", "borealis", "castor")
    assert refused.value.code == "too_early"
    assert refused.value.expected.startswith("2030-03-17 17:46:40 UTC or later")
    monkeypatch.setattr(desk_module, "earliest", lambda store: 1_900_000_000)
    monkeypatch.setattr(proposals, "earliest", lambda store: 0)
    open_with(home, "aurora", "borealis", "castor")
    told = CliRunner().invoke(app, ["epoch", "status", "--home", str(home.path)])
    assert "the next may open at 2030-03-17" in told.output


@pytest.mark.parametrize(
    ("phase", "told"), [("sign", "\nto be open from"), ("open", "\nopen from"), ("closed", "\nwas to be open from")]
)
def test_an_epoch_that_is_over_is_not_called_open(
    phase: str, told: str, home: CoordinatorHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = {"epoch": 3, "phase": phase, "waiting": [], "roster": "1a1e", "engine": "bfv", "next": None}
    view |= {"epoch_id": "ab" * 32, "subjects": 5, "rows": 8, "opens_at": "then", "closes_at": "later"}
    monkeypatch.setattr(desk_module.Desk, "view", lambda at, record: view)
    shown = CliRunner().invoke(app, ["epoch", "status", "--home", str(home.path)]).output
    assert told in shown
    assert "next may open" not in shown
    closed = phase == "closed"
    assert ("its part is erased" in shown, "members compare this" in shown) == (closed, not closed)


def test_keys_are_made_once_and_owner_only(home: CoordinatorHome) -> None:
    folders = LookupFolders(home.path)
    assert folders.pool_key().public == LookupFolders(home.path).pool_key().public
    assert home.log_key.public == CoordinatorHome.open(home.path).log_key.public
    for name in ("pool.pem", "log.pem"):
        assert (home.keys / name).stat().st_mode & 0o077 == 0
    secret = folders.relay_secret(1, lambda size: b"\x07" * size)
    assert folders.relay_secret(1, lambda size: b"\x08" * size) == secret
    folders.erase_relay_secret(1)
    assert folders.existing_relay_secret(1) is None


def test_progress_says_how_long_it_will_take(home: CoordinatorHome) -> None:
    open_with(home, "aurora", "borealis", "castor")
    now = [100.0]
    file = ProgressFile(LookupFolders(home.path).progress(1), lambda: now[0])
    file.say("keys", 0, 10)
    now[0] = 104.0
    file.say("keys", 4, 10)
    with desk(home) as at:
        current = at.record.current()
        assert current is not None
        read = progress_of(at.folders.progress(1), current)
    assert read == Progress("keys", 4, 10, 100.0)
    assert read.left(104.0) == pytest.approx(6.0)


def test_what_keeps_the_relay_from_its_next_step_is_shown_until_it_is_over(home: CoordinatorHome) -> None:
    open_with(home, "aurora", "borealis", "castor")
    stop, attempts = threading.Event(), []

    def tick() -> bool:
        attempts.append(1)
        if len(attempts) == 1:
            raise Refused("proof", "opening.hint", got="another than the pool's", expected="the same")
        stop.set()
        return False

    with desk(home) as at:
        trouble = Trouble(at.folders.trouble("relay"))
        thread = threading.Thread(target=conduct, args=(tick, stop, trouble))
        thread.start()
        while not attempts or trouble.read() is None:
            time.sleep(0.01)
        assert "relay cannot go on: opening.hint: got another than the pool's" in line(at.view(at.record.current()))
        thread.join(60)
        assert "trouble" not in at.view(at.record.current())


def test_the_pool_is_a_child_that_waits_until_it_is_wanted(home: CoordinatorHome, tmp_path: Path) -> None:
    home.renew_certificate(datetime.now(UTC))
    pool = {child.name: child for child in children(home)}["pool"]
    assert not pool.wanted()
    wanted = tmp_path / "wanted"
    child = Child(
        "sleeper", (sys.executable, "-c", "import time; time.sleep(60)"), tmp_path / "log", wanted=wanted.exists
    )
    with Supervisor([child]) as supervisor:
        supervisor.poll()
        assert not supervisor.pids()
        wanted.touch()
        supervisor.poll()
        assert supervisor.pids()
