"""A federation whose inquiries need consent: real log and log host, the regulator's home and watch, banks' databases.

with inquiring(tmp_path) as world:
    world.ask("bank-a", Person(b"anna"))                      # a leaf of the real ticket code, logged and kept
    world.fsr("sample", "november", "--rate", "0.3")          # the regulator's commands
    world.open("bank-a", folder)                              # what `institution open --drawn` does
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inquiry_epoch import DAY, epoch_of, steps_of
from membership_world import catalogue, make_institution, pinned
from oversight_world import BANKS, key_of, member
from regulator_world import RealLog, regulator_home, served
from typer.testing import CliRunner, Result

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.delivering import Delivery, Drawn
from clients.institution.lookup.drawn import LoggedDraws
from clients.institution.lookup.opening import Opener
from clients.regulator.cli import app
from clients.regulator.home import RegulatorHome
from clients.regulator.watch import Watcher
from federation.runtime.database import open_engine
from federation.runtime.private_files import write_private
from protocols.canonical import canonical
from protocols.consent.consent import Consent
from protocols.consent.identity import IdentityStatement
from protocols.consent.receipt import Inquiry, Receipt, Scope, Subject
from protocols.lookup.context import EpochContext
from protocols.lookup.roster import Authority
from protocols.lookup.ticket import KIND, LeafOpening, QuerierTicket, SignedLeaf
from protocols.notices import REGULATOR
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Tile
from server.log import LogHost, Which
from server.mailbox.door import Door
from server.mailbox.mailbox import Mailbox

PURPOSE = "credit-application"
AUTHORITY = SigningKey.from_seed(hashlib.sha256(b"e-id").digest())


def scope() -> Scope:
    return Scope(catalogue().name, bytes.fromhex(catalogue().hash))


@dataclass(frozen=True)
class Person:
    """Her identifier, her wallet's key and salt."""

    identifier: bytes

    @property
    def key(self) -> SigningKey:
        return SigningKey.from_seed(hashlib.sha256(b"wallet" + self.identifier).digest())

    @property
    def subject(self) -> Subject:
        return Subject(self.identifier, hashlib.sha256(b"salt" + self.identifier).digest())

    def receipt(self, querier: str, **changes: Any) -> Receipt:
        now = int(time.time())
        receipt = Receipt(
            subject_key=self.key.public,
            subject=self.subject.commitment,
            querier=querier,
            purpose=PURPOSE,
            scope=scope(),
            inquiry=Inquiry.HARD,
            serial=os.urandom(16).hex(),
            issued=now - DAY,
            expires=now + 30 * DAY,
        )
        return replace(receipt, **changes)

    def consent(self, querier: str, *, signer: SigningKey = AUTHORITY, **changes: Any) -> Consent:
        """What her wallet hands to `querier`; `changes` are of the receipt."""
        now = int(time.time())
        statement = IdentityStatement("e-id", self.subject.commitment, self.key.public, now - 9 * DAY, now + 300 * DAY)
        return Consent(self.receipt(querier, **changes).sign(self.key), self.subject.salt, statement.sign(signer))


@dataclass(frozen=True)
class HostedLog:
    """A member's view of the log, without the wire."""

    host: LogHost
    bank: str = ""

    def append(self, entries: Sequence[Entry]) -> list[bytes]:
        return [made.encode() for made in self.host.append_for(self.bank, key_of(self.bank).public, entries)]

    def cosigned(self) -> bytes:
        return self.host.note(Which.COSIGNED) or b""

    def tile(self, tile: Tile) -> bytes:
        return b"".join(self.host.store.tile(tile) or [])

    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]:
        while start < self.host.store.size():
            page = self.host.store.entries(start, 1000, kind)
            yield from page.entries
            start = page.next


@dataclass(frozen=True)
class Carried:
    """The coordinator's mailbox as one bank reaches it, without the wire."""

    mailbox: Mailbox
    bank: str

    def put(self, letters: Sequence[tuple[str, bytes]]) -> None:
        for start in range(0, len(letters), 64):
            self.mailbox.put(self.bank, letters[start : start + 64])

    def receipts(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        return dict(self.mailbox.receipts(self.bank, names))


@dataclass
class InquiryWorld:
    folder: Path
    mailbox: Mailbox
    log: RealLog
    regulator: RegulatorHome
    watcher: Watcher
    context: EpochContext
    homes: dict[str, InstitutionHome]
    asked: dict[str, AskedStore]
    leaves: dict[bytes, SignedLeaf] = field(default_factory=dict)

    def ask(
        self,
        querier: str,
        person: Person,
        consent: Consent | bytes | None = None,
        *,
        shown: Callable[[bytes, LeafOpening], tuple[bytes, LeafOpening]] = lambda who, opening: (who, opening),
        change: Callable[[SignedLeaf], SignedLeaf] = lambda leaf: leaf,
        key: SigningKey | None = None,
    ) -> SignedLeaf:
        """An inquiry, logged. `change`: the leaf that is logged instead; `shown`: what the querier will open."""
        given = person.consent(querier) if consent is None else consent
        receipt = given if isinstance(given, bytes) else given.encode()
        serial = os.urandom(16).hex() if isinstance(given, bytes) else given.serial
        state, leaf, _ = QuerierTicket.start(
            person.identifier,
            self.context,
            key or key_of(querier),
            querier,
            purpose=PURPOSE,
            receipt=receipt,
            receipt_serial=serial,
            random=os.urandom,
            now=time.time(),
        )
        opening, leaf = state.opening, change(leaf)
        who, secrets = shown(person.identifier, opening)
        self.asked[querier].keep([(who, leaf, secrets)])
        self.log.store.append(KIND, leaf.encode())
        self.leaves[leaf.hash] = leaf
        return leaf

    def grow(self, count: int) -> None:
        """Entries of others."""
        size = self.log.store.size()
        self.log.grow(*(Entry("example", canonical({"number": size + number})).data for number in range(count)))

    def turn(self) -> None:
        """The regulator's watch and the members' witnesses catch up with the log."""
        for _ in range(3):
            self.watcher.turn()
            self.log.host.tick()
            self.log.witness()
        self.watcher.turn()

    def fsr(self, *words: object, code: int = 0) -> dict[str, Any]:
        """A command of the regulator, for machines."""
        told = self.run(*words)
        assert told.exit_code == code, f"{words}: {told.exit_code}\n{told.output}\n{told.exception!r}"
        return dict(json.loads(told.stdout))

    def run(self, *words: object) -> Result:
        line = [*map(str, words), "--home", str(self.regulator.path), "--json"]
        return CliRunner().invoke(app, line, env={"FEDSCORE_REGULATOR_LOG_URL": self.regulator.settings.log_url})

    def sampled(self, name: str, rate: float, **options: object) -> dict[str, Any]:
        """A draw over all that was asked, from commitment to sample."""
        extra = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.turn()
        waiting = self.fsr("sample", name, "--rate", rate, "--wait", 0, *extra, code=3)
        self.grow(waiting["waits_for"] - self.log.store.size())
        self.turn()
        return self.fsr("sample", name)

    def log_of(self, bank: str) -> HostedLog:
        """The log as this bank reaches it."""
        return HostedLog(self.log.host, bank)

    def draws(self, bank: str) -> LoggedDraws:
        return LoggedDraws.read(HostedLog(self.log.host), self.homes[bank], time.time())

    def delivery(self, bank: str) -> tuple[Delivery, list[Drawn]]:
        """What `institution open --drawn --deliver` works with."""
        self.turn()
        home = naming(self.homes[bank], self.regulator.signing_key.public.hex)
        draws = LoggedDraws.read(self.log_of(bank), home, time.time())
        opener = Opener(home, self.asked[bank], draws)
        return Delivery(home, opener, Carried(self.mailbox, bank)), draws.drawn()

    def open(self, bank: str, folder: Path) -> list[Path]:
        """All that was drawn of a bank's, as far as it is in its database."""
        self.turn()
        draws = self.draws(bank)
        opener, made = Opener(self.homes[bank], self.asked[bank], draws), []
        for draw in draws.valid:
            for leaf in draws.own(draw):
                file = folder / f"{leaf.signed.hash.hex()}.opening"
                file.write_bytes(opener.open(leaf, draw))
                made.append(file)
        return made


@contextmanager
def inquiring(folder: Path, ombudsman: str = "", model: bytes = bytes(32)) -> Iterator[InquiryWorld]:
    """Three banks in one open epoch; nothing has been asked. `ombudsman`: the key that the regulator's policy names."""
    context = epoch_of(int(time.time()) - DAY, authorities=(Authority("e-id", AUTHORITY.public),), model=model)
    log = RealLog(f"sqlite:///{folder / 'log.db'}", (), clock=time.time)
    mailbox = Mailbox.open(f"sqlite:///{folder / 'mailbox.db'}", _admitted, _now)
    with served(log, letters=Door(mailbox, _admitted, _now)) as url:
        regulator = regulator_home(folder, url)
        policy = regulator.path / "policy.toml"
        policy.write_text(policy.read_text().replace("[keys]", f'[keys]\nombudsman = "{ombudsman}"', 1))
        named = regulator.registration.entry(key_of("coordinator")).data
        log.grow(named, *(member(bank) for bank in BANKS), *steps_of(context))
        homes = {bank: home_of(folder / bank, bank) for bank in BANKS}
        asked = {bank: AskedStore(open_engine(f"sqlite:///{folder / bank / 'lookup.db'}")) for bank in BANKS}
        yield InquiryWorld(folder, mailbox, log, regulator, Watcher.open(regulator), context, homes, asked)
    mailbox.close()
    log.store.close()


def naming(home: InstitutionHome, regulator: str) -> InstitutionHome:
    """As if institution.toml named this regulator."""
    lookup = home.settings.lookup.model_copy(update={"regulator": regulator})
    return replace(home, settings=home.settings.model_copy(update={"lookup": lookup}))


def _now() -> float:
    """What tests may set."""
    return time.time()


def _admitted(name: str) -> VerifyingKey:
    return key_of("regulator" if name == REGULATOR else name).public


def home_of(path: Path, name: str, key: str = "") -> InstitutionHome:
    """An institution with the key that the log names for it, or another one."""
    make_institution(path, name)
    (path / "keys" / "signing.pem").unlink()
    write_private(path / "keys" / "signing.pem", key_of(key or name).to_pem())
    home = InstitutionHome.open(path)
    home.save_coordinator(pinned(key_of("coordinator")).model_copy(update={"log_key": key_of("log").public.hex}))
    return home
