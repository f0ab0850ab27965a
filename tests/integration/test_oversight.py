"""Real processes: a log that is away, a node killed between reservation and submission, a ledger from an old backup."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from flower_deployment import Deployment, make_coordinator, make_institution, until
from test_flower_rounds import Training, prepare, real_node

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from federation.ledger import read_ledger
from federation.oversight.members import Roster
from federation.oversight.reservations import read_logged
from federation.oversight.rounds import RoundStatement
from federation.runtime.processes import UNUSABLE
from federation.synthetic.population import PopulationSpec
from federation.synthetic.tables import Population, write_population
from protocols.transparency import Statement, leaf_hash, read_entry, verify_inclusion
from server.home import CoordinatorHome
from server.log import LogStore

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
NAMES = ("alpha", "beta")
RUN, ROUNDS = "watched", 3
AWAY_S = 5.0


@dataclass
class Watched:
    """A run during which the log was away and a node was killed; `backup` is alpha's ledger after the first round."""

    coordinator: CoordinatorHome
    homes: dict[str, InstitutionHome]
    training: Training
    backup: Path
    unpromised: int  # entries of alpha's ledger that nobody had heard of when its node was killed
    away: tuple[float, float]  # from, until (Unix time, s)


def ledger_size(home: InstitutionHome) -> int:
    return len(read_ledger(home.database_url, institution=home.name, key=home.signing_key.public).entries)


def promised(home: InstitutionHome) -> int:
    kept = KeptStore.open(OversightFolder(home.path).database_url)
    last = kept.last()
    kept.close()
    return 0 if last is None else last.sequence


def copy_of(home: InstitutionHome, target: Path) -> Path:
    with sqlite3.connect(home.path / "institution.db") as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    return target


def run_on(deployment: Deployment, training: Training, until_round: int, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while training.is_alive() and training.rounds < until_round:
        deployment.poll()
        assert time.monotonic() < end, training.events[-5:]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("watched")
    population = Population.draw(PopulationSpec(persons=4000, institutions=2), np.random.default_rng(1))
    files = write_population(population, folder / "population")
    coordinator = make_coordinator(folder / "coordinator")
    homes = {
        name: make_institution(folder / name, name, coordinator, data=str(file), nominal=2000, cap=40.0)
        for name, file in zip(NAMES, files, strict=True)
    }
    prepare(coordinator, tuple(homes.values()), RUN, ROUNDS, deadline_s=60.0)
    alpha = homes["alpha"]
    with Deployment(coordinator, tuple(homes.values()), node=real_node) as deployment:
        training = Training(coordinator, RUN)
        training.start()
        run_on(deployment, training, 1)
        backup = copy_of(alpha, folder / "backup.db")
        log = psutil.Process(deployment.pids()["membership"])
        before, gone = promised(alpha), time.time()
        log.suspend()
        until(lambda: ledger_size(alpha) >= before + 2, 150, "alpha has reserved and computed")
        time.sleep(AWAY_S)
        os.kill(deployment.pids()["node-alpha"], signal.SIGKILL)
        unpromised = ledger_size(alpha) - promised(alpha)
        averaged, back = training.rounds, time.time()
        log.resume()
        run_on(deployment, training, ROUNDS)
        training.join(150)
        assert averaged <= 2
        until(lambda: all(promised(home) == ledger_size(home) for home in homes.values()), 150, "all is promised")
        until(lambda: included(alpha) == ledger_size(alpha), 150, "all is proved")
    return Watched(coordinator, homes, training, backup, unpromised, (gone, back))


def included(home: InstitutionHome) -> int:
    head = OversightFolder(home.path).included()
    return 0 if head is None else head.sequence


def entries(watched: Watched, kind: str) -> list[tuple[int, bytes]]:
    log = LogStore.open(watched.coordinator.database_url, watched.coordinator.log_key, time.time)
    try:
        return list(log.entries(0, 1000, kind).entries)
    finally:
        log.close()


def test_the_run_completes_and_nothing_is_paid_twice(watched: Watched) -> None:
    """What was computed while the log was away left later, as it was: one reservation a round."""
    assert watched.training.error is None
    assert watched.training.model is not None
    assert watched.unpromised >= 1
    for home in watched.homes.values():
        reading = read_ledger(home.database_url, institution=home.name, key=home.signing_key.public)
        reserved = Counter(
            signed.entry.release.slot
            for signed in reading.entries
            if signed.entry.kind == "reserve" and signed.entry.release is not None
        )
        assert set(reserved.values()) == {1}, home.name
        assert len(reserved) == ROUNDS + 1
    averaged = [event["at"] for event in watched.training.events if event["event"] == "averaged"]
    gone, back = watched.away
    assert not [at for at in averaged if gone + 1.0 < at < back]


def test_every_entry_of_every_ledger_is_in_the_log_once(watched: Watched) -> None:
    said = [read_logged(read_entry(data)) for _, data in entries(watched, "ledger-entry")]
    for home in watched.homes.values():
        reading = read_ledger(home.database_url, institution=home.name, key=home.signing_key.public)
        assert [signed.hash for signed in said if signed.entry.institution == home.name] == [
            signed.hash for signed in reading.entries
        ]
        assert OversightFolder(home.path).findings() == []


def test_what_was_averaged_is_under_a_quorum_that_came_before(watched: Watched) -> None:
    """Each averaged reservation is in a cosigned checkpoint that ends before the round's own statement."""
    coordinator = watched.coordinator
    roster = Roster(coordinator.signing_key.public)
    for index, data in entries(watched, "member"):
        roster = roster.after(read_entry(data), index)
    assert roster.members.keys() == set(NAMES)
    log = LogStore.open(coordinator.database_url, coordinator.log_key, time.time)
    places = {read_logged(read_entry(data)).hash: (index, data) for index, data in entries(watched, "ledger-entry")}
    rounds = [
        (i, RoundStatement.from_json(Statement.read(read_entry(d)).content)) for i, d in entries(watched, "round")
    ]
    assert [each.round for _, each in rounds] == [*range(1, ROUNDS + 1), 0]
    for place, each in rounds:
        for update in each.updates.values():
            index, data = places[update.reservation_hash]
            note = log.cosigned(roster.quorum, after=index, first=True)
            assert note is not None
            checkpoint = roster.quorum.check(note, coordinator.log_key.public, time.time()).checkpoint
            assert checkpoint.size <= place
            path = log.inclusion(leaf_hash(data), checkpoint.size).path
            verify_inclusion(path, leaf_hash(data), index, checkpoint.size, checkpoint.root)
    log.close()


def restored(watched: Watched, target: Path, *, whole: bool) -> InstitutionHome:
    """alpha's home with the ledger of the backup; `whole`: as if all of the home came from it."""
    shutil.copytree(watched.homes["alpha"].path, target, ignore=shutil.ignore_patterns("*.sock"))
    for file in target.glob("institution.db*"):
        file.unlink()
    shutil.copy(watched.backup, target / "institution.db")
    (target / "institution.db").chmod(0o600)
    if whole:
        shutil.rmtree(target / "oversight")
    return InstitutionHome.open(target)


def start_node(home: InstitutionHome) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "clients.institution.node_service", str(home.path)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


def test_a_node_with_an_old_ledger_does_not_start(watched: Watched, tmp_path: Path) -> None:
    """The log is away: what is kept beside the ledger is enough. Nothing is written into the old copy."""
    home = restored(watched, tmp_path / "alpha", whole=False)
    size = ledger_size(home)
    assert start_node(home).wait(150) == UNUSABLE
    assert '"event":"ledger is behind the log, see docs operations"' in (home.logs / "node.jsonl").read_text()
    assert ledger_size(home) == size


def test_a_home_restored_whole_is_stopped_by_the_log(watched: Watched, tmp_path: Path) -> None:
    home = restored(watched, tmp_path / "alpha", whole=True)
    command = [sys.executable, "-m", "server.membership_process", str(watched.coordinator.path)]
    log = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert start_node(home).wait(200) == UNUSABLE
    finally:
        log.terminate()
        log.wait(100)
    assert OversightFolder(home.path).included() is not None
    assert start_node(home).wait(150) == UNUSABLE  # and from now on without the log
