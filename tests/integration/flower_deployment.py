"""A coordinator and its institutions as real processes on loopback, for tests that need the training plane itself.

    with Deployment.create(tmp_path, ("alpha", "beta", "gamma")) as deployment:
        deployment.train("run-1", bundle)

The institutions' nodes are `python flower_echo_node.py SOCKET` unless `nodes` says otherwise.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil

import clients.institution.supernode as institution_plane
import server.serve as coordinator_serve
import server.superlink as coordinator_plane
from clients.institution import home as institution_home
from clients.institution.enrolment_client import application
from clients.institution.home import CoordinatorIdentity, InstitutionHome
from clients.institution.partners import accept_partner
from federation.catalogue import load_catalogue
from federation.enrolment import read_application
from federation.observability.targets import targets
from federation.runtime.flower.bundle import Bundle, build
from federation.runtime.node_keys import flower_public_pem
from federation.runtime.ports import free_ports
from federation.runtime.processes import BackOff, Child, Supervisor
from protocols.envelope import seal
from protocols.wire.training_pb2 import Envelope
from server import home_settings as coordinator_home
from server.home import CoordinatorHome
from server.membership_store import MembershipStore

HERE = Path(__file__).parent
NodeOf = Callable[[InstitutionHome], Child]


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started


def echo_node(home: InstitutionHome) -> Child:
    """A node that answers with what it was sent, in capitals."""
    command = (sys.executable, str(HERE / "flower_echo_node.py"), str(home.socket))
    return Child("node", command, home.logs / "node.log", ready=home.socket.exists)


class Deployment:
    """One supervisor for everything, so that a test can kill any part by its name."""

    def __init__(
        self, coordinator: CoordinatorHome, institutions: Sequence[InstitutionHome], *, node: NodeOf = echo_node
    ) -> None:
        self.coordinator = coordinator
        self.institutions = tuple(institutions)
        acquaint(self.institutions)
        self.node_ids: dict[str, int] = {}
        parts = [part for part in coordinator_serve.children(coordinator) if part.name in ("superlink", "membership")]
        for home in self.institutions:
            parts += [named(part, home.name) for part in (node(home), *institution_plane.children(home))]
        self._parts = parts
        self.supervisor = Supervisor(parts[:1], back_off=BackOff(first=0.2, longest=2.0))
        self.rest = Supervisor(parts[1:], back_off=BackOff(first=0.2, longest=2.0))

    @classmethod
    def create(cls, folder: Path, names: Sequence[str], *, node: NodeOf = echo_node) -> Self:
        coordinator = make_coordinator(folder / "coordinator")
        return cls(coordinator, [make_institution(folder / name, name, coordinator) for name in names], node=node)

    def __enter__(self) -> Self:
        try:
            self.supervisor.start()
            with coordinator_plane.control(self.coordinator) as hand:
                for home in self.institutions:
                    public = flower_public_pem((home.keys / "flower_key.pub").read_bytes())
                    self.node_ids[home.name] = hand.register(public, home.name)
            self.rest.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.rest.stop()
        self.supervisor.stop()

    def poll(self) -> None:
        self.supervisor.poll()
        self.rest.poll()

    def pids(self) -> dict[str, int]:
        return {**self.supervisor.pids(), **self.rest.pids()}

    def server(self, name: str) -> int | None:
        """The process id of Flower's own server in the part `name`: of its executor's forks, the one that listens."""
        figures = self._figures()
        return next((fork.pid for fork in self._forks(name) if ports(fork) - figures), None)

    def servers(self) -> list[int]:
        """The process ids of the SuperLink and the SuperNodes."""
        return [pid for name in self.pids() if (pid := self.server(name)) is not None]

    def round_drivers(self) -> list[int]:
        """The process ids of the ServerApp: a fork of the executor, beside the SuperLink."""
        figures = self._figures()
        return [fork.pid for fork in self._forks("superlink") if not ports(fork) - figures]

    def _figures(self) -> set[int]:
        """The ports at which the coordinator's processes show their figures: a round driver has one too."""
        return {int(target.address.rpartition(":")[2]) for target in targets(self.coordinator.path)}

    def _forks(self, name: str) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pids()[name]).children()
        except (KeyError, psutil.Error):
            return []

    def online(self) -> int:
        with coordinator_plane.control(self.coordinator) as hand:
            return len(hand.online())

    def everything(self) -> list[int]:
        """The process ids of all parts and of all they started."""
        found: list[int] = []
        for pid in self.pids().values():
            found += [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return found


def ports(process: psutil.Process) -> set[int]:
    """Those that it listens at."""
    try:
        found = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {line.laddr.port for line in found if line.status == psutil.CONN_LISTEN}


def acquaint(institutions: Sequence[InstitutionHome]) -> None:
    """Each accepts the others' keys, as people do who read them out to each other."""
    for home in institutions:
        for other in institutions:
            if other is not home:
                accept_partner(home.path, other.fingerprint)


def named(part: Child, name: str) -> Child:
    return Child(f"{part.name}-{name}", part.command, part.log, part.environment, part.ready, part.grace)


def make_coordinator(folder: Path) -> CoordinatorHome:
    now = datetime.now(UTC)
    text = coordinator_home.settings_text(
        name="coordinator", catalogue="synthetic", host="127.0.0.1", port=free_ports(6), written=now
    )
    return CoordinatorHome.create(folder, text, now)


def make_institution(
    folder: Path,
    name: str,
    coordinator: CoordinatorHome,
    *,
    data: str = "records.csv",
    nominal: int = 1000,
    cap: float = 1,
) -> InstitutionHome:
    """As after enrolment: keys made here, admitted, the coordinator's authority and addresses pinned, its bundle
    allowed.
    """
    text = institution_home.settings_text(
        name=name,
        catalogue="synthetic",
        data=folder / data,
        nominal_records=nominal,
        caps=institution_home.CapSettings(run=cap, year=3 * cap, lifetime=10 * cap),
        written=datetime.now(UTC),
    )
    home = InstitutionHome.create(folder, text)
    admit(coordinator, home)
    bundle = coordinator_plane.shipped_bundle()
    home.save_coordinator(
        CoordinatorIdentity(
            name=coordinator.name,
            key=coordinator.signing_key.public.hex,
            authority=coordinator.authority_fingerprint,
            enrolment_address=coordinator.enrolment_address,
            member_address=coordinator.member_address,
            fleet_address=coordinator.fleet_address,
            bundle_hash=bundle.hash,
            log_key=coordinator.log_key.public.key.hex,
        )
    )
    home.accept_bundle(bundle.hash)
    return home


def admit(coordinator: CoordinatorHome, home: InstitutionHome) -> None:
    """What enrolment and the operator do, without a network."""
    now, catalogue = datetime.now(UTC), load_catalogue(coordinator.catalogue)
    now_ms = int(now.timestamp() * 1000)
    request = application(home, coordinator.authority_pem, catalogue.hash, catalogue.feature_names, now)
    envelope = Envelope.FromString(seal(request, home.signing_key))
    applied = read_application(
        envelope, authority=coordinator.authority_fingerprint, catalogue_hash=catalogue.hash, now_ms=now_ms
    )
    store = MembershipStore.open(coordinator.database_url)
    store.apply(applied, now_ms)
    authority = coordinator.authority()
    member = store.admit(
        home.name, home.fingerprint, lambda one: authority.sign_member(one.request, one.institution, now), now_ms
    )
    store.close()
    assert member.certificate is not None
    home.save_certificate(member.certificate, coordinator.authority_pem)


def bundle_with(folder: Path, server_app: str, client_app: str | None = None) -> Bundle:
    """The shipped bundle with other apps in it."""
    target = folder / "bundle"
    shutil.copytree(coordinator_plane.BUNDLE, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "fedscore_bundle" / "server_app.py").write_text(server_app)
    if client_app is not None:
        (target / "fedscore_bundle" / "client_app.py").write_text(client_app)
    return build(target)
