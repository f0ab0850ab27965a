"""The product's own processes on loopback: the coordinator's membership with the relay, the pool, every member's node.

    with Deployment.found(folder, names) as deployment:
        deployment.open_epoch("bfv", customers, tickets=10_000)

Homes are made and members admitted by the same functions as the commands use; Flower's processes, which no query needs,
are not started. Nodes load a small file of synthetic records, as nodes do; the records of the epoch come from
`benchmarks.lookup.population`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from clients.institution import serve as institution_serve
from clients.institution.enrolment_client import Enrolment
from clients.institution.home import CapSettings, InstitutionHome
from clients.institution.home import settings_text as institution_settings
from federation.catalogue import Catalogue, load_catalogue
from federation.models import PublishedModel
from federation.privacy.plan import PrivacyPlan
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.progress import Checkpoint
from federation.rounds.reply import Update
from federation.rounds.rule import rule_of
from federation.runtime.ports import free_ports
from federation.runtime.processes import Child, Supervisor
from federation.synthetic import Population as Records
from federation.synthetic import PopulationSpec, write_table
from federation.training import Recipe, initial_parameters
from protocols.lookup.parameters import Parameters
from server import serve as coordinator_serve
from server.home import CoordinatorHome
from server.home_settings import settings_text as coordinator_settings
from server.lookup.desk import desk
from server.lookup.proposals import Candidate, Terms, open_epoch
from server.lookup.record_store import RecordStore
from server.membership import Membership
from server.membership_store import MembershipStore

CATALOGUE = "synthetic"
PURPOSE = "credit-application"
QUORUM = 2
_RECORDS = 1_000  # of the node's own file
_NOMINAL = 8_000  # records a home says it trains on
_PRIVACY = PrivacyPlan(
    epsilon=1.0,
    delta=1e-5,
    sampling_rate=0.2,
    noise_multiplier=8.0,
    clip=0.5,
    steps_per_round=5,
    rounds=1,
    evaluation_multiplier=17.0,
)


@dataclass
class Deployment:
    """Everything under `folder`; `pids` names the processes `membership`, `pool` and one for each member."""

    folder: Path
    coordinator: CoordinatorHome
    homes: Mapping[str, InstitutionHome]
    supervisor: Supervisor

    @classmethod
    def found(cls, folder: Path, names: Sequence[str]) -> Self:
        """Make the homes, apply, admit, collect certificates, publish a model. Nothing runs when this returns."""
        coordinator = CoordinatorHome.create(folder / "coordinator", _coordinator_text(), datetime.now(UTC))
        homes = {name: _home(folder, name, number) for number, name in enumerate(names)}
        membership, pool = (_child(coordinator_serve.children(coordinator), name) for name in ("membership", "pool"))
        with Supervisor([membership]):
            _enrol(coordinator, homes)
        (folder / "model.json").write_bytes(_model(coordinator, homes).canonical())
        nodes = [replace(institution_serve.children(home)[0], name=name, grace=2.0) for name, home in homes.items()]
        return cls(folder, coordinator, homes, Supervisor([membership, pool, *nodes]))

    @property
    def model(self) -> Path:
        return self.folder / "model.json"

    @property
    def pids(self) -> dict[str, int]:
        """Of what runs now, by name."""
        return self.supervisor.pids()

    @property
    def phase(self) -> str:
        """The phase of the epoch, "" before there is one."""
        record = self._record.current()
        return "" if record is None else str(record.state.phase)

    @cached_property
    def _record(self) -> RecordStore:
        return RecordStore.open(self.coordinator.database_url)

    def open_epoch(self, engine: str, customers: Mapping[str, int], *, tickets: int) -> None:
        """The operator's decision. `customers` are attested, `tickets` a querier's quota of the day."""
        parameters = Parameters(engine=engine, quorum=QUORUM, daily_tickets=tickets, purposes=(PURPOSE,))
        with desk(self.coordinator) as at:
            terms = Terms(
                parameters=parameters,
                catalogue=load_catalogue(CATALOGUE).hash,
                model=PublishedModel.read(self.model.read_bytes()).hash,
                log_key=at.home.log_key.public.key.hex,
                pool_key=at.folders.pool_key().public.hex,
            )
            members = [
                Candidate(name, home.signing_key.public.hex, customers[name]) for name, home in self.homes.items()
            ]
            open_epoch(at.record, self.coordinator.signing_key, members, terms, time.time(), at.log_step)

    def __enter__(self) -> Self:
        try:
            self.supervisor.start(timeout=120.0)
        except BaseException:
            self.supervisor.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.stop()
        self._record.close()


def _coordinator_text() -> str:
    text = coordinator_settings(
        name="coordinator", catalogue=CATALOGUE, host="127.0.0.1", port=free_ports(6), written=datetime.now(UTC)
    )
    return text.replace("lookup_processes = 1", f"lookup_processes = {len(os.sched_getaffinity(0))}")


def _home(folder: Path, name: str, number: int) -> InstitutionHome:
    records = Records.draw(PopulationSpec(persons=_RECORDS, institutions=1), np.random.default_rng(number))
    file = folder / "data" / f"{name}.csv.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_table(records.table(0), file)
    text = institution_settings(
        name=name,
        catalogue=CATALOGUE,
        data=file,
        nominal_records=_NOMINAL,
        caps=CapSettings(),
        written=datetime.now(UTC),
    )
    return InstitutionHome.create(folder / name, text)


def _child(children: Sequence[Child], name: str) -> Child:
    return next(child for child in children if child.name == name)


def _enrol(coordinator: CoordinatorHome, homes: Mapping[str, InstitutionHome]) -> None:
    """Every member applies, is admitted under the fingerprint it has, and collects its certificate."""
    catalogue = load_catalogue(CATALOGUE)
    store = MembershipStore.open(coordinator.database_url)

    def sign(member: Membership) -> bytes:
        return coordinator.authority().sign_member(member.request, member.institution, datetime.now(UTC))

    try:
        for name, home in homes.items():
            address, authority = coordinator.enrolment_address, coordinator.authority_pem
            with Enrolment(home, address, authority, lambda: datetime.now(UTC)) as enrolment:
                enrolment.apply(catalogue.hash, catalogue.feature_names)
                store.admit(name, home.fingerprint, sign, int(time.time() * 1000))
                if enrolment.collect().state != "admitted":
                    raise RuntimeError(f"{name} was not admitted")
    finally:
        store.close()


def _model(coordinator: CoordinatorHome, homes: Mapping[str, InstitutionHome]) -> PublishedModel:
    """One round of updates drawn at random, under a plan that every member approved."""
    catalogue, recipe = load_catalogue(CATALOGUE), Recipe(learning_rate=10.0)
    plan = _plan(catalogue, recipe, coordinator, homes)
    approvals = {name: approve(plan, home.signing_key) for name, home in homes.items()}
    initial, rng = initial_parameters(catalogue, recipe), np.random.default_rng(3)
    updates = {name: Update.of(name, rng.normal(0, 0.3, initial.size).astype(np.float32)) for name in homes}
    rule = rule_of(catalogue, plan)
    combined = rule.combine({name: update.vector for name, update in updates.items()})
    checkpoint = Checkpoint.start(plan, initial).advance(plan, updates, rule.follow(1, initial, combined))
    return PublishedModel.publish(
        SignedPlan.sign(plan, approvals, coordinator.signing_key), checkpoint, coordinator.signing_key
    )


def _plan(
    catalogue: Catalogue, recipe: Recipe, coordinator: CoordinatorHome, homes: Mapping[str, InstitutionHome]
) -> TrainingPlan:
    return TrainingPlan(
        run_id="drawn",
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        recipe=recipe,
        privacy=_PRIVACY,
        members=tuple(
            Member(
                institution=name,
                key=home.signing_key.public.hex,
                nominal_records=_NOMINAL,
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
