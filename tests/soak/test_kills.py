"""kill -9 of the log's host, a node and the regulator, at random moments, a hundred times on either database.

The moments fall into starts (migrations, verification, recovery), into commits, between a commit and its answer, and
into whatever the others do meanwhile. What was acknowledged is noted outside; see soak_checks.py for what must hold.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres import Postgres, programs
from soak_checks import check_beacons, check_budget, check_checkpoints, check_kept, check_promises, logged_ledger
from soak_world import NAME, PARTIES, Soaked, soaking
from sqlalchemy import make_url

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.regulator.mirror import MirrorStore
from clients.regulator.watch.thorough import verify_copy
from federation.ledger import Amount, Ledger, read_ledger
from federation.runtime.processes import UNUSABLE
from protocols.transparency import Promise
from server.log import LogStore

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(1800)]
KILLS, SEED, EARLY = 100, 20260501, 12
STARTING, LONGEST_S = 0.5, 0.2  # the share of kills that do not wait for work; the longest pause before a kill


@dataclass
class Survived:
    """After the last kill, everything stopped: the log's entries and an early backup of the node's home."""

    world: Soaked
    entries: list[bytes]
    backup: Path
    kills: int


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def survived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    folder, moments = tmp_path_factory.mktemp("soak"), random.Random(SEED)
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        if request.param == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            urls = {party: stack.enter_context(server.database()) for party in PARTIES}
        victims = [PARTIES[n % len(PARTIES)] for n in range(KILLS)]
        moments.shuffle(victims)
        with soaking(folder, urls) as world:
            backup, kills = folder / "backup", 0
            for victim in victims:
                if moments.random() > STARTING:
                    world.await_work(victim)
                time.sleep(moments.uniform(0.0, LONGEST_S))
                world.kill(victim)
                kills += 1
                if victim == "node" and kills >= EARLY and not backup.exists():
                    _back_up(world.bank, backup)
                world.start(victim)
            world.settle()
            for party in reversed(PARTIES):
                world.kill(party)
            log = LogStore.open(world.coordinator.database_url, world.coordinator.log_key, time.time)
            entries = [data for start in range(0, log.size(), 1000) for _, data in log.entries(start, 1000).entries]
            assert log.verify() == len(entries)
            log.close()
            yield Survived(world, entries, backup, kills)


def _back_up(home: InstitutionHome, target: Path) -> None:
    """All of a home that nobody works in, its ledger included."""
    shutil.copytree(home.path, target, ignore=shutil.ignore_patterns("*.sock"))
    if home.database_url.startswith("postgresql"):
        _tool("pg_dump", home.database_url, "-Fc", "-f", str(target / "ledger.dump"))


def _restored(survived: Survived, folder: Path, url: str, *, whole: bool) -> InstitutionHome:
    """The home with the ledger of the backup, in `url` if that is PostgreSQL; `whole`: all of it from there."""
    shutil.copytree(survived.backup if whole else survived.world.bank.path, folder)
    settings, now = folder / "institution.toml", survived.world.bank.database_url
    if url.startswith("postgresql"):
        _tool("pg_restore", url, str(survived.backup / "ledger.dump"))
        settings.write_text(settings.read_text().replace(now, url))
    else:
        for file in [*folder.glob("institution.db*")]:
            file.unlink()
        for file in survived.backup.glob("institution.db*"):
            shutil.copy2(file, folder)
    return InstitutionHome.open(folder)


def _tool(name: str, url: str, *arguments: str) -> None:
    found, at = programs(), make_url(url)
    assert found is not None
    where = ["-h", str(at.query["host"]), "-U", str(at.username), "-d", str(at.database)]
    subprocess.run([found / name, *where, *arguments], check=True, capture_output=True)


def test_every_kill_hit_a_process_at_work_and_work_went_on(survived: Survived) -> None:
    world = survived.world
    assert survived.kills == KILLS
    assert check_budget(logged_ledger(survived.entries), world.notebook("released")) >= KILLS / 4
    starts = {line["run"] for line in world.notebook("released").lines("released")}
    assert len(starts) >= KILLS / 10  # and not all of it after the last


def test_no_acknowledged_entry_is_lost(survived: Survived) -> None:
    for party, least in (("node", KILLS), ("regulator", KILLS / 10)):
        assert check_promises(survived.entries, survived.world.notebook(party), survived.world.log_key) >= least


def test_no_checkpoint_went_back_and_all_are_of_one_history(survived: Survived) -> None:
    for party in ("node", "regulator"):
        assert check_checkpoints(survived.entries, survived.world.notebook(party), survived.world.log_key) >= KILLS / 10
    assert not OversightFolder(survived.world.bank.path).alarm.exists()
    assert not survived.world.regulator.alarm.exists()


def test_the_ledger_verifies_and_is_the_one_in_the_log(survived: Survived) -> None:
    """Its chain, its rules, its signatures; and the log has every entry of it, once, in its order."""
    bank = survived.world.bank
    reading = read_ledger(bank.database_url, institution=NAME, key=bank.signing_key.public)
    logged = logged_ledger(survived.entries)
    assert [signed.hash for signed in reading.entries] == [signed.hash for signed in logged]
    assert len(reading.book.open) <= 1
    assert OversightFolder(bank.path).findings() == []


def test_the_regulator_said_all_it_had_kept_once_and_its_copy_verifies(survived: Survived) -> None:
    world = survived.world
    assert check_kept(survived.entries, world.notebook("kept")) >= KILLS / 10
    anchor = world.regulator.beacon_chain.anchor
    assert check_beacons(survived.entries, world.regulator.signing_key.public, anchor) >= 5
    copy = MirrorStore.open(world.regulator.database_url)
    newest = copy.newest()
    assert newest is not None
    assert list(copy.entries(0, newest.size)) == survived.entries[: newest.size]
    assert copy.alerts() == []
    verdict = verify_copy(world.regulator, copy, time.time())
    assert verdict.holds, verdict.to_json()


def test_the_checks_notice_what_they_are_there_for(survived: Survived) -> None:
    """The same notes, held against a log that lost its last entries, or an entry, or put two the other way round."""
    node, key, entries = survived.world.notebook("node"), survived.world.log_key, survived.entries
    last = max(Promise.decode(line["promise"].encode()).index for line in node.lines("promise"))
    place = next(n for n, data in enumerate(entries) if b'"ledger-entry"' in data)
    for lied, what in (
        (entries[:last], "is lost"),
        ([*entries[:place], *entries[place + 1 :]], "another entry"),
        ([*entries[:place], entries[place + 1], entries[place], *entries[place + 2 :]], "another"),
    ):
        with pytest.raises(AssertionError, match=what):
            check_promises(lied, node, key)
        with pytest.raises(AssertionError, match=r"lost|another history"):
            check_checkpoints(lied, node, key)
    with pytest.raises(AssertionError, match="not in the ledger"):
        check_budget(logged_ledger(entries)[:10], survived.world.notebook("released"))


def test_a_node_restored_from_an_early_backup_stops(
    survived: Survived, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Without what stops it the old ledger opens, verifies, and has budget that was spent. It is stopped by the log
    where the whole home came from the backup, by what is kept beside the ledger where only the ledger did.
    """
    world, key = survived.world, survived.world.bank.signing_key
    with ExitStack() as stack:
        urls = iter([""] * 3)
        if world.bank.database_url.startswith("postgresql"):
            server: Postgres = request.getfixturevalue("postgres")
            urls = iter([stack.enter_context(server.database()) for _ in range(3)])

        attacked = _restored(survived, tmp_path / "attacked", next(urls), whole=True)
        old = Ledger.open(attacked.database_url, institution=NAME, key=key, caps=attacked.caps())
        stated = logged_ledger(survived.entries)[-1].entry
        assert old.verify(recompute=False).entries < stated.sequence
        assert old.claims("lifetime").pld < 0.9 * max(amount.pld for amount in _last_amounts(survived))
        old.close()

        beside = _restored(survived, tmp_path / "beside", next(urls), whole=False)
        _stops(survived, beside)  # the log is down
        whole = _restored(survived, tmp_path / "whole", next(urls), whole=True)
        world.start("log")
        with LogClient(world.bank, patience=60.0) as log:
            log.current()  # it answers
        _stops(survived, whole)
        world.kill("log")
        _stops(survived, whole)  # it has been told


def _last_amounts(survived: Survived) -> tuple[Amount, ...]:
    return next(s.entry.amounts for s in reversed(logged_ledger(survived.entries)) if s.entry.amounts)


def _stops(survived: Survived, home: InstitutionHome) -> None:
    """The node as it is ends at once and for good, says why, and has written nothing."""
    before = read_ledger(home.database_url, institution=NAME, key=home.signing_key.public).book.head
    log = home.logs / "node.jsonl"
    said = log.stat().st_size if log.exists() else 0
    forks = survived.world.forks
    assert forks.wait(forks.start("start_node", str(home.path))) == UNUSABLE
    assert '"event":"ledger is behind the log, see docs operations"' in log.read_text()[said:]
    assert read_ledger(home.database_url, institution=NAME, key=home.signing_key.public).book.head == before
