"""A log over HTTP with members, a regulator and witnesses; two holders of the oversight key as processes; wallets.

    with world(folder) as at:
        at.inquire("Mary", "bank-a")              # a leaf as a querier's node makes it, in the log
        at.seal()                                 # a checkpoint, cosigned by everybody
        at.look_up("Mary")                        # `fedscore subject inquiries`, in a process of its own

The identifiers' scheme is `opaque`. Everybody's keys are at hand: whoever is to lie lies with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from holder_homes import holder_homes
from holder_processes import fedscore, served
from wallets import PURPOSE, Persons

from clients.regulator.home import RegulatorHome
from clients.regulator.settings import settings_text
from clients.subject.asking import Asking
from clients.subject.inquiries import Read, Span, inquirers, read_log, shown
from clients.subject.wallet import Wallet
from federation.inquiries.holder_home import HolderHome
from federation.inquiries.holder_service import serving
from federation.inquiries.inquirers import SignedInquirers
from federation.inquiries.log_leaves import LoggedLeaf, LoggedLeaves
from federation.inquiries.showing import Shown
from federation.oversight.members import MemberStatement, RegulatorStatement
from federation.runtime.log_reader import LogReader
from protocols.consent.holders import OversightKey
from protocols.lookup.context import EpochContext
from protocols.lookup.leaf import KIND, SignedLeaf
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedEpoch
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Roster, RosterMember
from protocols.lookup.ticket_querier import QuerierTicket
from protocols.oprf.group import base, random_scalar
from protocols.signing import SigningKey
from protocols.transparency import Checkpoint, Frontier, LogKey, VerifierKey, WitnessKey, attach, cosign, split_note
from server.log.hosting import serve_http
from server.log.log_host import LogHost
from server.log.log_store import LogStore
from server.lookup.relay import LOG_KIND, log_body, own_step

BANKS = ("bank-a", "bank-b", "bank-c")
DAY_S = 86_400


@dataclass
class World:
    """See the module."""

    folder: Path
    persons: Persons
    log: LogStore
    log_signer: LogKey
    host: LogHost
    url: str
    coordinator: SigningKey
    banks: dict[str, SigningKey]
    witnesses: list[WitnessKey]
    regulator: RegulatorHome
    oversight: OversightKey
    context: EpochContext
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    serials: int = 0

    def leaf(self, person: str, bank: str, *, serial: str = "") -> SignedLeaf:
        """As the bank's node makes it."""
        return self.ticket(person, bank, serial=serial).leaf

    def ticket(self, person: str, bank: str, *, serial: str = "") -> QuerierTicket:
        """With what opens the leaf."""
        self.serials += 1
        return QuerierTicket.start(
            self.persons.authority.scheme.normalise(person),
            self.context,
            self.banks[bank],
            bank,
            purpose=PURPOSE,
            receipt=b"receipt",
            receipt_serial=serial or f"{self.serials:032x}",
            random=os.urandom,
            now=time.time(),
        )[0]

    def inquire(self, person: str, bank: str, *, serial: str = "") -> SignedLeaf:
        leaf = self.leaf(person, bank, serial=serial)
        self.log.append(KIND, leaf.encode())
        return leaf

    def step(self, kind: str, body: bytes, counter: int = 1) -> None:
        self.log.append(LOG_KIND, log_body(counter, own_step(self.coordinator, counter, kind, body)))

    def seal(self) -> bytes:
        """The newest checkpoint, published and cosigned by every witness."""
        note = self.log.checkpoint()
        text = split_note(note)[0]
        note = attach(note, [cosign(text, key, time.time()) for key in self.witnesses])
        self.host.tick()
        self.host.cosign(note)
        return note

    @property
    def log_key(self) -> VerifierKey:
        return self.log_signer.public

    def forged_note(self, tree: Frontier) -> bytes:
        """The log's key under another tree; nobody else's."""
        return Checkpoint(self.log_signer.name, tree.size, tree.root).note(self.log_signer)

    def wallet(self, person: str) -> Wallet:
        return self.persons.wallet(person)

    def home(self, name: str) -> HolderHome:
        return HolderHome.open(self.folder / "regulator" / "holder" if name == "regulator" else self.folder / name)

    def start(self, name: str, *, liar: bool = False) -> None:
        """The holder's own service, in a process; or one that lies while it is told to (`lying_holder`)."""
        path, role = self.folder / name, ["regulator", "holder"] if name == "regulator" else [name]
        command = [sys.executable, "-m", "federation.cli", *role, "serve", "--home", str(path)]
        environment = dict(os.environ)
        if liar:
            script = str(Path(__file__).with_name("lying_holder.py"))
            self.lie_of(name).write_text("")
            command = [sys.executable, script, str(self.home(name).path), str(self.lie_of(name))]
            other = next(each for each in self.oversight.shares if each != name)
            root = str(Path(__file__).resolve().parents[1])
            environment |= {"OTHER": self.home(other).share.secret.hex(), "PYTHONPATH": root}
        self.processes[name] = served(command, self.home(name).settings.port, self.folder / f"{name}.log", environment)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def lie_of(self, name: str) -> Path:
        return self.folder / f"{name}.lie"

    @contextmanager
    def lying(self, **lies: str) -> Iterator[None]:
        """Holders that were started as liars lie, until the block ends."""
        for name, lie in lies.items():
            self.lie_of(name).write_text(lie)
        try:
            yield
        finally:
            for name in lies:
                self.lie_of(name).write_text("")

    def logged(self) -> LoggedLeaves:
        """The log as the person reads it, over HTTP, verified."""
        return self.read().logged

    def read(self) -> Read:
        """Likewise, with the checkpoint."""
        with LogReader(self.url) as reader:
            return read_log(reader, self.oversight, Span(), time.time(), lambda done, of: None)

    def found(self, person: str, leaves: Sequence[LoggedLeaf] | None = None) -> list[Shown]:
        """Her inquiries (of `leaves`), as her wallet keeps them."""
        read, asking = self.read(), self.asking(person)
        for _ in asking.ask(read.logged.leaves if leaves is None else leaves):
            pass
        return [shown(read, each) for each in asking.found]

    def file(self, person: str, found: Sequence[Shown]) -> SignedInquirers:
        """What her wallet writes of what was found, honest or not."""
        wallet, checkpoint = self.wallet(person), self.read().cosigned.checkpoint
        told = inquirers(wallet, self.oversight.shares, checkpoint, Span(), found)
        return SignedInquirers.sign(told, wallet.key, wallet.stated, wallet.subject.salt)

    def asking(self, person: str) -> Asking:
        return Asking(self.wallet(person), self.oversight, time.time)

    def look_up(self, person: str, *arguments: object, check: bool = True) -> dict[str, Any]:
        """What `fedscore subject inquiries` prints; `error`: its line where it fails."""
        out = self.folder / f"inquirers-{os.urandom(4).hex()}.json"
        document = self.folder / "regulator" / "holder" / "oversight.json"
        done = fedscore(
            *("subject", "inquiries", "--wallet", self.wallet(person).path, "--log", self.url, "--out", out),
            *("--oversight", document, "--fingerprint", self.oversight.fingerprint, "--json", *arguments),
            check=check,
        )
        if done.returncode:
            return {"error": done.stderr.strip()}
        return {**json.loads(done.stdout), "file": out}


@contextmanager
def world(folder: Path, *, liars: bool = False) -> Iterator[World]:
    """Everything, until the block ends; holders that are able to lie where `liars` is True."""
    made: World | None = None
    with ExitStack() as stack:
        made = founded(folder, stack)
        try:
            for name in made.oversight.shares:
                made.start(name, liar=liars)
            yield made
        finally:
            for process in made.processes.values():
                process.terminate()
            for process in made.processes.values():
                process.wait(60)


@contextmanager
def world_here(folder: Path, coordinator: SigningKey | None = None) -> Iterator[World]:
    """Everything, both holders serving in this process."""
    with ExitStack() as stack:
        made = founded(folder, stack, coordinator)
        for name in made.oversight.shares:
            stack.enter_context(serving(made.home(name)))
        yield made


def founded(folder: Path, stack: ExitStack, coordinator: SigningKey | None = None) -> World:
    """Everything but the holders' services."""
    persons = Persons.under(folder / "persons", "opaque")
    coordinator, seed = coordinator or SigningKey.generate(), os.urandom(32)
    log_key = LogKey.from_seed(VerifierKey.of(SigningKey.from_seed(seed).public).name, seed)
    banks = {name: SigningKey.generate() for name in BANKS}
    witnesses = [WitnessKey.generate() for _ in BANKS]
    store = stack.enter_context(closing(LogStore.open(f"sqlite:///{folder / 'log.db'}", log_key, time.time)))
    host = LogHost(store, log_key.public, coordinator.public)
    port = stack.enter_context(serve_http(host, "127.0.0.1", 0, tls=None))
    text = settings_text(
        name="regulator", log_url=f"http://127.0.0.1:{port}", log_authority="", port=0, written=datetime.now(UTC)
    )
    keys = {"log": log_key.public.key, "coordinator": coordinator.public}
    regulator = RegulatorHome.create(folder / "regulator", text, **keys)
    names = {"log": log_key.public.key.hex, "coordinator": coordinator.public.hex}
    oversight = holder_homes(folder, persons, **names, signing=regulator.signing_key)["ombudsman"].oversight
    statement = RegulatorStatement(
        "regulator", regulator.signing_key.public.hex, regulator.witness_key.public.key.hex, "cd" * 32, 100
    )
    entries = [statement.entry(coordinator)]
    for (name, key), witness in zip(banks.items(), witnesses, strict=True):
        member = MemberStatement(name, key.public.hex, witness.public.key.hex, 1000, "admitted")
        entries.append(member.entry(coordinator))
    store.extend(entries)
    made = World(
        folder,
        persons,
        store,
        log_key,
        host,
        f"http://127.0.0.1:{port}",
        coordinator,
        banks,
        [regulator.witness_key, *witnesses],
        regulator,
        oversight,
        epoch_of(coordinator, banks, log_key, oversight.public),
    )
    announce(made, made.context)
    return made


def announce(at: World, context: EpochContext, counter: int = 1) -> None:
    """The roster and the epoch, in the log as the relay records them."""
    at.step("roster", context.roster.encode(), counter)
    at.step("epoch", context.signed.encode(), counter)


def epoch_of(
    coordinator: SigningKey, banks: dict[str, SigningKey], log_key: LogKey, oversight: bytes | None, counter: int = 1
) -> EpochContext:
    """An open epoch that every bank signed."""
    members = (
        RosterMember(name, key.public, base(random_scalar(os.urandom)), 100) for name, key in sorted(banks.items())
    )
    roster = Roster(tuple(members), coordinator.public, log_key.public.key, Parameters(engine="bfv"), oversight)
    layout = LayoutHeader(
        roster_id=roster.id,
        catalogue=bytes(32),
        model=bytes(32),
        pads={name: base(random_scalar(os.urandom)) for name in banks},
        masks={name: X25519PrivateKey.generate().public_key().public_bytes_raw() for name in banks},
        relay=base(random_scalar(os.urandom)),
        pool=SigningKey.generate().public,
        counter=counter,
    )
    now = int(time.time())
    header = EpochHeader(layout.id, bytes(32), roster.institutions[:2], 1, 1, 1, now - DAY_S, now + 6 * DAY_S)
    return EpochContext.of(roster, SignedEpoch(layout, header, {name: header.sign(key) for name, key in banks.items()}))
