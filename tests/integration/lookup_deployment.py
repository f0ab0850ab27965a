"""A coordinator's relay and pool and three institutions' nodes, as processes on loopback, for the private score query.

    with LookupDeployment.create(tmp_path, persons=400) as world:
        world.open_epoch("mirror")
        world.publish()
        answer = world.query("aurora", subject)

Homes, enrolment and admission are what `found` makes of them. Flower's own processes, which no query needs, are not
started. The model is drawn at random and signed with the members' own keys.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from founding import Founding, by_commands
from scores_world import PRIVACY

from clients.institution import serve as institution_serve
from clients.institution.home import InstitutionHome
from clients.institution.lookup import publish_cli
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.part import Part
from clients.institution.lookup.publishing import Published, publish
from clients.institution.lookup.querier import Querier
from clients.institution.lookup.questions import Answer
from federation.catalogue import load_catalogue
from federation.models import MODEL_LABEL, PublishedModel
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.runtime.processes import BackOff, Child, Supervisor
from federation.training import Recipe, initial_parameters
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from server import serve as coordinator_serve
from server.home import CoordinatorHome
from server.log import LogStore
from server.lookup.folders import LookupFolders
from server.lookup.proposals import Candidate, Terms, close_epoch, open_epoch
from server.lookup.record_store import EpochRecord as Record
from server.lookup.record_store import RecordStore, Said
from server.lookup.relay import LOG_KIND, log_body
from workbench.demo.inputs import Inputs, synthesise
from workbench.demo.processes import FEDSCORE

PURPOSE = "credit-application"


def _unsaid(what: str) -> None:
    """What a person at the terminal would read."""


@dataclass
class LookupDeployment:
    """Everything under `out`; parts can be killed by name: membership, pool, or an institution's node."""

    out: Path
    inputs: Inputs
    coordinator: CoordinatorHome
    institutions: dict[str, InstitutionHome]
    supervisor: Supervisor
    model: Path
    clock: Callable[[], float] = time.time
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        out: Path,
        *,
        persons: int,
        found: Founding = by_commands,
        node: Callable[[InstitutionHome], Child] = lambda home: institution_serve.children(home)[0],
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """`node`: what serves each institution's part; `clock`: Unix time (s), the one that the processes see."""
        inputs = synthesise(out, persons, seed=5)
        coordinator, homes = found(out, inputs)
        parts = [child for child in coordinator_serve.children(coordinator) if child.name in ("membership", "pool")]
        parts += [replace(node(home), name=home.name) for home in homes.values()]
        supervisor = Supervisor(parts, back_off=BackOff(first=0.2, longest=1.0))
        world = cls(out, inputs, coordinator, homes, supervisor, out / "model.json", clock)
        world.model.write_bytes(_model(coordinator, homes).canonical())
        return world

    def __enter__(self) -> Self:
        self.supervisor.start(timeout=150)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.supervisor.stop()

    @property
    def record(self) -> Record | None:
        store = RecordStore.open(self.coordinator.database_url)
        try:
            return store.current()
        finally:
            store.close()

    @property
    def phase(self) -> str:
        record = self.record
        return "" if record is None else str(record.state.phase)

    @property
    def fingerprint(self) -> str:
        """Of the roster that is proposed, as the operators read it out to one another."""
        record = self.record
        assert record is not None
        return roster_fingerprint(record.proposal)

    def said(self, kind: str, party: str) -> bool:
        record = self.record
        return record is not None and record.state.has(kind, party)

    def open_epoch(
        self, engine: str, *, authorities: Mapping[str, str] | None = None, oversight: str = "", **parameters: Any
    ) -> None:
        """The operator's decision, as `fedscore coordinator` makes it. `authorities`: with them, consent is needed;
        `oversight`: the key that leaves are tagged for."""
        folders, store = LookupFolders(self.coordinator.path), RecordStore.open(self.coordinator.database_url)
        chosen = {"cadence_s": 3600, "dummies": 8, "quorum": 2} | parameters
        terms = Terms(
            parameters=Parameters(engine=engine, **chosen),
            catalogue=load_catalogue("synthetic").hash,
            model=PublishedModel.read(self.model.read_bytes()).hash,
            log_key=self.coordinator.log_key.public.key.hex,
            pool_key=folders.pool_key().public.hex,
            authorities=authorities or {},
            oversight=oversight,
        )
        members = [Candidate(name, home.signing_key.public.hex, 10_000) for name, home in self.institutions.items()]
        open_epoch(store, self.coordinator.signing_key, members, terms, self.clock(), self._log)
        store.close()

    def close_epoch(self) -> None:
        store = RecordStore.open(self.coordinator.database_url)
        close_epoch(store, self.coordinator.signing_key, "operator", self._log)
        store.close()

    def _log(self, counter: int, said: Said) -> None:
        log = LogStore.open(self.coordinator.database_url, self.coordinator.log_key, self.clock)
        log.append(LOG_KIND, log_body(counter, said))
        log.close()

    def start(self, name: str, *words: object, stdin: bytes = b"") -> subprocess.Popen[bytes]:
        """A `fedscore institution` command of one institution, running. Who publishes has compared the fingerprint."""
        if words[0] == "publish":
            words = (*words, "--approve", self.fingerprint)
        line = [*FEDSCORE, "institution", *map(str, words), "--home", str(self.institutions[name].path)]
        process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._started.append(process)
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        return process

    def publish(self, names: Sequence[str] | None = None, *, timeout: float = 200) -> dict[str, Any]:
        """All of `names` take part beside one another until the epoch is open; what each said."""
        running = {
            name: self.start(name, "publish", "--model", self.model, "--timeout", timeout, "--json")
            for name in names or self.institutions
        }
        told = {name: self.wait(process, timeout + 20) for name, process in running.items()}
        failed = {name for name, process in running.items() if process.returncode}
        assert not failed, "\n".join(f"{name}: {b' '.join(said).decode()}" for name, said in told.items())
        return {name: json.loads(out) for name, (out, _) in told.items()}

    def take_part(self, *, seconds: float = 200) -> None:
        """As `publish`, by calls: all members beside one another in threads, until the epoch is open."""
        approve = self.fingerprint

        def publishes(name: str) -> Published:
            home = self.institutions[name]
            with RelayClient(home) as relay:
                record = EpochRecord(home.coordinator_key, name, home.signing_key.public)
                part = Part(home, relay, record, partial(publish_cli._read, self.model, _unsaid), clock=self.clock)
                return publish(part, wait=True, timeout=seconds, approve=approve)

        with ThreadPoolExecutor(len(self.institutions)) as threads:
            parts = [threads.submit(publishes, name) for name in self.institutions]
            self.until(lambda: all(part.done() for part in parts), seconds + 20, "an open epoch")
            for part in parts:
                told = part.result()
                assert told.open, told.to_json()

    def asks(self, name: str, subject: str, purpose: str = PURPOSE, receipt: bytes = b"") -> Answer:
        """One question by a call; the supervisor revives what died meanwhile."""

        def ask() -> Answer:
            with Querier.open(self.institutions[name], patience=60, timeout=60, clock=self.clock) as querier:
                return querier.ask(subject, purpose, receipt)

        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(ask)
            self.until(asked.done, 150, "an answer")
            return asked.result()

    def query(self, name: str, subject: str, *, purpose: str = PURPOSE, patience: float = 15.0) -> dict[str, Any]:
        """One question by the command line; the identifier goes by standard input."""
        words = ("query", "-", "--purpose", purpose, "--patience", patience, "--json")
        process = self.start(name, *words, stdin=subject.encode())
        out, err = self.wait(process, patience + 150)
        assert process.returncode in (0, 3), f"{out.decode()} {err.decode()}"
        return dict(json.loads(out)) | {"exit": process.returncode}

    def wait(self, process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes]:
        """What a command said, once it has ended; the supervisor revives what died meanwhile."""
        self.until(lambda: process.poll() is not None, seconds, "a command")
        return process.communicate()

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
            self.supervisor.poll()
            time.sleep(0.05)

    def kill(self, part: str) -> None:
        os.killpg(os.getpgid(self.supervisor.pids()[part]), signal.SIGKILL)

    def subjects(self, name: str) -> list[str]:
        """Identifiers in an institution's file, in its order."""
        given = next(given for given in self.inputs.institutions if given.name == name)
        return pl.read_csv(given.records, infer_schema_length=0)["person_id"].to_list()


def _model(coordinator: CoordinatorHome, homes: dict[str, InstitutionHome]) -> PublishedModel:
    """Parameters drawn at random, under a plan that every member approved."""
    catalogue, recipe = load_catalogue("synthetic"), Recipe(learning_rate=10.0)
    plan = TrainingPlan(
        run_id="drawn",
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        recipe=recipe,
        privacy=PRIVACY,
        members=tuple(
            Member(
                institution=name,
                key=home.signing_key.public.hex,
                nominal_records=home.settings.nominal_records,
                features=catalogue.feature_names,
            )
            for name, home in sorted(homes.items())
        ),
        coordinator=coordinator.signing_key.public.hex,
        quorum=2,
        round_deadline_s=60.0,
        bundle_hash="0" * 64,
        max_update_norm=100.0,
        expires=2_000_000_000,
    )
    approvals = {name: approve(plan, home.signing_key) for name, home in homes.items()}
    size = initial_parameters(catalogue, recipe).size
    parameters = np.random.default_rng(3).normal(0, 0.3, size).astype("<f4")
    unsigned = PublishedModel(
        signed_plan=SignedPlan.sign(plan, approvals, coordinator.signing_key),
        parameters=base64.b64encode(parameters.tobytes()).decode(),
        institutions=tuple(sorted(homes)),
        checkpoint=(),
        signature="",
    )
    signature = coordinator.signing_key.sign(MODEL_LABEL, unsigned._signed_bytes())
    return unsigned.model_copy(update={"signature": signature.hex()})
