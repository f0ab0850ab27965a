"""The node process: holdout, socket, and a home served from end to end."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
from membership_world import pinned
from rounds_world import COORDINATOR, Bank, Clock, key_of, records

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.node_service import holdout_salt, main, serve, split
from federation.records.encoded import Encoded
from federation.runtime.rpc import call
from federation.synthetic import Population, PopulationSpec
from protocols.envelope import open_envelope, seal
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope, HelloReply, HelloRequest, Refusal

SERVICE = training_pb2.DESCRIPTOR.services_by_name["Node"]
HELLO = Envelope.FromString(seal(HelloRequest(challenge=b"c" * 32), COORDINATOR))


def ask(socket: Path, request: Envelope, timeout: float = 120.0) -> Envelope:
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        answer: Envelope = call(channel, SERVICE, "Handle", request, timeout=timeout)
    return answer


def test_all_records_of_a_subject_go_to_one_side() -> None:
    subjects = np.array([f"s{number % 300}" for number in range(1500)], dtype=object)
    table = Encoded(np.arange(1500, dtype=np.uint8)[:, None], np.zeros(1500, np.uint8), subjects=subjects)
    training, holdout = split(table, 0.2, b"salt")
    assert training.subjects is not None
    assert holdout.subjects is not None
    assert not set(training.subjects) & set(holdout.subjects)
    assert len(training) + len(holdout) == 1500
    assert 200 < len(holdout) < 400
    again = split(table, 0.2, b"salt")[1]
    assert np.array_equal(again.codes, holdout.codes)
    assert not np.array_equal(split(table, 0.2, b"pepper")[1].codes, holdout.codes)


def test_without_subjects_rows_are_split() -> None:
    training, holdout = split(records(1, 1000), 0.2, b"salt")
    assert 150 < len(holdout) < 250
    assert len(training) == 1000 - len(holdout)
    assert len(split(records(1, 50), 0.0, b"salt")[1]) == 0


def test_a_record_more_or_less_moves_no_other_across() -> None:
    table = records(1, 1000)
    everybody = np.ones(1000, dtype=np.bool_)
    everybody[17] = False
    before = {row.tobytes() for row in split(table, 0.2, b"salt")[1].codes}
    after = {row.tobytes() for row in split(table.take(everybody), 0.2, b"salt")[1].codes}
    assert after <= before
    assert len(before - after) <= 1


def test_the_salt_is_made_once_and_is_private(tmp_path: Path) -> None:
    salt = holdout_salt(tmp_path)
    assert len(salt) == 32
    assert holdout_salt(tmp_path) == salt
    assert stat.S_IMODE((tmp_path / "holdout.salt").stat().st_mode) == 0o600


def test_the_socket_is_its_owners_alone_and_answers(tmp_path: Path) -> None:
    bank = Bank("bank-a", Clock())
    socket = tmp_path / "node.sock"
    socket.touch()  # left behind by a node that was killed
    server = serve(bank.node, socket)
    try:
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        answer = ask(socket, HELLO).SerializeToString(deterministic=True)
        assert open_envelope(answer, HelloReply, key_of("bank-a").public).institution == "bank-a"
        refusal = ask(socket, Envelope(version=9)).SerializeToString(deterministic=True)
        assert open_envelope(refusal, Refusal, key_of("bank-a").public).code == "unreadable"
    finally:
        server.close()


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    data = tmp_path / "records.parquet"
    population = Population.draw(PopulationSpec(persons=400, institutions=1), np.random.default_rng(1))
    population.table(0).write_parquet(data)
    text = settings_text(
        name="bank-a",
        catalogue="synthetic",
        data=data,
        nominal_records=300,
        caps=CapSettings(),
        written=datetime(2030, 1, 1, tzinfo=UTC),
    )
    opened = InstitutionHome.create(tmp_path / "home", text)
    opened.save_coordinator(pinned(COORDINATOR))
    return opened


@pytest.fixture
def process(home: InstitutionHome) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "clients.institution.node_service", str(home.path)]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    yield started
    started.kill()
    started.wait()


def wait_for(socket: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not socket.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.integration
def test_a_home_is_served_until_it_is_told_to_stop(home: InstitutionHome, process: subprocess.Popen[str]) -> None:
    wait_for(home.socket, process)
    answer = ask(home.socket, HELLO).SerializeToString(deterministic=True)
    assert open_envelope(answer, HelloReply, home.signing_key.public).institution == "bank-a"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=240) == 0
    assert not home.socket.exists()
    assert process.stderr is not None
    log = process.stderr.read()
    assert "records" in log
    assert "Traceback" not in log


def test_a_home_that_cannot_be_opened_ends_with_one_line(tmp_path: Path) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
