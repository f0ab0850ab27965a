"""A node process that is used, abused and broken: what it leaves on disk and says must not hold a record or its key.

A subject identifier and two values of its record are planted in the data file. Real processes are led through rounds,
refusals, hostile bytes, files that cannot be read, and errors whose messages quote the whole file; then every file of
the home and all that was printed is searched, as text and as the bytes of floats.
"""

from __future__ import annotations

import json
import signal
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from leaks_world import BALANCE, NOTE, SUBJECT, Victim, agreed, hostile, plan, proposal, request, table
from logged_member import served_log
from rounds_world import BUNDLE, COORDINATOR

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.serve import answers
from federation.runtime.processes import UNUSABLE
from protocols.envelope import seal
from protocols.wire.training_pb2 import HelloRequest, Phase, Refusal
from server.oversight.recorder import Recorder

pytestmark = pytest.mark.integration


FAULTS = {
    "computing": "def train(*_): raise ValueError(quote)\nfrom clients.institution import training\n"
    "training.Computation.train = train",
    "warning": "import warnings\nfrom clients.institution import training\ndef train(*_): warnings.warn(quote); 1 / 0\n"
    "training.Computation.train = train",
    "serving": "from clients.institution import node_service\ndef Handle(*_): raise KeyError(quote)\n"
    "node_service.NodeServicer.Handle = Handle",
    "thread": "import threading\nfrom clients.institution import training\n"
    "def burst(): raise OSError(quote)\n"
    "def train(*_): t = threading.Thread(target=burst); t.start(); t.join(); raise RuntimeError(quote)\n"
    "training.Computation.train = train",
}


STARTING = """def main(arguments):
    from federation.runtime.logging import configure_process
    configure_process(pathlib.Path(arguments[0], 'logs', 'node.jsonl'))
    raise LookupError(quote)"""


CARELESS = """import logging
from clients.institution import node_service
node_service.configure_process = lambda *_: logging.basicConfig(level=logging.INFO, force=True)"""


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    text = settings_text(
        name="bank-a",
        catalogue="synthetic",
        data=Path("records.csv"),
        nominal_records=500,
        caps=CapSettings(),
        written=datetime(2030, 1, 1, tzinfo=UTC),
    )
    with served_log(tmp_path, COORDINATOR) as (world, log):
        home = InstitutionHome.create(tmp_path / "home", text)
        world.enrol(home)
        Recorder(log.host.store, log.host.roster, world.store.admitted, COORDINATOR).tick()
        home.accept_bundle(BUNDLE)
        table().write_csv(home.data)
        made = Victim(home, tmp_path)
        yield made
        for process in made.running:
            process.kill()
            process.wait()


def test_a_working_life_leaves_no_trace_of_anybody(victim: Victim) -> None:
    process = victim.serve()
    victim.ask(seal(HelloRequest(challenge=b"c" * 32), COORDINATOR))
    signed = agreed(victim, plan(victim))
    first = request(signed)
    assert victim.ask(first).kind == "RoundReply"
    assert victim.ask(request(signed, 0, phase=Phase.EVALUATE)).kind == "RoundReply"
    assert victim.refusal(request(signed, 2, in_ms=-1)) == "late"
    assert victim.refusal(proposal(plan(victim, run_id="autumn", bundle_hash="cd" * 32))) == "wrong_bundle"
    for data in hostile(signed):
        assert victim.refusal(data) in {"wrongly_signed", "unreadable", "unknown_kind", "unsigned"}

    process.send_signal(signal.SIGKILL)
    process.wait()
    process = victim.serve()
    assert victim.ask(first).kind == "RoundReply"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=240) == 0
    victim.assert_silent()

    log = victim.log()
    assert victim.events() >= {"records read", "node ready", "release sent", "request refused", "node stopping"}
    late = next(line for line in log if line.get("code") == "late")
    assert (late["institution"], late["run_id"], late["where"]) == ("bank-a", "spring", "request.deadline_ms")
    assert len(str(late["request_hash"])) == 64
    sent = [line for line in log if line["event"] == "release sent"]
    assert [(line["run_id"], line["phase"], line["round"]) for line in sent] == [
        ("spring", "train", 1),
        ("spring", "evaluate", 0),
    ]
    assert "[redacted]" not in json.dumps([line for line in log if line.get("code") in ("late", "wrong_bundle")])

    quarantined = [file for file in victim.home.quarantine.iterdir() if NOTE in file.read_text()]
    assert [file.stat().st_mode & 0o777 for file in quarantined] == [0o600]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_that_quotes_the_file_is_not_quoted(victim: Victim, fault: str) -> None:
    process = victim.serve(FAULTS[fault])
    if fault == "serving":
        with pytest.raises(grpc.RpcError) as caught:
            victim.ask(seal(HelloRequest(challenge=b"c" * 32), COORDINATOR))
        assert SUBJECT not in str(caught.value)
    else:
        answer = victim.ask(request(agreed(victim, plan(victim))))
        assert Refusal.FromString(answer.body).code == "internal"
        assert SUBJECT.encode() not in answer.SerializeToString()
        failed = next(line for line in victim.log() if line["event"] == "request failed")
        assert (failed["institution"], failed["run_id"]) == ("bank-a", "spring")
        assert isinstance(failed["error"], dict)
        assert failed["error"]["at"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=240) == 0
    if fault == "thread":
        assert "thread ended by an error" in victim.events()
    victim.assert_silent()


@pytest.mark.parametrize(
    ("damage", "trouble"),
    [
        (lambda data: data.replace(b"person_id", b"persona"), "records cannot be used"),
        (lambda data: data.replace(b"note", b"religion"), "records cannot be used"),
        (lambda data: b"\x1f\x8b" + data, "records cannot be used"),
        (lambda data: b"", "records cannot be used"),
        (lambda data: data.splitlines(keepends=True)[0], "records cannot be used"),
        (lambda data: data.replace(NOTE.encode(), NOTE.encode() + b'"unclosed,,,,'), None),  # bad rows: quarantine
        (lambda data: data.replace(NOTE.encode(), b"\xff\xfe" + NOTE.encode()), "records cannot be used"),
    ],
    ids=["no subject", "prohibited", "gzip", "empty", "no rows", "quote", "bytes"],
)
def test_a_file_that_cannot_be_read_is_not_quoted(victim: Victim, damage: object, trouble: str | None) -> None:
    assert callable(damage)
    victim.home.data.write_bytes(damage(victim.home.data.read_bytes()))
    process = victim.start()
    while process.poll() is None and not answers(victim.home.socket):
        time.sleep(0.05)
    assert process.poll() == (None if trouble is None else UNUSABLE)
    if trouble is not None:
        assert trouble in victim.events()
    victim.assert_silent()


def test_a_process_that_breaks_says_where_and_not_what(victim: Victim) -> None:
    assert victim.start(STARTING).wait(timeout=240) == 1
    (line,) = victim.log()
    assert line["event"] == "process ended by an error"
    assert isinstance(line["error"], dict)
    assert line["error"]["type"] == "LookupError"
    victim.assert_silent()


def test_without_redaction_the_search_would_find_it(victim: Victim) -> None:
    victim.serve(CARELESS + "\n" + FAULTS["computing"])
    assert victim.ask(request(agreed(victim, plan(victim)))).kind == "Refusal"
    with pytest.raises(AssertionError, match="said-0"):
        victim.assert_silent()


def test_the_search_finds_what_is_there(victim: Victim) -> None:
    for secret in (SUBJECT.encode(), struct.pack("<f", BALANCE), (victim.home.keys / "signing.pem").read_bytes()):
        (victim.home.logs / "careless.log").write_bytes(b"..." + secret)
        with pytest.raises(AssertionError):
            victim.assert_silent()
