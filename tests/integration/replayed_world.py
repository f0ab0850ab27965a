"""A deployment under a regulator: two institutions, of which one adds no noise in production and one keeps dying.

with replayed(folder) as world:
    world.train("drawn", rounds=3)
    world.draw("alpha", "drawn", 2, attempt=1)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from flower_deployment import HERE, Deployment, make_coordinator, make_institution, until
from test_flower_rounds import Training

from clients.institution.home import InstitutionHome
from clients.institution.replay.draws import open_draws
from clients.institution.replay.sealed_store import Sealed, SealedStore
from clients.regulator.home import RegulatorHome
from clients.regulator.policy_template import template
from clients.regulator.settings import settings_text
from federation.oversight.replay import ABORTED, Place
from federation.rounds import TrainingPlan
from federation.runtime.processes import Child
from federation.synthetic.population import PopulationSpec
from federation.synthetic.tables import Population, write_population
from server.checkpoint_store import PLAN, CheckpointStore
from server.home import CoordinatorHome
from server.log import LogStore
from server.membership_store import MembershipStore
from server.superlink import shipped_bundle
from server.train import PlanFile, prepare

NAMES = ("alpha", "beta")
CAP = 40.0


def faulty_node(home: InstitutionHome) -> Child:
    """What `faulty_node.py` makes of this institution's node."""
    command = (sys.executable, str(HERE / "faulty_node.py"), str(home.path))
    return Child("node", command, home.logs / "node.log", {"OMP_NUM_THREADS": "1"}, ready=home.socket.exists)


@dataclass
class ReplayedWorld:
    coordinator: CoordinatorHome
    homes: dict[str, InstitutionHome]
    regulator: RegulatorHome
    deployment: Deployment
    watch: subprocess.Popen[bytes]

    def train(self, run_id: str, rounds: int, **options: Any) -> Training:
        """A whole run, as `fedscore coordinator train` prepares it."""
        self.prepare(run_id, rounds, **options)
        training = Training(self.coordinator, run_id)
        training.start()
        self.carry_on(training, lambda: not training.is_alive())
        training.join(10)
        return training

    def prepare(self, run_id: str, rounds: int, **options: Any) -> TrainingPlan:
        store = MembershipStore.open(self.coordinator.database_url)
        values = {
            "noise": "local",
            "epsilon": 8.0,
            "spare_rounds": 20,
            "round_deadline_s": 60.0,
            "force": True,
            **options,
        }
        plan = prepare(
            self.coordinator,
            store.admitted(),
            PlanFile(rounds=rounds, **values),
            run_id=run_id,
            bundle_hash=shipped_bundle().hash,
            now=time.time(),
        ).plan
        store.close()
        CheckpointStore(self.coordinator.run(run_id)).write(PLAN, plan)
        return plan

    def carry_on(self, training: Training, done: Any, seconds: float = 240.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            self.deployment.poll()
            assert time.monotonic() < end, training.events[-5:]
            time.sleep(0.05)

    def logged(self, kind: str) -> list[tuple[int, bytes]]:
        log = LogStore.open(self.coordinator.database_url, self.coordinator.log_key, time.time)
        try:
            return list(log.entries(0, 10_000, kind).entries)
        finally:
            log.close()

    def draw(self, institution: str, run: str, round: int, attempt: int = 1, phase: str = "train") -> str:
        """Draw an attempt; the leaf hash, once the institution's node has noticed and a quorum cosigned it."""
        where = ["--institution", institution, "--run", run, "--round", str(round), "--attempt", str(attempt)]
        said = fedscore("regulator", "draw", *where, "--phase", phase, "--json", home=self.regulator.path)
        leaf: str = json.loads(said.stdout)["leaf_hash"]
        home = self.homes[institution]
        until(lambda: leaf in {each.leaf for each in open_draws(home.path)}, 150, "the node has noticed the draw")
        return leaf

    def sealed(self, institution: str, place: Place) -> Sealed:
        return SealedStore.open(self.homes[institution].path).require(place)

    def status(self, institution: str) -> dict[str, Any]:
        said = fedscore("institution", "status", "--json", home=self.homes[institution].path)
        found: dict[str, Any] = json.loads(said.stdout)
        return found

    def replay(self, institution: str, leaf: str, *options: str) -> dict[str, Any]:
        """What `fedscore institution replay` says; asked again while no quorum has cosigned the draw."""
        home = self.homes[institution].path
        end = time.monotonic() + 150
        while True:
            said = fedscore("institution", "replay", leaf, "--json", *options, home=home, check=False)
            if said.returncode in (0, 1) and said.stdout:
                result: dict[str, Any] = json.loads(said.stdout)
                nothing_owed = result["matches"] or result["findings"] == [ABORTED]
                assert said.returncode == (0 if nothing_owed else 1)
                return result
            assert time.monotonic() < end, said.stderr
            time.sleep(0.5)


def fedscore(*arguments: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "federation.cli", *arguments, "--home", str(home)]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=300)


def make_regulator(folder: Path, coordinator: CoordinatorHome, witnesses: dict[str, str]) -> RegulatorHome:
    """As after `fedscore regulator init`, a person's policy, and the operator's entry in coordinator.toml."""
    text = settings_text(
        name="authority",
        log_url=coordinator.log_address,
        log_authority="log-authority.pem",
        port=0,
        written=datetime.now(UTC),
    )
    text = text.replace("chain_length = 100000", "chain_length = 1000").replace("rate = 0.05", "rate = 0.0")
    home = RegulatorHome.create(
        folder, text, log=coordinator.log_key.public.key, coordinator=coordinator.signing_key.public
    )
    (home.path / "log-authority.pem").write_bytes((coordinator.keys / "ca.crt").read_bytes())
    named = {**witnesses, "authority": home.witness_key.public.key.hex}
    policy = (home.path / "policy.toml").read_text()
    tables = "".join(
        f'[[witnesses]]\nname = "{name}"\nkey = "{key}"\nrequired = {str(name == "authority").lower()}\n'
        for name, key in sorted(named.items())
    )
    start, end = policy.index("[[witnesses]]"), policy.index("[caps]")
    policy = policy[:start] + tables + policy[end:]
    for name, value in (("run", CAP), ("year", 3 * CAP), ("lifetime", 10 * CAP), ("delta", 1e-5)):
        default = next(line for line in template().splitlines() if line.startswith(f"{name} = "))
        policy = policy.replace(default, f"{name} = {value!r}")
    (home.path / "policy.toml").write_text(policy.replace("replays_required = false", "replays_required = true"))
    said = home.registration.to_json()
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())
    settings = coordinator.path / "coordinator.toml"
    settings.write_text(f"{settings.read_text()}\n[regulator]\n{lines}")
    return RegulatorHome.open(home.path)


@contextmanager
def replayed(folder: Path, faults: Mapping[str, list[str]]) -> Iterator[ReplayedWorld]:
    """Until the block ends. `faults` of each institution's node: see `faulty_node.py`."""
    population = Population.draw(PopulationSpec(persons=4000, institutions=2), np.random.default_rng(1))
    files = write_population(population, folder / "population")
    coordinator = make_coordinator(folder / "coordinator")
    homes = {
        name: make_institution(folder / name, name, coordinator, data=str(file), nominal=2000, cap=CAP)
        for name, file in zip(NAMES, files, strict=True)
    }
    for name, listed in faults.items():
        (homes[name].path / "faults.json").write_text(json.dumps(listed))
    keys = {name: home.witness_key.public.hex for name, home in homes.items()}
    regulator = make_regulator(folder / "authority", coordinator, keys)
    coordinator = CoordinatorHome.open(coordinator.path)
    with Deployment(coordinator, tuple(homes.values()), node=faulty_node) as deployment:
        command = [sys.executable, "-m", "federation.cli", "regulator", "watch", "--home", str(regulator.path)]
        watch = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield ReplayedWorld(coordinator, homes, regulator, deployment, watch)
        finally:
            watch.terminate()
            watch.wait(100)
