"""A member of a coordinator whose log is served for real: gRPC under mutual TLS, on loopback.

with member_world(tmp_path) as world:
    outbox = world.outbox(world.ledger())
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from membership_world import BUNDLE, World, catalogue, make_coordinator
from membership_world import Clock as RealClock
from rounds_world import toy_accountant

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.outbox import Outbox
from clients.institution.oversight.receipts import Receipts
from clients.institution.oversight.witness import Witness
from federation.ledger import Ledger, Release
from federation.privacy import GaussianEvent
from federation.runtime.private_files import write_private
from protocols.signing import SigningKey
from protocols.transparency import VerifierKey, WitnessKey, read_entry
from server.home import CoordinatorHome
from server.log import LogStore
from server.log.hosting import HostedLog, hosted_log
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore
from server.oversight.recorder import Recorder


def release(round: int) -> Release:
    return Release(
        run_id="spring",
        phase="train",
        round=round,
        event=GaussianEvent(1.0, 30.0, 1),
        delta=1e-5,
        plan_hash="aa" * 32,
        catalogue_hash="bb" * 32,
        model_hash="cc" * 32,
        nominal_records=8200,
        vintage="2030-01-01",
        family="additive",
    )


@dataclass
class MemberWorld:
    """bank-a, admitted and said in the log; `swap` puts another log, under the same key, in the place of the first."""

    coordinator: World
    log: HostedLog
    home: InstitutionHome
    folder: OversightFolder = field(init=False)
    kept: KeptStore = field(init=False)

    def __post_init__(self) -> None:
        self.folder = OversightFolder(self.home.path)
        self.kept = KeptStore.open(self.folder.database_url)
        self.record()

    def record(self) -> int:
        store = self.coordinator.store
        return Recorder(
            self.log.host.store, self.log.host.roster, store.admitted, self.coordinator.home.signing_key
        ).tick()

    def ledger(self) -> Ledger:
        return Ledger.open(
            self.home.database_url,
            institution=self.home.name,
            key=self.home.signing_key,
            caps=self.home.caps(),
            accountant=toy_accountant,
            recover=False,
        )

    def spend(self, *rounds: int) -> None:
        """Reserve and answer rounds, in a process of their own: two entries each."""
        ledger = self.ledger()
        for round in rounds:
            ledger.spend(ledger.reserve(release(round)), "dd" * 32, b"reply")
        ledger.close()

    @property
    def log_key(self) -> VerifierKey:
        return self.coordinator.home.log_key.public

    def outbox(self, ledger: Ledger) -> Outbox:
        return Outbox(ledger, self.kept, self.folder, self.log_key, self.home.signing_key.public, time.time)

    def witness(self) -> Witness:
        """As after a restart."""
        return Witness(self.folder, WitnessKey.from_pem(self.home.witness_key.to_pem()), self.log_key, time.time)

    def receipts(self) -> Receipts:
        return Receipts(self.kept, self.folder, self.log_key, self.home.coordinator_key, time.time)

    def client(self) -> LogClient:
        return LogClient(self.home)

    def say(self) -> None:
        """Everything in the ledger, promised."""
        ledger = self.ledger()
        with self.client() as log:
            self.outbox(ledger).flush(log)
        ledger.close()

    def logged(self, kind: str) -> list[bytes]:
        return [read_entry(data).body for _, data in self.log.host.store.entries(0, 1000, kind).entries]

    def other_log(self, name: str) -> LogStore:
        """Another history under the log's own key, with the members in it."""
        url = f"sqlite:///{self.coordinator.folder / name}"
        store = LogStore.open(url, self.coordinator.home.log_key, time.time)
        store.extend([read_entry(data) for _, data in self.log.store.entries(0, 1000, "member").entries])
        return store


@contextmanager
def served_log(folder: Path, key: SigningKey | None = None) -> Iterator[tuple[World, HostedLog]]:
    """A coordinator (`key`: under this signing key) whose membership and log are served; its members come and go."""
    home = make_coordinator(folder / "coordinator")
    if key is not None:
        (home.keys / "signing.pem").unlink()
        write_private(home.keys / "signing.pem", key.to_pem())
        home = CoordinatorHome.open(home.path)
    store, clock = MembershipStore.open(home.database_url), RealClock()
    desk = Desk(home, store, catalogue(), lambda: BUNDLE, clock)
    with (
        hosted_log(home, store) as log,
        serve_membership(desk, beside=log.handlers, workers=log.workers + 8),
    ):
        yield World(folder, home, store, desk, clock, home.enrolment_address, home.member_address), log
    store.close()


@contextmanager
def member_world(folder: Path) -> Iterator[MemberWorld]:
    with served_log(folder) as (world, log):
        yield MemberWorld(world, log, world.member("bank-a"))
