"""Worker processes behind one queue: they die, hostile bytes come, callers go away; nobody gets another's answer."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from federation.errors import Refused
from federation.lookup.engines import load
from protocols.errors import MessageError
from protocols.lookup.engines import Client, Geometry
from protocols.lookup.packing import pack
from protocols.lookup.parameters import MODULUS
from server.lookup.scan_worker import Plan
from server.lookup.scanner import Scanner

ROWS, QUORUM = 40, 2
EPOCH = bytes(32)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    rng = np.random.default_rng(1)
    geometry = load("lwe").geometry(ROWS, QUORUM)
    file = tmp_path_factory.mktemp("pool") / "rows"
    values = rng.integers(0, MODULUS, (geometry.rows, geometry.slots, 8), dtype=np.uint32)
    signatures = rng.integers(0, 256, (geometry.rows, 64 * QUORUM), dtype=np.uint8)
    file.write_bytes(b"".join(pack(row) + signed.tobytes() for row, signed in zip(values, signatures, strict=True)))
    return Plan("lwe", EPOCH, file, geometry.rows, geometry.slots, QUORUM)


@pytest.fixture(scope="module")
def scanner(plan: Plan) -> Iterator[Scanner]:
    made = Scanner(plan, processes=1)
    made.start()
    yield made
    made.stop()


def client(plan: Plan, scanner: Scanner) -> Client:
    return load("lwe").client(Geometry(plan.rows, plan.slots, plan.quorum), EPOCH, scanner.hint, os.urandom)


def asked(scanner: Scanner, queries: list[bytes], seconds: float = 60.0) -> list[bytes]:
    return scanner.answer("bank-a", queries, keys=None, keys_hash=b"", seconds=seconds)


def test_what_is_read_is_what_stands_there(plan: Plan, scanner: Scanner) -> None:
    rows, querier = plan.read(), client(plan, scanner)
    for row in (0, plan.rows - 1):
        pending, query = querier.query(row)
        values, signatures = pending.open(asked(scanner, [query])[0])
        assert (values == rows.values[row]).all()
        assert signatures == rows.signatures[row].tobytes()


def test_calls_that_wait_together_get_their_own_answers_and_hostile_bytes_spoil_nobodys(
    plan: Plan, scanner: Scanner
) -> None:
    rows, querier = plan.read(), client(plan, scanner)
    wrong: list[str] = []

    def honest(row: int) -> None:
        pending, query = querier.query(row)
        values, _ = pending.open(asked(scanner, [query])[0])
        if not (values == rows.values[row]).all():
            wrong.append(f"row of caller {row}")

    def hostile() -> None:
        try:
            asked(scanner, [b"no query"])
            wrong.append("hostile bytes were answered")
        except MessageError:
            pass

    threads = [threading.Thread(target=honest, args=(row,)) for row in range(8)]
    threads += [threading.Thread(target=hostile) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_worker_that_is_killed_is_replaced_and_the_call_repeated(plan: Plan, scanner: Scanner) -> None:
    rows, querier = plan.read(), client(plan, scanner)
    [before] = scanner.pids()
    os.kill(before, signal.SIGKILL)
    pending, query = querier.query(3)
    values, _ = pending.open(asked(scanner, [query])[0])
    assert (values == rows.values[3]).all()
    assert scanner.pids() != [before]


def test_the_queue_is_bounded_and_what_nobody_waits_for_is_not_begun(plan: Plan, scanner: Scanner) -> None:
    with pytest.raises(Refused) as full:
        asked(scanner, [b"x"] * 600)
    assert full.value.code == "busy"
    [worker] = scanner.pids()
    os.kill(worker, signal.SIGSTOP)
    try:
        _, query = client(plan, scanner).query(0)
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(Refused) as late:
                asked(scanner, [query], seconds=0.3)
            assert late.value.code == "unreachable"
            assert time.monotonic() - started < 30.0
    finally:
        os.kill(worker, signal.SIGCONT)
    assert asked(scanner, [query])


def test_a_file_of_another_shape_is_not_served(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(plan.file.read_bytes()[:-1])
    broken = Scanner(Plan("lwe", EPOCH, file, plan.rows, plan.slots, plan.quorum), processes=1)
    try:
        with pytest.raises(EOFError):
            broken.start()
    finally:
        broken.stop()


def test_workers_end_with_the_pool_that_was_killed(plan: Plan) -> None:
    """Nobody tells them: each holds its own end of its own pipe, and no other worker's."""
    script = (
        "import sys, time, pickle\n"
        "from server.lookup.scanner import Scanner\n"
        "scanner = Scanner(pickle.loads(bytes.fromhex(sys.argv[1])), processes=2)\n"
        "scanner.start()\n"
        "print(*scanner.pids(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, pickle.dumps(plan).hex()], stdout=subprocess.PIPE, text=True
    ) as pool:
        assert pool.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in pool.stdout.readline().split()]
        assert len(workers) == 2
        pool.kill()
    _, alive = psutil.wait_procs(workers, timeout=120.0)
    assert not alive


def test_a_worker_loads_neither_the_service_nor_its_database() -> None:
    """What the pool's program imports would be paid for once more in every worker."""
    script = "import sys, server.lookup.scan_process; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "numpy" in loaded
    assert not {"grpc", "sqlalchemy", "alembic", "pydantic"} & set(loaded)


def test_a_worker_is_a_program_of_its_own(scanner: Scanner) -> None:
    for pid in scanner.pids():
        assert "server.lookup.scan_process" in psutil.Process(pid).cmdline()
