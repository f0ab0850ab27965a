"""Several processes and threads on one ledger, and processes that die at any moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ledger_samples import (
    CAPS,
    INSTITUTION,
    KEY,
    adding,
    answer,
    model_hash,
    open_ledger,
    race_for_budget,
    release,
    spend_until_killed,
)

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Caps, Head, Kind, Scope, behind, read_ledger
from federation.ledger.audit import Reading

WIDE = Caps(run=10_000, year=10_000, lifetime=10_000, delta=1e-5)


@pytest.fixture(scope="module")
def context() -> multiprocessing.context.ForkServerContext:
    """Children fork from a small server that has the ledger imported, not from this process with its threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["federation.ledger"])
    return context


def _wait_for_progress(path: Path, size: int) -> None:
    deadline = time.monotonic() + 240
    while path.stat().st_size <= size:
        assert time.monotonic() < deadline, "the child released nothing in 240 seconds"
        time.sleep(0.002)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_killed_at_any_moment_the_ledger_is_never_below_what_left_nor_above_its_cap(
    context: multiprocessing.context.ForkServerContext, database_url: str, tmp_path: Path, kills: int
) -> None:
    log = tmp_path / "released"
    caps, moments = WIDE, random.Random(20250601)
    open_ledger(database_url, caps).close()
    log.touch()
    before = Head(0, read_ledger(database_url, institution=INSTITUTION, key=KEY.public).book.head)
    for kill in range(kills):
        _kill_a_child(context, (database_url, f"run-{kill}", str(log), caps), log, moments, while_opening=kill % 4 == 3)

        # What was acknowledged is there, charged and answered; nothing is charged that was not reserved.
        reading = read_ledger(database_url, institution=INSTITUTION, key=KEY.public, accountant=adding)
        released = [line.split() for line in log.read_text().splitlines()]
        answered = _answered(reading)
        assert {(run, int(round)) for run, round in released} <= answered
        charged = reading.book.amount(caps.blank(Scope.LIFETIME, "", 1e-5)).pld
        reserved = sum(s.entry.kind is Kind.RESERVE for s in reading.entries)
        assert len(released) <= len(answered) <= charged == reserved <= caps.lifetime
        assert len(reading.book.open) <= 1
        # The entries of before are the beginning of those of now.
        hashes = {0: before.hash} | {s.entry.sequence: s.hash for s in reading.entries}
        head = Head(reading.book.length, reading.book.head)
        assert behind(head, before, hashes.get(before.sequence)) is None
        before = head

    ledger = open_ledger(database_url, caps)
    for run, round in released:
        assert ledger.stored_reply(run, "train", int(round), model_hash(int(round))) == f"{run}:{round}".encode()
    assert ledger.verify().open == 0
    assert ledger.claims("lifetime").pld >= reserved
    ledger.close()


def test_a_process_that_answers_before_it_has_spent_is_found_out(
    context: multiprocessing.context.ForkServerContext, database_url: str, tmp_path: Path
) -> None:
    """The same kills, another order: sooner or later an answer has left that the ledger does not know."""
    log, moments = tmp_path / "released", random.Random(20250601)
    open_ledger(database_url, WIDE).close()
    log.touch()
    for kill in range(100):
        _kill_a_child(context, (database_url, f"run-{kill}", str(log), WIDE, True), log, moments, while_opening=False)
        reading = read_ledger(database_url, institution=INSTITUTION, key=KEY.public, accountant=adding)
        released = {(run, int(round)) for run, round in (line.split() for line in log.read_text().splitlines())}
        if not released <= _answered(reading):
            return
    pytest.fail("a hundred kills in the right order")


def _answered(reading: Reading) -> set[tuple[str, int]]:
    releases = [s.entry.release for s in reading.entries if s.entry.update_hash and s.entry.release]
    return {(release.run_id, release.round) for release in releases}


def _kill_a_child(
    context: multiprocessing.context.ForkServerContext,
    arguments: tuple[object, ...],
    log: Path,
    moments: random.Random,
    *,
    while_opening: bool,
) -> None:
    """Somewhere in its rounds; or while it opens the ledger and closes what its predecessor left."""
    size = log.stat().st_size
    child = context.Process(target=spend_until_killed, args=arguments)
    child.start()
    if while_opening:
        time.sleep(moments.uniform(0.02, 0.3))
    else:
        _wait_for_progress(log, size)
        time.sleep(moments.uniform(0, 0.05))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(30)
    assert child.exitcode == -signal.SIGKILL


def test_processes_that_race_for_the_last_budget_share_it(
    context: multiprocessing.context.ForkServerContext, database_url: str, tmp_path: Path
) -> None:
    """All open a database that is empty yet, too: the migration is raced for as well."""
    url, granted = database_url, tmp_path / "granted"
    caps = Caps(run=100, year=100, lifetime=25, delta=1e-5)
    start = context.Barrier(3)
    racers = [
        context.Process(target=race_for_budget, args=(url, f"run-{n}", str(granted), caps, start)) for n in range(3)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    assert sum(int(line) for line in granted.read_text().split()) == 25
    reading = read_ledger(url, institution=INSTITUTION, key=KEY.public, accountant=adding)
    assert len(reading.book.open) == 25
    assert sum(s.entry.kind is Kind.REFUSE for s in reading.entries) == 3


@pytest.mark.parametrize("in_memory", [True, False])
def test_threads_share_one_ledger(in_memory: bool, tmp_path: Path) -> None:
    url = "sqlite://" if in_memory else f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = open_ledger(url, Caps(run=100, year=100, lifetime=20, delta=1e-5))
    refused = threading.Semaphore(0)

    def work(round: int) -> None:
        try:
            answer(ledger, release(round))
        except BudgetExceeded:
            refused.release()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 25)))
    assert sum(refused.acquire(blocking=False) for _ in range(24)) == 4
    assert ledger.claims("lifetime").pld == 20
    assert ledger.verify(recompute=True).entries == 44
    assert all(
        (ledger.stored_reply("run-1", "train", n, model_hash(n)) is not None)
        for n in {s.entry.release.round for s in ledger.entries() if s.entry.update_hash and s.entry.release}
    )


def test_a_process_that_starts_later_fences_off_the_one_before(tmp_path: Path) -> None:
    """Two nodes on one home: the later counts the other's open work as lost, and what that computes cannot leave."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    before = open_ledger(url)
    reservation = before.reserve(release(1))
    after = open_ledger(url)
    with pytest.raises(LedgerError, match="open reservation"):
        before.spend(reservation, "c" * 64, b"late")
    assert [s.entry.kind for s in after.entries()] == [Kind.RESERVE, Kind.UNKNOWN]
    answer(before, release(2))
    answer(after, release(3))
    assert before.head == after.head
    assert after.verify().entries == 6


def test_a_ledger_reopens_where_it_ended(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    first = open_ledger(url)
    answer(first, release(1))
    head = first.head
    first.close()
    again = open_ledger(url)
    assert again.head == head
    assert again.claims("run", "run-1").cap == CAPS.run
    assert again.stored_reply("run-1", "train", 1, model_hash(1)) == b"run-1:1"


def test_ledgers_are_opened_by_several_threads_at_once() -> None:
    with ThreadPoolExecutor(6) as pool:
        ledgers = list(pool.map(lambda _: open_ledger("sqlite://"), range(12)))
    for ledger in ledgers:
        answer(ledger, release(1))
        assert ledger.verify().entries == 2
