"""The regulator's commands as real processes, against a real log: their exit codes, what they say to machines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from flower_deployment import until
from oversight_federation import honest
from oversight_world import BANKS, RUN, key_of, witness_key
from regulator_world import RealLog, served
from sqlalchemy import create_engine

from clients.regulator.home import RegulatorHome
from federation.observability.cli import health_of
from federation.oversight import RegulatorStatement
from protocols.transparency import Entry, read_entry

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "federation.cli", "regulator", *arguments]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def fedscore(*arguments: str, code: int = 0) -> tuple[str, str]:
    """What a command said on its two outputs; it must end with `code`."""
    process = start(*arguments)
    said, complained = process.communicate(timeout=300)
    assert process.returncode == code, f"{arguments}: exit code {process.returncode}\n{said}\n{complained}"
    return said, complained


def as_json(*arguments: str, code: int = 0) -> dict[str, Any]:
    """One JSON document and nothing else on standard output."""
    said, _ = fedscore(*arguments, "--json", code=code)
    found: dict[str, Any] = json.loads(said)
    return found


@dataclass
class Office:
    """A regulator's home and the log it oversees, whose members' witnesses follow in a thread."""

    path: Path
    log: RealLog
    url: str
    registration: RegulatorStatement = field(init=False)

    def __post_init__(self) -> None:
        keys = ["--log-key", key_of("log").public.hex, "--coordinator-key", key_of("coordinator").public.hex]
        made = as_json("init", "--home", str(self.path), "--log", self.url, "--port", "0", *keys)
        self.registration = RegulatorStatement.from_json(made["registration"])
        entries = (self.registration.entry(key_of("coordinator")).data, *honest().entries[1:])
        self.log.grow(*entries)

    @property
    def home(self) -> RegulatorHome:
        return RegulatorHome.open(self.path)

    def complete_policy(self) -> None:
        """As a person would, in the file that `init` left."""
        policy = self.path / "policy.toml"
        named = [f'[[witnesses]]\nname = "{bank}"\nkey = "{witness_key(bank).public.key.hex}"' for bank in BANKS]
        text = policy.read_text().replace("1e-6 ", "1e-5 ")
        policy.write_text("\n".join([text, *named]) + "\n")

    def take_documents(self) -> None:
        for name, data in honest().documents.items():
            file = self.home.documents / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def logged(self, kind: str) -> list[Entry]:
        return [read_entry(data) for _, data in self.log.store.entries(0, 1000, kind).entries]

    def health(self) -> dict[str, Any]:
        return health_of(self.path).get("regulator", {})


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    log = RealLog(f"sqlite:///{folder / 'log.db'}", (), clock=time.time)
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(0.2):
            log.host.tick()
            if log.store.size():
                log.witness()

    with served(log) as url:
        made = Office(folder / "regulator", log, url)
        members = threading.Thread(target=follow)
        members.start()
        try:
            yield made
        finally:
            stop.set()
            members.join()
    log.store.close()


@pytest.fixture(scope="module")
def watched(office: Office) -> Iterator[subprocess.Popen[str]]:
    office.complete_policy()
    watch = start("watch", "--home", str(office.path))
    try:
        yield watch
    finally:
        watch.kill()
        watch.communicate()


def test_a_home_is_made_once_and_wrong_usage_is_told_apart(office: Office, tmp_path: Path) -> None:
    keys = ["--log-key", key_of("log").public.hex, "--coordinator-key", key_of("coordinator").public.hex]
    _, complained = fedscore("init", "--home", str(office.path), "--log", office.url, *keys, code=1)
    assert "an existing home" in complained
    fedscore("init", "--home", str(tmp_path / "new"), code=2)
    assert not (tmp_path / "new").exists()
    _, complained = fedscore("check", "--home", str(tmp_path / "none"), code=1)
    assert complained.count("\n") == 1  # one line, no traceback


def test_a_policy_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "policy.toml"
    fedscore("policy", "--out", str(out))
    text = out.read_text()
    fedscore("policy", "--out", str(out), code=1)
    assert out.read_text() == text
    _, complained = fedscore("verify", str(tmp_path / "none.zip"), "--policy", str(out), code=1)
    assert "keys.log" in complained


def test_before_a_watch_there_is_nothing_to_check(office: Office) -> None:
    assert as_json("health", "--home", str(office.path), code=3) == {"ready": False, "processes": {}}
    _, complained = fedscore("check", "--home", str(office.path), "--json", code=1)
    assert "nothing yet" in complained


def test_a_watch_follows_and_is_ready(office: Office, watched: subprocess.Popen[str]) -> None:
    found = as_json("health", "--home", str(office.path), "--wait", "200")
    parts = found["processes"]["regulator"]["parts"]
    assert parts == {"log": "ok", "witness": "ok", "watch": "ok"}
    until(lambda: (office.path / "witness.note").exists(), 150, "a checkpoint is cosigned")
    assert watched.poll() is None


def test_what_the_regulator_says_is_in_the_log_when_its_command_returns(office: Office, watched: object) -> None:
    plan = str(honest().content(honest().find("round"))["plan_hash"])
    request = office.path / "request.json"
    where = ["--home", str(office.path), "--institution", "bank-a"]
    asked = as_json("request", *where, "--kind", "contract", "--plan", plan, "--out", str(request))
    assert [entry.hash.hex() for entry in office.logged("audit-request")] == [asked["leaf_hash"]]
    assert read_entry(request.read_bytes()).hash.hex() == asked["leaf_hash"]
    fedscore("draw", *where, "--run", RUN, "--round", "1", code=1)  # nobody committed to it: nothing is said
    assert not office.logged("draw")
    fedscore("request", *where, "--kind", "guess", "--plan", plan, "--out", str(request), code=2)


def quorate(office: Office) -> bool:
    """Whether the copy has all of the log, under a quorum of the policy."""
    from clients.regulator.mirror import MirrorStore
    from clients.regulator.mirror.roster import roster_of
    from clients.regulator.watch.thorough import is_quorate

    store, policy = MirrorStore.open(office.home.database_url), office.home.policy
    held = store.newest()
    if held is None or held.size != office.log.store.size():
        return False
    return is_quorate(policy, held.note, roster_of(store, policy.coordinator).successions)


def test_check_export_and_verify_say_the_same(office: Office, watched: object, tmp_path: Path) -> None:
    until(lambda: quorate(office), 150, "the copy is whole")
    missing = as_json("check", "--home", str(office.path), code=1)  # documents that are logged and not there
    assert [step["number"] for step in missing["steps"] if step["outcome"] == "fails"] == [9]
    office.take_documents()
    whole = as_json("check", "--home", str(office.path))
    assert whole["holds"], [step["first"] for step in whole["steps"]]
    out, report = tmp_path / "export.zip", tmp_path / "report.html"
    said, _ = fedscore("export", "--home", str(office.path), "--out", str(out))
    assert f"{office.log.store.size()} entries" in said
    policy = ["--policy", str(office.path / "policy.toml")]
    verdict = as_json("verify", str(out), *policy, "--report", str(report))
    assert verdict["holds"]
    assert verdict["checkpoint"] == whole["checkpoint"]
    assert [ledger["institution"] for ledger in verdict["account"]["ledgers"]] == list(BANKS)
    assert "All ten steps hold" in report.read_text()
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("log/more.jsonl", b"{}\n")
    broken = as_json("verify", str(out), *policy, code=1)
    assert (broken["holds"], broken["steps"][0]["outcome"]) == (False, "fails")


def test_pages_are_served_to_whoever_has_the_token_until_the_process_is_told_to_end(office: Office) -> None:
    pages = start("serve", "--home", str(office.path))
    try:
        assert pages.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", pages.stderr.readline())
        assert address is not None
        assert httpx.get(f"{address[0]}/tables/log.json", timeout=60).status_code == 401
        token = {"Authorization": f"Bearer {office.home.access_token}"}
        found = httpx.get(f"{address[0]}/tables/institutions.json", headers=token, timeout=60).json()
        assert [row["institution"] for row in found["rows"]] == list(BANKS)
        pages.send_signal(signal.SIGTERM)
        assert pages.wait(150) == 0
    finally:
        pages.kill()
        pages.communicate()


def test_a_watch_that_loses_its_database_is_red_and_then_ends_with_1(
    office: Office, watched: subprocess.Popen[str]
) -> None:
    """Last: it ends the watch of this module. A supervisor starts another, which goes on."""
    assert office.health()["alive"]
    engine = create_engine(office.home.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE regulator_statements RENAME TO lost")
    until(lambda: not office.health().get("alive", True), 150, "health is red")
    died = office.health()
    code = watched.wait(150)
    assert code == 1
    assert died["parts"].get("watch", died["parts"].get("process")) in ("the watch has died", "does not answer")
    assert '"event":"the watch has died"' in (office.path / "logs" / "watch.jsonl").read_text()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lost RENAME TO regulator_statements")
    again = start("watch", "--home", str(office.path))
    try:
        as_json("health", "--home", str(office.path), "--wait", "200")
        again.send_signal(signal.SIGTERM)
        assert again.wait(150) == 0
    finally:
        again.kill()
        again.communicate()
