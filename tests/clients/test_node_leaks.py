"""A node process that is used, abused and broken: what it leaves on disk and says must not hold a record or its key.

A subject identifier and two values of its record are planted in the data file. Real processes are led through rounds,
refusals, hostile bytes, files that cannot be read, and errors whose messages quote the whole file; then every file of
the home and all that was printed is searched, as text and as the bytes of floats.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import polars as pl
import pytest
from logged_member import served_log
from rounds_world import BUNDLE, COORDINATOR, key_of, privacy

from clients.institution.home import CapSettings, InstitutionHome, settings_text
from clients.institution.serve import answers
from federation.catalogue import load_catalogue
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_to_bytes
from federation.runtime.processes import UNUSABLE
from federation.runtime.rpc import call
from federation.synthetic import Population, PopulationSpec
from federation.training import Recipe, initial_parameters
from protocols.envelope import read_envelope, seal
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope, HelloRequest, Phase, PlanApproval, PlanProposal, Refusal, RoundRequest
from server.oversight.recorder import Recorder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SERVICE = training_pb2.DESCRIPTOR.services_by_name["Node"]
CATALOGUE = load_catalogue("synthetic")
SUBJECT, NOTE, BALANCE = "RSSMRA80A01H501U", "Quillfeather", 73182.6401
NODE = "from clients.institution.node_service import main"
RUN = "raise SystemExit(main(sys.argv[1:]))"
# Errors as libraries raise them: the message quotes what they were given, here all of the file.
QUOTE = "quote = pathlib.Path(sys.argv[1], 'records.csv').read_text()"
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


def forms(value: float) -> list[bytes]:
    return [str(value).encode(), *(struct.pack(form, value) for form in ("<d", ">d", "<f", ">f"))]


@dataclass
class Victim:
    """An enrolled institution, its processes, and all that they said."""

    home: InstitutionHome
    folder: Path
    said: list[Path] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, fault: str = "") -> subprocess.Popen[bytes]:
        said = self.folder / f"said-{len(self.said)}"
        self.said.append(said)
        code = "\n".join(["import pathlib, sys", QUOTE if fault else "", NODE, fault, RUN])
        with said.open("wb") as out:
            command = [sys.executable, "-c", code, str(self.home.path)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
        self.running.append(process)
        return process

    def serve(self, fault: str = "") -> subprocess.Popen[bytes]:
        process = self.start(fault)
        deadline = time.monotonic() + 60
        while not answers(self.home.socket):
            assert process.poll() is None, self.said[-1].read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    def ask(self, data: bytes) -> Envelope:
        with grpc.insecure_channel(f"unix:{self.home.socket}") as channel:
            answer = call(channel, SERVICE, "Handle", Envelope.FromString(data), timeout=60.0)
        assert isinstance(answer, Envelope)
        return answer

    def refusal(self, data: bytes) -> str:
        answer = self.ask(data)
        assert answer.kind == "Refusal", answer.kind
        return Refusal.FromString(answer.body).code

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.home.logs / "node.jsonl").read_text().splitlines()]

    def events(self) -> set[object]:
        return {line["event"] for line in self.log()}

    def left_behind(self) -> dict[str, bytes]:
        """Everything in the home but the records themselves, what was said, and all that the coordinator has."""
        own = {self.home.data, *self.home.quarantine.rglob("*")}
        homes = (self.home.path, self.folder / "coordinator")
        files = [file for home in homes for file in home.rglob("*") if file.is_file() and file not in own]
        return {str(file): file.read_bytes() for file in [*files, *self.said]}

    def assert_silent(self) -> None:
        key = self.home.keys / "signing.pem"
        body = [line.encode() for line in key.read_text().splitlines() if not line.startswith("-----")]
        raw = self.home.signing_key._key.private_bytes_raw()
        for name, content in self.left_behind().items():
            for secret in [SUBJECT.encode(), NOTE.encode(), *forms(BALANCE)]:
                assert secret not in content, (name, secret)
            for secret in [*body, raw, raw.hex().encode()]:
                assert name == str(key) or secret not in content, name


def table() -> pl.DataFrame:
    """300 records, one of them the victim's, and one of the victim's that breaks a rule."""
    drawn = Population.draw(PopulationSpec(persons=320, institutions=1), np.random.default_rng(1)).table(0)
    text = drawn.cast(pl.String).with_columns(note=pl.lit(None, pl.String))
    first = pl.int_range(pl.len()) == 0
    planted = {"person_id": SUBJECT, "revolving_balance": str(BALANCE), "note": NOTE}
    text = text.with_columns(
        pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in planted.items()
    )
    broken = text[:1].with_columns(person_id=pl.lit(SUBJECT + "2"), age=pl.lit(NOTE))
    return pl.concat([text, broken])


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


def plan(victim: Victim, **changes: object) -> TrainingPlan:
    keys = {"bank-a": victim.home.signing_key.public.hex, "bank-b": key_of("bank-b").public.hex}
    values = {
        "run_id": "spring",
        "catalogue": CatalogueRef(name=CATALOGUE.name, version=CATALOGUE.version, hash=CATALOGUE.hash),
        "recipe": Recipe(learning_rate=0.5),
        "privacy": privacy(),
        "members": tuple(
            Member(institution=name, key=key, nominal_records=500, features=CATALOGUE.feature_names)
            for name, key in keys.items()
        ),
        "coordinator": COORDINATOR.public.hex,
        "quorum": 1,
        "round_deadline_s": 60.0,
        "bundle_hash": BUNDLE,
        "max_update_norm": 1000.0,
        "expires": int(time.time()) + 3600,
    }
    return TrainingPlan(**{**values, **changes})


def proposal(of: TrainingPlan) -> bytes:
    return seal(PlanProposal(plan=of.canonical()), COORDINATOR)


def agreed(victim: Victim, of: TrainingPlan) -> SignedPlan:
    answer = victim.ask(proposal(of))
    assert answer.kind == "PlanApproval", Refusal.FromString(answer.body)
    own = PlanApproval.FromString(answer.body).approval
    return SignedPlan.sign(of, {"bank-a": own, "bank-b": approve(of, key_of("bank-b"))}, COORDINATOR)


def request(signed: SignedPlan, round: int = 1, *, phase: int = Phase.TRAIN, in_ms: int = 60_000) -> bytes:
    message = RoundRequest(
        signed_plan=signed.canonical(),
        plan_hash=bytes.fromhex(signed.plan.hash),
        phase=phase,
        round=round,
        model=model_to_bytes(initial_parameters(CATALOGUE, signed.plan.recipe)),
        deadline_ms=int(time.time() * 1000) + in_ms,
    )
    return seal(message, COORDINATOR)


def hostile(signed: SignedPlan) -> list[bytes]:
    good = read_envelope(request(signed))
    forged, cut, renamed, loud = (Envelope.FromString(good.SerializeToString()) for _ in range(4))
    forged.signature = bytes(64)
    cut.body = good.body[: len(good.body) // 2]
    renamed.kind = "SubjectRequest"
    loud.kind = 'x"}\n{"event":"release sent' + "\x1b[2J" * 20
    return [envelope.SerializeToString() for envelope in (forged, cut, renamed, loud, Envelope(version=9))]


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
    assert process.wait(timeout=40) == 0
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
    assert process.wait(timeout=40) == 0
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
    assert victim.start(STARTING).wait(timeout=60) == 1
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
