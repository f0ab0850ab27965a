"""Questions of one institution from end to end with the wires taken out: what asks is `Asking`, the product's own.

    world = QueryWorld.with_engine("bfv")
    asking = world.asking("bank-00", folder)          # real tickets of real members, a real pool behind it
    [found] = world.ask(asking, [identifier])         # JointSum | Unavailable
    world.seen                                        # what relay and pool saw, in order: who, which call, how long

An attack takes the place of `relay.change` or `pool.change`, or hands the pool another table; a protection is taken
away by a subclass of `Asking`, or by a check replaced in the test. Nothing of that exists in the product.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from world import START, Epoch, World

from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.folders import EpochFolder
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.questions import Question
from federation.runtime.database import open_engine
from federation.runtime.private_files import private_directory
from protocols.errors import MessageError, ProtocolError
from protocols.lookup.audit import check_hint
from protocols.lookup.engines import Engine, Geometry, Prepared, engine
from protocols.lookup.engines.lwe.product import blas_product
from protocols.lookup.evidence import keys_hash, sign_answer
from protocols.lookup.leaf import KIND
from protocols.lookup.roster import Roster
from protocols.lookup.ticket import MemberTickets, combine
from protocols.signing import SigningKey
from protocols.transparency import LogKey, Promise, VerifierKey, entry_hash
from protocols.wire import lookup_pb2 as wire
from server.lookup.gather import refusal_of

NOW = START + 100.0
PURPOSE = "credit-application"
FIRST = 1000
SUBJECTS = {"bfv": 2100, "lwe": 60}  # three rows of bfv, sixty of lwe


@dataclass(frozen=True)
class Seen:
    """One message as relay or pool see it; `at` is the moment it came (s)."""

    party: str
    call: str
    sizes: tuple[int, ...]
    at: float = field(compare=False)


class QueryWorld(World):
    """A `World` with an open epoch, a log that promises, and everything that a question goes through."""

    log_key: LogKey

    @classmethod
    def with_engine(cls, name: str, subjects: int = 0, **parameters: Any) -> QueryWorld:
        needs: dict[str, Any] = {"product": blas_product, "process_id": os.getpid} if name == "lwe" else {}
        return cls(subjects=subjects or SUBJECTS[name], engine=engine(name, **needs), **parameters)

    def _found(self) -> Roster:
        seed = self.random(32)
        self.log = SigningKey.from_seed(seed)
        self.log_key = LogKey.from_seed(VerifierKey.of(self.log.public).name, seed)
        self.parameters = replace(self.parameters, engine=self.engine.name)
        self.pool_key = SigningKey.from_seed(self.random(32))
        self.seen: list[Seen] = []
        self._rows: dict[bytes, int] = {}
        return super()._found()

    def geometry(self, epoch: Epoch) -> Geometry:
        return Geometry(epoch.layout.rows, epoch.layout.slots, self.parameters.quorum)

    def row_of(self, epoch: Epoch, identifier: bytes) -> int:
        if identifier not in self._rows:
            found = epoch.layout.find(epoch.point(identifier))
            assert found is not None
            self._rows[identifier] = found[0]
        return self._rows[identifier]

    def in_row(self, epoch: Epoch, row: int) -> list[bytes]:
        return [identifier for identifier in self.identifiers if self.row_of(epoch, identifier) == row]

    def not_in_row(self, epoch: Epoch, row: int) -> list[bytes]:
        return [identifier for identifier in self.identifiers if self.row_of(epoch, identifier) != row]

    def asking(self, name: str, epoch: Epoch, folder: Path, kind: type[Asking] = Asking) -> Asking:
        """Ready to ask in the name of `name`; the epoch's folder and the databases are below `folder`."""
        assert epoch.opened is not None
        assert epoch.audited is not None
        relay, pool = Relay(self, epoch, folder), Pool(self, epoch.context.epoch_id, epoch.audited.prepared)
        part: Any = SimpleNamespace(
            home=SimpleNamespace(name=name, signing_key=self.signers[name]),
            folder=EpochFolder(private_directory(folder / "epoch")),
            institution=name,
            context=epoch.context,
            header=epoch.header,
            roster=self.roster,
            record=SimpleNamespace(counter=1),
            random=os.urandom,
            relay=relay,
        )
        opened = OpenEpoch(part)
        vars(opened).update(layout=epoch.layout, pool_key=self.pool_key.public, opened=epoch.opened)
        check_hint(epoch.context, epoch.opened, epoch.audited.prepared.hint)
        client = self.engine.client(
            self.geometry(epoch), epoch.context.epoch_id, epoch.audited.prepared.hint, os.urandom
        )
        part.folder.keep("query.pub", client.keys)
        pool.keys = client.keys
        opened._client = client
        database = open_engine(f"sqlite:///{folder}/asked.db")
        return kind(opened, relay, pool, AskedStore(database), ConsentStore(database), os.urandom, lambda: NOW, 10.0)  # type: ignore[arg-type]

    def ask(self, asking: Asking, identifiers: Sequence[bytes], *, receipts: Sequence[bytes] = ()) -> list[Any]:
        """What was found of each, in one batch; `receipts` are the subjects', none given otherwise."""
        given = receipts or [b""] * len(identifiers)
        batch = [
            Asked(Question("-", PURPOSE, receipt), identifier)
            for identifier, receipt in zip(identifiers, given, strict=True)
        ]
        asking.tickets(batch)
        asking.read(batch)
        return [asked.found for asked in batch]

    def see(self, party: str, call: str, *sizes: int) -> None:
        self.seen.append(Seen(party, call, sizes, time.monotonic()))


@dataclass
class Relay:
    """The relay and all members behind it. `change` has the outcomes before the querier does."""

    world: QueryWorld
    epoch: Epoch
    folder: Path
    change: Callable[[list[wire.TicketOutcome]], list[wire.TicketOutcome]] = lambda outcomes: outcomes
    log: list[bytes] = field(default_factory=list)
    members: dict[str, MemberTickets] = field(default_factory=dict)
    guards: dict[str, GuardStore] = field(default_factory=dict)
    orders: list[wire.TicketOrder] = field(default_factory=list)
    now: float = NOW

    def __post_init__(self) -> None:
        context = self.epoch.context
        for name in self.world.names:
            database = open_engine(f"sqlite:///{self.folder}/{name}.db")
            self.guards[name] = GuardStore(database, context.epoch_id)
            share, pad = self.world.shares[name].secret, self.epoch.secrets[name].pad
            self.members[name] = MemberTickets(
                context, name, share, pad, self.world.signers[name], self.guards[name], os.urandom
            )

    def append(self, leaves: Sequence[bytes]) -> list[bytes]:
        self.world.see("relay", "Append", *map(len, leaves))
        return [self.promise(leaf) for leaf in leaves]

    def promise(self, leaf: bytes, key: LogKey | None = None, kind: str = KIND) -> bytes:
        self.log.append(leaf)
        made = Promise.make(
            key or self.world.log_key,
            leaf_hash=entry_hash(kind, leaf),
            index=FIRST + len(self.log),  # as many digits throughout
            issued_at=int(self.now),
            merge_delay_s=60,
        )
        return made.encode()

    def ticket(self, orders: Sequence[wire.TicketOrder], *, timeout: float) -> list[wire.TicketOutcome]:
        self.world.see("relay", "Ticket", *(order.ByteSize() for order in orders))
        self.orders += orders
        return self.change([self.outcome(order) for order in orders])

    def outcome(self, order: wire.TicketOrder) -> wire.TicketOutcome:
        outcome, world = wire.TicketOutcome(), self.world
        try:
            first = {n: m.first(order.leaf, order.promise, order.blinded, self.now) for n, m in self.members.items()}
            combined = combine(
                self.epoch.context, self.epoch.z, world.relay, order.leaf, order.blinded, first, os.urandom
            )
            second = {
                n: m.second(order.leaf, order.blinded, first, combined, self.now) for n, m in self.members.items()
            }
        except ProtocolError as error:
            outcome.refusal.CopyFrom(refusal_of(error, "relay"))
            return outcome
        outcome.combined = combined
        for name in self.members:
            outcome.evaluations.add(institution=name, document=first[name])
            outcome.openings.add(institution=name, document=second[name])
        return outcome

    def upload(self, counter: int, data: bytes, *, reader: str = "", progress: Any = None) -> bytes:
        self.world.see("relay", "Upload", len(data))
        return sha256(data).digest()

    def fetch(self, name: bytes, *, most: int) -> bytes:
        raise MessageError("blob", got=name.hex(), expected="one that was handed over")


@dataclass
class Pool:
    """The pool. `prepared` is what it answers from; `change` has each answer before it is signed."""

    world: QueryWorld
    epoch_id: bytes
    prepared: Prepared
    change: Callable[[bytes], bytes] = lambda answer: answer
    keys: bytes = b""
    queries: list[bytes] = field(default_factory=list)

    def query(self, queries: Sequence[bytes], name: bytes, *, timeout: float) -> list[wire.Answer]:
        self.world.see("pool", "Query", *map(len, queries))
        assert name == keys_hash(self.keys)
        self.queries += queries
        answers = []
        for query, answer in zip(queries, self.prepared.answer(queries, self.keys or None), strict=True):
            given = self.change(answer)
            signature = sign_answer(self.world.pool_key, self.epoch_id, name, query, given)
            answers.append(wire.Answer(answer=given, signature=signature))
        return answers

    def register(self, keys: bytes) -> bytes:
        self.world.see("pool", "Register", len(keys))
        self.keys = keys
        return keys_hash(keys)


@cache
def opened(name: str) -> tuple[QueryWorld, Epoch]:
    """A world with an epoch that is open, made once in a process."""
    world = QueryWorld.with_engine(name, bound=40)
    return world, world.epoch()


__all__ = ["NOW", "PURPOSE", "SUBJECTS", "Engine", "Pool", "QueryWorld", "Relay", "Seen", "opened"]


def evil(asking: Asking) -> Pool:
    assert isinstance(asking.pool, Pool)
    return asking.pool


def occupied(world: QueryWorld, epoch: Epoch) -> int:
    """A row in which somebody stands who is no dummy."""
    return world.row_of(epoch, world.identifiers[7])
