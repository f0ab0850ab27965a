"""The training plane carries rounds, and survives the loss of any part of it: twenty kills in one run."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from flower_deployment import Deployment, bundle_with, make_coordinator, make_institution, until

import clients.institution.serve as institution_serve
from clients.institution.home import InstitutionHome
from federation.catalogue import load_catalogue
from federation.errors import FederationError
from federation.ledger import Ledger, Scope
from federation.rounds import Member
from federation.synthetic.population import PopulationSpec
from federation.synthetic.tables import Population, write_population
from server.checkpoint_store import PLAN, CheckpointStore
from server.home import CoordinatorHome
from server.plans import PlanOptions, build_plan
from server.run_submission import run_training
from server.superlink import shipped_bundle

pytestmark = pytest.mark.integration
NAMES = ("alpha", "beta", "gamma")
KILLS, AT_ONCE, ROUNDS, SEED = 20, 2, 18, 20260704
PATIENCE_S = 600.0

PACED_SERVER = """
import json, os, time
from pathlib import Path
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from federation.runtime.flower import message as wire
app = ServerApp()
@app.main()
def main(grid: Grid, context: Context) -> None:
    folder = Path(os.environ["FEDSCORE_COORDINATOR_HOME"]) / "runs" / str(context.run_config["run"])
    model = b"x" * 4 * 2000
    while len(list(grid.get_node_ids())) < 3:
        time.sleep(0.05)
    times, answers = [time.time()], []
    for number in range(10):
        nodes = list(grid.get_node_ids())
        ids = set(grid.push_messages([wire.request(node, model, ttl=200.0, group=str(number)) for node in nodes]))
        while ids:
            for reply in grid.pull_messages(list(ids)):
                ids.discard(reply.metadata.reply_to_message_id)
                answers.append(wire.content(reply) == model.upper())
            time.sleep(0.1)
        times.append(time.time())
    (folder / "paced.json").write_text(json.dumps({"times": times, "answers": answers}))
    (folder / "model.json").write_text("{}")
"""


def test_the_plane_carries_rounds_for_little(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    """Whole answers, and CPU seconds with a wide margin: seconds on the wall are for `benchmarks/deployment.py`."""
    deployment = Deployment.create(tmp_path, NAMES)
    bundle = bundle_with(tmp_path, PACED_SERVER)
    for home in deployment.institutions:
        home.accept_bundle(bundle.hash)
    run = deployment.coordinator.run("paced")
    run.mkdir()
    (run / PLAN).write_text("{}")
    with deployment:
        run_training(deployment.coordinator, "paced", bundle=bundle)
        everything = deployment.everything()
        seconds = sum(sum(psutil.Process(pid).cpu_times()[:4]) for pid in deployment.pids().values())
        seconds += sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in deployment.servers())
    paced = json.loads((run / "paced.json").read_text())
    assert paced["answers"] == [True] * 30
    record_property("seconds_per_round", np.diff(np.asarray(paced["times"])).tolist())
    record_property("cpu_seconds", seconds)
    print(f"median round {np.median(np.diff(paced['times'])):.2f} s, {seconds:.1f} s of CPU")
    until(lambda: not any(psutil.pid_exists(pid) for pid in everything), 150, "everything is gone")
    assert seconds <= 120.0  # 20 on a machine that does nothing else


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoordinatorHome, tuple[InstitutionHome, ...]]:
    """A coordinator and three institutions with records of a synthetic population, as after enrolment."""
    folder = tmp_path_factory.mktemp("federation")
    population = Population.draw(PopulationSpec(persons=6000, institutions=3), np.random.default_rng(1))
    files = write_population(population, folder / "population")
    coordinator = make_coordinator(folder / "coordinator")
    homes = []
    for name, file in zip(NAMES, files, strict=True):
        home = make_institution(folder / name, name, coordinator, data=str(file), nominal=2000, cap=40.0)
        homes.append(home)
    return coordinator, tuple(homes)


def prepare(
    coordinator: CoordinatorHome,
    homes: tuple[InstitutionHome, ...],
    run_id: str,
    rounds: int,
    *,
    deadline_s: float = 15.0,
) -> None:
    catalogue = load_catalogue(coordinator.catalogue)
    members = [
        Member(
            institution=home.name,
            key=home.signing_key.public.hex,
            nominal_records=home.settings.nominal_records,
            features=tuple(feature.name for feature in catalogue.features),
        )
        for home in homes
    ]
    options = PlanOptions(
        run_id=run_id,
        coordinator=coordinator.signing_key.public.hex,
        bundle_hash=shipped_bundle().hash,
        now=time.time(),
        epsilon=8.0,
        rounds=rounds,
        noise="local",
        spare_rounds=20,
        round_deadline_s=deadline_s,
        force=True,
    )
    CheckpointStore(coordinator.run(run_id)).write(PLAN, build_plan(members, catalogue, options))


def real_node(home: InstitutionHome) -> Any:
    return institution_serve.children(home)[0]


class Training(threading.Thread):
    """`run_training` beside the main thread, which owns the children."""

    def __init__(self, home: CoordinatorHome, run_id: str) -> None:
        super().__init__(daemon=True)
        self.home, self.run_id = home, run_id
        self.events: list[dict[str, Any]] = []
        self.error: FederationError | None = None
        self.model: Path | None = None

    @property
    def rounds(self) -> int:
        """How many rounds were heard to be finished."""
        return sum(event["event"] == "averaged" for event in self.events)

    def run(self) -> None:
        try:
            self.model = run_training(self.home, self.run_id, on_event=lambda event: self.events.append(dict(event)))
        except FederationError as error:
            self.error = error


def kill_at_random(deployment: Deployment, training: Training, rng: random.Random) -> list[str]:
    """Kill KILLS parts while the run lasts; what was killed.

    Two at a time, at a random moment of the round after the next one, however long rounds take here; or after 20 s
    without one.
    """
    killed: list[str] = []
    kinds = ["node", "superlink", "supernode", "driver"]
    finished, due = 0, time.monotonic() + rng.uniform(0.0, 5.0)
    deadline = time.monotonic() + PATIENCE_S
    while training.is_alive():
        deployment.poll()
        now = time.monotonic()
        assert now < deadline, (killed, training.events[-5:])
        if training.rounds > finished:
            finished, due = training.rounds, min(due, now + rng.uniform(0.0, 1.3))
        if now >= due and len(killed) < KILLS:
            victims = [choose(deployment, kinds[(len(killed) + i) % 4], rng) for i in range(AT_ONCE)]
            if None not in victims:
                for name, pid in filter(None, victims):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(name)
                finished, due = training.rounds, now + 20.0
        time.sleep(0.05)
    return killed


def choose(deployment: Deployment, kind: str, rng: random.Random) -> tuple[str, int] | None:
    if kind == "driver":
        drivers = deployment.round_drivers()
        return ("driver", drivers[0]) if drivers else None
    pids = {name: pid for name, pid in deployment.pids().items() if name.startswith(kind)}
    servers = {f"{name}-server": deployment.server(name) for name in pids if kind != "node"}
    pids |= {name: pid for name, pid in servers.items() if pid is not None}
    return rng.choice(sorted(pids.items())) if pids else None


@pytest.fixture(scope="module")
def survived(federation: tuple[CoordinatorHome, tuple[InstitutionHome, ...]]) -> tuple[Training, list[str]]:
    coordinator, homes = federation
    prepare(coordinator, homes, "kills", rounds=ROUNDS)
    with Deployment(coordinator, homes, node=real_node) as deployment:
        training = Training(coordinator, "kills")
        training.start()
        killed = kill_at_random(deployment, training, random.Random(SEED))
        everything = deployment.everything()
    until(lambda: not any(psutil.pid_exists(pid) for pid in everything), 150, "everything is gone")
    return training, killed


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_the_run_completes_whatever_is_killed(survived: tuple[Training, list[str]]) -> None:
    training, killed = survived
    assert training.error is None
    assert training.model is not None
    assert len(killed) == KILLS, killed
    assert {name.split("-")[0] for name in killed} == {"node", "supernode", "superlink", "driver"}


@pytest.mark.soak
def test_no_round_was_averaged_twice(survived: tuple[Training, list[str]]) -> None:
    training, _ = survived
    store = CheckpointStore(training.home.run(training.run_id))
    checkpoint, model = store.checkpoint(), store.model()
    assert checkpoint is not None
    assert model is not None
    assert [record.round for record in checkpoint.rounds] == list(range(1, ROUNDS + 1))
    averaged = [event["round"] for event in store.events() if event["event"] == "averaged"]
    assert len(averaged) == len(set(averaged))
    assert all(len(record.updates) >= 2 for record in checkpoint.rounds)
    hashes = [update for record in checkpoint.rounds for update in record.updates.values()]
    assert len(hashes) == len(set(hashes))


@pytest.mark.soak
def test_no_ledger_is_below_what_was_released_nor_above_its_cap(
    survived: tuple[Training, list[str]], federation: tuple[CoordinatorHome, tuple[InstitutionHome, ...]]
) -> None:
    training, _ = survived
    checkpoint = CheckpointStore(training.home.run(training.run_id)).checkpoint()
    assert checkpoint is not None
    for home in federation[1]:
        ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())
        verification = ledger.verify(recompute=True)
        assert verification.open == 0
        entries = [signed.entry for signed in ledger.entries()]
        reserved = {signed.hash for signed in ledger.entries() if signed.entry.kind == "reserve"}
        spent = {entry.update_hash: entry.reservation for entry in entries if entry.update_hash}
        used = 0
        for record in checkpoint.rounds:
            if home.name in record.updates:
                used += 1
                assert spent[record.updates[home.name]] == record.reservations[home.name]
                assert record.reservations[home.name] in reserved
        assert used <= len(spent) <= len(reserved)
        for scope, key in ((Scope.RUN, training.run_id), (Scope.YEAR, None), (Scope.LIFETIME, None)):
            amount = ledger.claims(scope, key)
            assert 0.0 < amount.pld <= amount.cap
        assert datetime.now(UTC) >= max(entry.time for entry in entries)
