"""A coordinator whose relay and pool run as processes, and members that speak the protocol (`lookup_member`)."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from lookup_member import Member
from membership_world import catalogue, make_coordinator, make_institution

from clients.institution.enrolment_client import Enrolment
from clients.institution.home import InstitutionHome
from federation.runtime import rpc
from federation.runtime.ports import free_ports, listens
from protocols.lookup.parameters import COEFFICIENTS, Parameters
from server.home import CoordinatorHome
from server.lookup.desk import Desk, desk
from server.lookup.proposals import Terms, close_epoch, open_epoch
from server.lookup.record_store import EpochRecord
from server.membership import Membership
from server.membership_store import MembershipStore

NAMES = ("aurora", "borealis", "castor")


@dataclass
class Federation:
    """The coordinator's home and processes, and its members."""

    home: CoordinatorHome
    members: dict[str, Member]
    store: MembershipStore
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, module: str) -> None:
        with (self.home.logs / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", module, str(self.home.path)]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def start_relay(self) -> None:
        self.start("membership", "server.membership_process")
        await_that(lambda: listens("127.0.0.1", self.home.settings.member_port))

    def start_pool(self) -> None:
        """As the supervisor does: once it is wanted."""
        await_that(lambda: (self.home.path / "lookup" / "pool.wanted").exists())
        self.start("pool", "server.lookup.pool_process")
        await_that(lambda: listens("127.0.0.1", self.home.settings.pool))

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(120)

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        with desk(self.home) as at:
            yield at

    def open(self, engine: str = "mirror", **parameters: Any) -> EpochRecord:
        with self.desk() as at:
            made = Parameters(engine=engine, **{"dummies": 8, "cadence_s": 3600, "quorum": 2, **parameters})
            terms = Terms(
                made,
                catalogue=catalogue().hash,
                model="11" * 32,
                log_key=at.home.log_key.public.key.hex,
                pool_key=at.folders.pool_key().public.hex,
            )
            members = at.candidates({})
            return open_epoch(at.record, self.home.signing_key, members, terms, time.time(), at.log_step)

    def close(self) -> None:
        with self.desk() as at:
            close_epoch(at.record, self.home.signing_key, "operator", at.log_step)

    def record(self) -> EpochRecord:
        with self.desk() as at:
            current = at.record.current()
        assert current is not None
        return current

    def together(self, until: str, *, names: tuple[str, ...] = NAMES, seconds: float = 240.0) -> None:
        """Every member follows the epoch, each in a thread of its own. Raises what one of them raised."""
        errors: list[BaseException] = []

        def follow(name: str) -> None:
            try:
                self.members[name].follow(until, seconds=seconds)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=follow, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


def await_that(what: Callable[[], bool], *, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@contextmanager
def federation(folder: Path, *, customers: int = 12) -> Iterator[Federation]:
    """Three admitted members, the relay's process running; the pool's is started when it is wanted."""
    home = make_coordinator(folder / "coordinator", port=free_ports(6))
    home.renew_certificate(datetime.now(UTC))
    store = MembershipStore.open(home.database_url)
    world = Federation(home, {}, store)
    stop = threading.Event()
    threads = []
    with ExitStack() as stack:
        try:
            world.start_relay()
            for name in NAMES:
                institution = make_institution(folder / name, name)
                admit(home, store, institution)
                member = dialled(stack, institution, people(name, customers))
                world.members[name] = member
                threads.append(threading.Thread(target=member.serve, args=(stop,), daemon=True))
                threads[-1].start()
            yield world
        finally:
            stop.set()
            for thread in threads:
                thread.join(5)
            world.stop()
            store.close()


def admit(home: CoordinatorHome, store: MembershipStore, institution: InstitutionHome) -> None:
    """The whole way to a certificate, over the wire."""

    def sign(member: Membership) -> bytes:
        return home.authority().sign_member(member.request, member.institution, datetime.now(UTC))

    clock = lambda: datetime.now(UTC)  # noqa: E731
    with Enrolment(institution, home.enrolment_address, home.authority_pem, clock) as enrolment:
        enrolment.apply(catalogue().hash, catalogue().feature_names)
        store.admit(institution.name, institution.fingerprint, sign, int(time.time() * 1000))
        assert enrolment.collect().state == "admitted"


def people(owner: str, count: int) -> dict[bytes, np.ndarray]:
    """Records of `count` persons, half of whom every member knows."""
    rng = np.random.default_rng(len(owner))
    shared = [f"person-{number}" for number in range(count // 2)]
    own = [f"{owner}-{number}" for number in range(count - count // 2)]
    records = {}
    for name in (*shared, *own):
        record = np.zeros(COEFFICIENTS, dtype=np.int32)
        record[1] = 1
        record[2:] = rng.integers(-40, 40, COEFFICIENTS - 2)
        records[name.encode()] = record
    return records


def dialled(stack: ExitStack, home: InstitutionHome, records: dict[bytes, np.ndarray]) -> Member:
    """A member with its channels to relay and pool."""
    keys = home.keys
    credentials = rpc.client_tls(
        (keys / "ca.crt").read_bytes(), key=(keys / "tls.key").read_bytes(), chain=(keys / "tls.crt").read_bytes()
    )
    channels: dict[str, grpc.Channel] = {}

    def channel(address: str) -> grpc.Channel:
        if address not in channels:
            channels[address] = stack.enter_context(rpc.dial(address, credentials=credentials))
        return channels[address]

    member = Member(home, channel(home.coordinator().member_address), channel, records)
    member.answering.set()
    return member
