"""The coordinator's and the institution's commands together, as two people would type them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from membership_world import BUNDLE, admitted, catalogue, make_coordinator, world

from clients.institution.home import InstitutionHome
from federation import cli
from federation.errors import ConfigurationError
from federation.runtime import rpc
from federation.runtime.ports import free_ports
from federation.synthetic import Population, PopulationSpec
from server.home import CoordinatorHome
from server.membership import State
from server.superlink import await_served

Fedscore = Callable[..., tuple[int, Any]]


@pytest.fixture
def fedscore(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fedscore:
    """Runs a command line: (exit code, what it printed, parsed if it is JSON; else standard error)."""

    def run(*words: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["fedscore", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        try:
            return code, json.loads(shown.out)
        except ValueError:
            return code, shown.out + shown.err

    return run


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """123 good records of an institution that does not hold one of the columns."""
    drawn = Population.draw(PopulationSpec(persons=400, institutions=1), np.random.default_rng(1)).table(0)
    file = tmp_path / "records.csv"
    drawn.drop("savings", strict=False).head(123).write_csv(file)
    return file


def init(fedscore: Fedscore, home: Path, records: Path, *more: object) -> tuple[int, Any]:
    words = ("--home", home, "--name", "bank-a", "--catalogue", "synthetic", "--data", records, *more)
    return fedscore("institution", "init", *words)


def test_a_coordinator_is_founded(fedscore: Fedscore, tmp_path: Path) -> None:
    port = free_ports(6)
    words = ("coordinator", "init", "--home", tmp_path / "c", "--catalogue", "synthetic", "--port", port)
    code, facts = fedscore(*words, "--json")
    home = CoordinatorHome.open(tmp_path / "c")
    assert code == 0
    assert facts["authority_fingerprint"] == home.authority_fingerprint
    assert facts["catalogue"]["hash"] == catalogue().hash
    assert facts["fleet_address"] == f"127.0.0.1:{port + 2}"
    assert sorted(file.name for file in home.keys.iterdir() if file.stat().st_mode & 0o077 == 0) == [
        "ca.key",
        "log.pem",
        "operator.token",
        "signing.pem",
        "tls.key",
    ]
    code, shown = fedscore(*words)
    assert code == 1
    assert "existing home" in shown


def test_a_catalogue_file_is_kept_in_both_homes(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    import federation.catalogue

    shipped = next((Path(federation.catalogue.__file__).parent / "shipped").rglob("synthetic*.toml"))
    own = tmp_path / "own.toml"
    own.write_bytes(shipped.read_bytes())
    assert fedscore("coordinator", "init", "--home", tmp_path / "c", "--catalogue", own)[0] == 0
    assert CoordinatorHome.open(tmp_path / "c").catalogue == tmp_path / "c" / "catalogue.toml"
    words = ("--home", tmp_path / "a", "--name", "bank-a", "--catalogue", own, "--data", records)
    assert fedscore("institution", "init", *words)[0] == 0
    assert InstitutionHome.open(tmp_path / "a").catalogue == tmp_path / "a" / "catalogue.toml"


def test_an_institution_is_made(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    code, facts = init(fedscore, tmp_path / "a", records, "--without", "income", "--cap-run", 0.5, "--json")
    home = InstitutionHome.open(tmp_path / "a")
    assert code == 0
    assert facts["nominal_records"] == 100  # 123 records, a fifth held out, never finer than 100
    assert "income" in facts["features_missing"]
    assert home.settings.features == tuple(facts["features"])
    assert home.settings.caps.run == 0.5
    assert home.fingerprint == facts["fingerprint"]
    assert {file.stat().st_mode & 0o777 for file in home.keys.iterdir() if file.suffix != ".pub"} == {0o600}
    code, shown = init(fedscore, tmp_path / "a", records)
    assert code == 1
    assert "existing home" in shown


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--without", "shoe_size"), "features of the catalogue"),
        (("--cap-run", "-1"), "cap"),
        (("--cap-run", "5", "--cap-year", "3"), "--cap-year: got 3, expected at least 6"),
        (("--cap-run", "1", "--cap-year", "3", "--cap-lifetime", "2"), "--cap-lifetime: got 2, expected at least"),
        (("--name", "Bank A"), "name"),
    ],
)
def test_a_home_that_cannot_be_is_not_made(
    fedscore: Fedscore, tmp_path: Path, records: Path, more: tuple[str, ...], message: str
) -> None:
    code, shown = init(fedscore, tmp_path / "a", records, *more)
    assert code == 1
    assert message in shown
    assert not (tmp_path / "a" / "keys").exists()


def test_from_application_to_membership(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    init(fedscore, tmp_path / "a", records)
    home = InstitutionHome.open(tmp_path / "a")
    with pytest.raises(ConfigurationError, match="finished enrolment"):
        _ = home.coordinator_key
    with world(tmp_path / "w") as federation:
        co = federation.home
        enrol = ("institution", "enrol", "--home", home.path, "--coordinator", federation.address)
        pinned = (*enrol, "--ca", co.authority_fingerprint)
        assert fedscore(*enrol, "--ca", "ff" * 32)[0] == 1
        assert fedscore(*pinned, "--no-wait", "--json")[1]["state"] == "pending"
        assert fedscore(*pinned, "--timeout", "0.1")[0] == 3

        members = fedscore("coordinator", "members", "--home", co.path, "--json")[1]
        assert [(member["institution"], member["state"]) for member in members] == [("bank-a", "pending")]
        admit = ("coordinator", "admit", "bank-a", "--home", co.path, "--fingerprint")
        code, shown = fedscore(*admit, "00" * 16)
        assert (code, "Refused" in shown) == (1, True)
        assert fedscore(*admit, home.fingerprint.replace(" ", ""), "--json")[1]["state"] == "admitted"

        code, shown = fedscore(*pinned, "--accept-bundle", "cd" * 32)
        assert (code, "announced bundle" in shown) == (1, True)
        assert home.allowed_bundles == frozenset()
        code, shown = fedscore(*pinned)  # nobody at a terminal: not allowed, and said so
        assert (code, "accept-bundle" in shown) == (0, True)
        assert home.allowed_bundles == frozenset()
        assert fedscore(*pinned, "--accept-bundle", BUNDLE, "--json")[1]["bundles"] == [BUNDLE]

        status = fedscore("institution", "status", "--home", home.path, "--json")[1]
        assert status["coordinator"]["key"] == co.signing_key.public.hex
        assert status["certificate_until"] is not None
        assert fedscore("institution", "status", "--home", home.path)[0] == 0
        assert "bank-a" in fedscore("coordinator", "members", "--home", co.path)[1]

        revoked = fedscore("coordinator", "revoke", "bank-a", "--home", co.path, "--reason", "left", "--json")[1]
        assert revoked["state"] == "revoked"
        assert fedscore(*pinned)[0] == 1
        assert fedscore("coordinator", "revoke", "bank-a", "--home", co.path)[0] == 1
        assert federation.store.events()[-1]["detail"] == "left"


def test_waiting_ends_with_the_decision(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    init(fedscore, tmp_path / "a", records)
    home = InstitutionHome.open(tmp_path / "a")
    with world(tmp_path / "w") as federation:
        words = ("institution", "enrol", "--home", home.path, "--coordinator", federation.address)
        words += ("--ca", federation.home.keys / "ca.crt", "--accept-announced-bundle", "--json")
        fedscore(*words, "--no-wait")
        fedscore("coordinator", "reject", "bank-a", "--home", federation.home.path)
        code, facts = fedscore(*words)
        assert (code, facts["state"]) == (1, "rejected")

        def decide() -> None:
            while not any(each.state is State.PENDING for each in federation.store.all()):
                time.sleep(0.05)
            federation.admit("bank-a", home.fingerprint)

        operator = threading.Thread(target=decide, daemon=True)
        operator.start()
        code, facts = fedscore(*words, "--again")
        operator.join()
        assert (code, facts["state"], facts["bundles"]) == (0, "admitted", [BUNDLE])


def test_another_catalogue_is_noticed_before_applying(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    init(fedscore, tmp_path / "a", records)
    home = InstitutionHome.open(tmp_path / "a")
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text().replace('"synthetic"', '"german"'))
    with world(tmp_path / "w") as federation:
        words = ("institution", "enrol", "--home", home.path, "--coordinator", federation.address)
        code, shown = fedscore(*words, "--ca", federation.home.authority_fingerprint)
        assert (code, "catalogue" in shown) == (1, True)
        assert federation.store.all() == ()


def test_bundles_are_accepted_by_hash_only(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    init(fedscore, tmp_path / "a", records)
    accept = ("institution", "accept-bundle", "--home", tmp_path / "a")
    assert fedscore(*accept, BUNDLE)[0] == 0
    assert fedscore(*accept, BUNDLE[:16])[0] == 1
    assert InstitutionHome.open(tmp_path / "a").allowed_bundles == {BUNDLE}


def test_status_of_a_quiet_coordinator(fedscore: Fedscore, tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c")
    folder = home.run("spring")
    folder.mkdir()
    plan = {"privacy": {"rounds": 3, "epsilon": 1.0, "delta": 1e-5}, "members": [{"institution": "bank-a"}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    code, facts = fedscore("coordinator", "status", "--home", home.path, "--json")
    assert (code, facts["superlink"], facts["members"]) == (0, "away", [])
    shown = fedscore("coordinator", "status", "--home", home.path)[1]
    for key in ("authority_fingerprint", "key", "log_key", "log_address"):  # to be read out, long after `init`
        assert facts[key] in shown
    assert (facts["runs"][0]["state"], facts["runs"][0]["rounds"]) == ("prepared", 3)
    code, shown = fedscore("coordinator", "status", "--home", home.path)
    assert (code, "spring" in shown, "not running here" in shown) == (0, True, True)


def test_a_key_file_that_others_can_read_stops_everything(fedscore: Fedscore, tmp_path: Path, records: Path) -> None:
    init(fedscore, tmp_path / "a", records)
    (tmp_path / "a" / "keys" / "tls.key").chmod(0o644)
    code, shown = fedscore("institution", "status", "--home", tmp_path / "a")
    assert (code, "tls.key" in shown) == (1, True)
    home = make_coordinator(tmp_path / "c")
    (home.keys / "ca.key").chmod(0o640)
    assert fedscore("coordinator", "members", "--home", home.path)[0] == 1


def test_training_without_members_is_refused(fedscore: Fedscore, tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c")
    code, shown = fedscore("coordinator", "train", "--home", home.path)
    assert (code, "no admitted member" in shown) == (1, True)
    assert list(home.runs.iterdir()) == []


def test_training_waits_for_a_superlink_that_starts(tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c")
    assert not await_served(home, patience=0.1)
    tls = rpc.server_tls((home.keys / "tls.key").read_bytes(), (home.keys / "tls.crt").read_bytes())
    with ThreadPoolExecutor() as starting:
        late = starting.submit(start_late, f"127.0.0.1:{home.settings.control_port}", tls)
        try:
            assert await_served(home, patience=60)
        finally:
            late.result().close()


def start_late(address: str, tls: grpc.ServerCredentials) -> rpc.Served:
    time.sleep(0.2)
    return rpc.start([], address, credentials=tls)


def test_training_without_serve_is_refused(fedscore: Fedscore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_coordinator(tmp_path / "c")
    members = tuple(admitted(f"bank-{letter}", seed) for seed, letter in enumerate("ab"))
    monkeypatch.setattr("server.cli._roster", lambda *_, **__: members)
    monkeypatch.setattr("server.superlink.await_served", lambda home: await_served(home, patience=0.2))
    code, shown = fedscore("coordinator", "train", "--home", home.path, "--rounds", 2, "--force")
    assert (code, "serve is not running here" in shown) == (1, True)
    assert list(home.runs.iterdir()) == []
