"""A coordinator and institutions in temporary homes, with the real membership services on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from clients.institution import home as institution_home
from clients.institution.enrolment_client import Enrolment, application
from clients.institution.home import CapSettings, CoordinatorIdentity, InstitutionHome
from federation.catalogue import Catalogue, load_catalogue
from federation.runtime.ports import free_ports
from protocols.envelope import seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Envelope
from server import home_settings as coordinator_home
from server.home import CoordinatorHome
from server.membership import Membership, State
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BUNDLE = "ab" * 32


class Clock:
    """Real time, moved by `shift`: certificates are checked by TLS against the real clock."""

    def __init__(self) -> None:
        self.shift = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


@cache
def catalogue() -> Catalogue:
    return load_catalogue("synthetic")


def make_coordinator(folder: Path, *, port: int | None = None) -> CoordinatorHome:
    text = coordinator_home.settings_text(
        name="coordinator", catalogue="synthetic", host="127.0.0.1", port=port or free_ports(6), written=NOW
    )
    return CoordinatorHome.create(folder, text, datetime.now(UTC))


def make_institution(folder: Path, name: str, catalogue: str = "synthetic") -> InstitutionHome:
    text = institution_home.settings_text(
        name=name,
        catalogue=catalogue,
        data=Path("records.csv"),
        nominal_records=8200,
        caps=CapSettings(),
        written=NOW,
    )
    return InstitutionHome.create(folder, text)


def pinned(key: SigningKey, bundle_hash: str = BUNDLE) -> CoordinatorIdentity:
    """What enrolment with a coordinator of this key leaves; nobody answers at its addresses."""
    addresses = {
        f"{kind}_address": f"localhost:{port}" for port, kind in enumerate(("enrolment", "member", "fleet"), 1)
    }
    return CoordinatorIdentity(
        name="coordinator",
        key=key.public.hex,
        authority="00" * 32,
        bundle_hash=bundle_hash,
        log_key=key.public.hex,
        **addresses,
    )


def admitted(name: str, seed: int) -> Membership:
    """A member of whom no more is known than what a plan says."""
    return Membership(
        hash=f"{seed:064x}",
        institution=name,
        state=State.ADMITTED,
        key=SigningKey.from_seed(bytes([seed]) * 32).public,
        request=b"",
        node_key=b"",
        catalogue_hash="",
        features=("income",),
        nominal_records=10_000,
        certificate=b"",
        applied_ms=0,
    )


@dataclass(frozen=True)
class World:
    folder: Path
    home: CoordinatorHome
    store: MembershipStore
    desk: Desk
    clock: Clock
    address: str
    member_address: str

    def institution(self, name: str, folder: str | None = None) -> InstitutionHome:
        return make_institution(self.folder / (folder or name), name)

    def enrolment(self, home: InstitutionHome) -> Enrolment:
        return Enrolment(home, self.address, self.home.authority_pem, self.clock)

    def sealed(self, home: InstitutionHome, **changes: object) -> Envelope:
        """An application of `home`, its fields changed before it is signed."""
        request = application(home, self.home.authority_pem, catalogue().hash, catalogue().feature_names, self.clock())
        for field, value in changes.items():
            if isinstance(value, tuple):
                request.ClearField(field)
                getattr(request, field).extend(value)
            else:
                setattr(request, field, value)
        return Envelope.FromString(seal(request, home.signing_key))

    def admit(self, name: str, fingerprint: str) -> None:
        self.store.admit(name, fingerprint, self.desk.sign, self.desk.now_ms())

    def member(self, name: str, folder: str | None = None) -> InstitutionHome:
        """An institution that went the whole way."""
        home = self.institution(name, folder)
        self.enrol(home)
        return home

    def enrol(self, home: InstitutionHome) -> None:
        """Apply, be admitted, collect."""
        with self.enrolment(home) as enrolment:
            enrolment.apply(catalogue().hash, catalogue().feature_names)
            self.admit(home.name, home.fingerprint)
            assert enrolment.collect().state == "admitted"


@contextmanager
def world(folder: Path) -> Iterator[World]:
    home = make_coordinator(folder / "coordinator")
    store, clock = MembershipStore.open(home.database_url), Clock()
    desk = Desk(home, store, catalogue(), lambda: BUNDLE, clock)
    with serve_membership(desk):
        yield World(folder, home, store, desk, clock, home.enrolment_address, home.member_address)
    store.close()
