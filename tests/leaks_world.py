"""A bank whose records can be recognised wherever they turn up, and everything that it wrote and sent."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import polars as pl
from rounds_world import BUNDLE, COORDINATOR, key_of, privacy

from clients.institution.home import InstitutionHome
from clients.institution.serve import answers
from federation.catalogue import load_catalogue
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_to_bytes
from federation.runtime.rpc import call
from federation.synthetic import Population, PopulationSpec
from federation.training import Recipe, initial_parameters
from protocols.envelope import read_envelope, seal
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope, Phase, PlanApproval, PlanProposal, Refusal, RoundRequest

SERVICE = training_pb2.DESCRIPTOR.services_by_name["Node"]


CATALOGUE = load_catalogue("synthetic")


SUBJECT, NOTE, BALANCE = "RSSMRA80A01H501U", "Quillfeather", 73182.6401


NODE = "from clients.institution.node_service import main"


RUN = "raise SystemExit(main(sys.argv[1:]))"


# Errors as libraries raise them: the message quotes what they were given, here all of the file.
QUOTE = "quote = pathlib.Path(sys.argv[1], 'records.csv').read_text()"


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
        deadline = time.monotonic() + 240
        while not answers(self.home.socket):
            assert process.poll() is None, self.said[-1].read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    def ask(self, data: bytes) -> Envelope:
        with grpc.insecure_channel(f"unix:{self.home.socket}") as channel:
            answer = call(channel, SERVICE, "Handle", Envelope.FromString(data), timeout=240.0)
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
