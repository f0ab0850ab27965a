"""A coordinator, an institution and a regulator in homes of their own, and their processes, started and killed.

with soaking(tmp_path, urls) as world:
    world.kill("node")                # SIGKILL, and started again
    world.settle()                    # until all that was said is proved, everywhere
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from membership_world import BUNDLE, World, catalogue, make_coordinator
from membership_world import Clock as RealClock
from regulator_world import policy_text
from soak_forks import Forks, forks
from soak_parties import Notebook

from clients.institution.home import InstitutionHome
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.settings import settings_text
from clients.regulator.watch.thorough import trail_of
from federation.errors import FederationError
from federation.ledger import Head, read_ledger
from protocols.transparency import VerifierKey, open_checkpoint
from server.home import CoordinatorHome
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore

PARTIES = ("log", "node", "regulator")
NAME = "bank-a"


@dataclass
class Soaked:
    """The homes, what was noted outside of them, and the processes at work."""

    folder: Path
    coordinator: CoordinatorHome
    bank: InstitutionHome
    regulator: RegulatorHome
    forks: Forks
    working: dict[str, int] = field(default_factory=dict)

    @property
    def log_key(self) -> VerifierKey:
        return self.coordinator.log_key.public

    @property
    def pause(self) -> Path:
        """Where this file is, the node lets nothing more go, and the regulator has nothing more to say."""
        return self.folder / "pause"

    def notebook(self, name: str) -> Notebook:
        """node, regulator: what the log answered them; released, kept: what the one let go, the other was to say."""
        return Notebook.of(self.folder, name)

    def start(self, party: str) -> None:
        function, *arguments = {
            "log": ("coordinate", self.coordinator.path),
            "node": ("spend", self.bank.path, self.folder, self.pause),
            "regulator": ("regulate", self.regulator.path, self.folder, self.pause),
        }[party]
        self.working[party] = self.forks.start(str(function), *map(str, arguments))

    def kill(self, party: str) -> None:
        """Raises AssertionError where it is dead already: nobody but us ends anything here."""
        self.check_alive(party)
        number = self.working.pop(party)
        os.kill(number, signal.SIGKILL)
        assert self.forks.wait(number) == -signal.SIGKILL

    def check_alive(self, party: str) -> None:
        code = self.forks.ended(self.working[party])
        assert code is None, f"{party} ended by itself with {code}:\n{self.last_words(party)}"

    def await_work(self, party: str, seconds: float = 400.0) -> None:
        """Until the node let something go, which needs the log; or the regulator was answered."""
        noted = self.notebook("regulator" if party == "regulator" else "released")
        size, deadline = noted.size, time.monotonic() + seconds
        while noted.size <= size:
            self.check_alive(party)
            assert time.monotonic() < deadline, f"{party} did nothing for {seconds:g} s:\n{self.last_words(party)}"
            time.sleep(0.005)

    def last_words(self, party: str) -> str:
        home = {"log": self.coordinator.path, "node": self.bank.path, "regulator": self.regulator.path}[party]
        return "".join(path.read_text()[-4000:] for path in sorted((home / "logs").glob("*.stderr")))

    def settle(self, seconds: float = 400.0) -> None:
        """Nothing more is spent; wait until the log has promised and shown all of it, and the regulator has seen it."""
        self.pause.touch()
        kept = KeptStore.open(OversightFolder(self.bank.path).database_url)
        copy = MirrorStore.open(self.regulator.database_url)
        deadline = time.monotonic() + seconds
        while not (self._proved(kept) and self._followed(kept, copy)):
            for party in self.working:
                self.check_alive(party)
            assert time.monotonic() < deadline, f"not settled: {kept.counts()}, {self.tip}"
            time.sleep(0.1)
        kept.close()

    @property
    def tip(self) -> Head:
        book = read_ledger(self.bank.database_url, institution=NAME, key=self.bank.signing_key.public).book
        return Head(book.length, book.head)

    def _proved(self, kept: KeptStore) -> bool:
        promised, proved = kept.counts()
        return promised == proved and OversightFolder(self.bank.path).included() == self.tip

    def _followed(self, kept: KeptStore, copy: MirrorStore) -> bool:
        try:
            seen = open_checkpoint(trail_of(self.regulator, copy).checkpoint, self.log_key).size
        except FederationError:
            return False
        return seen >= kept.position() and not copy.said(unanswered=True)


@contextmanager
def soaking(folder: Path, urls: Mapping[str, str]) -> Iterator[Soaked]:
    """All three at work until the block ends. `urls`: the database of each, where that is not a file in its home."""
    coordinator = CoordinatorHome.open(_moved(make_coordinator(folder / "log").path, urls.get("log")))
    store, clock = MembershipStore.open(coordinator.database_url), RealClock()
    desk = Desk(coordinator, store, catalogue(), lambda: BUNDLE, clock)
    addresses = (coordinator.enrolment_address, coordinator.member_address)
    with serve_membership(desk):
        enrolling = World(folder, coordinator, store, desk, clock, *addresses)
        bank = InstitutionHome.open(_moved(enrolling.institution(NAME, "node").path, urls.get("node")))
        enrolling.enrol(bank)
    store.close()
    regulator = _regulator(folder / "regulator", coordinator, bank, urls.get("regulator"))
    with forks() as server:
        world = Soaked(folder, CoordinatorHome.open(coordinator.path), bank, regulator, server)
        for party in PARTIES:
            world.start(party)
        for party in PARTIES:
            world.await_work(party)
        yield world


def _moved(home: Path, url: str | None) -> Path:
    """`home`, whose settings name another database."""
    if url is not None:
        (settings,) = (path for path in home.glob("*.toml") if path.name != "policy.toml")
        settings.write_text(f'database_url = "{url}"\n{settings.read_text()}')
    return home


def _regulator(folder: Path, coordinator: CoordinatorHome, bank: InstitutionHome, url: str | None) -> RegulatorHome:
    """Its keys in coordinator.toml, the member's witness in its policy; complete verification is the test's to ask."""
    text = settings_text(
        name="regulator",
        log_url=coordinator.log_address,
        log_authority="log-authority.pem",
        port=0,
        written=datetime.now(UTC),
    )
    text = text.replace("chain_length = 100000", "chain_length = 2000")
    text = text.replace("verify_every_s = 3600.0", "verify_every_s = 1e12")
    keys = {"log": coordinator.log_key.public.key, "coordinator": coordinator.signing_key.public}
    home = RegulatorHome.create(folder, text, **keys)
    _moved(home.path, url)
    (home.path / "log-authority.pem").write_bytes((coordinator.keys / "ca.crt").read_bytes())
    witnesses = {"regulator": home.witness_key.public.key.hex, NAME: bank.witness_key.public.hex}
    caps = bank.settings.caps
    policy = policy_text(
        keys={**{name: key.hex for name, key in keys.items()}, "regulator": home.signing_key.public.hex},
        caps={"run": caps.run, "year": caps.year, "lifetime": caps.lifetime, "delta": caps.delta},
        accounting={"sample": 4},
        witnesses=[{"name": name, "key": key, "required": name == "regulator"} for name, key in witnesses.items()],
    )
    (home.path / "policy.toml").write_text(policy)
    said = home.registration.to_json()
    settings = coordinator.path / "coordinator.toml"
    lines = "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in said.items())
    settings.write_text(f"{settings.read_text()}\n[regulator]\n{lines}")
    return RegulatorHome.open(home.path)
