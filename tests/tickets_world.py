"""A federation around one open epoch, every party a real state machine: what a ticket goes through, step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random as Deterministic
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import EpochHeader, LayoutHeader, SignedEpoch
from protocols.lookup.pads import pad
from protocols.lookup.parameters import MODULUS, Parameters
from protocols.lookup.roster import Roster, RosterMember
from protocols.lookup.statement import Bond, Role, prove, signed
from protocols.lookup.ticket import (
    KIND,
    Charge,
    MemberTickets,
    QuerierTicket,
    SignedLeaf,
    Ticket,
    TicketRefused,
    TicketReply,
    check_charge,
    combine,
)
from protocols.oprf.group import ORDER, Element, Scalar, base, hash_to_group, multiply, random_scalar
from protocols.signing import SigningKey
from protocols.transparency import LogKey, Promise, VerifierKey, entry_hash

NOW = 1_900_000_000.0


class MemoryGuard:
    """Forgets when the process ends: for tests. An institution keeps this in its database."""

    def __init__(self) -> None:
        self.leaves: dict[bytes, tuple[str, int, str]] = {}

    def charge(self, charges: Sequence[Charge]) -> list[TicketRefused | None]:
        return [self._charge(charge) for charge in charges]

    def _charge(self, charge: Charge) -> TicketRefused | None:
        if charge.leaf_hash in self.leaves:
            return None
        mine, today = (charge.querier, charge.serial), (charge.querier, charge.day)
        served = [leaf for leaf, (who, _, number) in self.leaves.items() if (who, number) == mine]
        used = sum((who, when) == today for who, when, _ in self.leaves.values())
        try:
            check_charge(
                served=served[0] if served else None, used=used, limit=charge.limit, leaf_hash=charge.leaf_hash
            )
        except TicketRefused as refused:
            return refused
        self.leaves[charge.leaf_hash] = charge.querier, charge.day, charge.serial
        return None

    def charged(self, leaves: Collection[bytes]) -> Collection[bytes]:
        return leaves & self.leaves.keys()


@dataclass
class Party:
    """A member's secrets; `tickets` is its state machine."""

    key: SigningKey
    share: Scalar
    pad: Scalar
    guard: MemoryGuard = field(default_factory=MemoryGuard)
    tickets: MemberTickets | None = None


@dataclass
class Asked:
    """One request on its way."""

    state: QuerierTicket
    leaf: SignedLeaf
    blinded: bytes
    promise: bytes = b""


class World:
    """`institutions` members, the relay with its z, and the log. Two worlds with one `seed` share all but the epoch."""

    def __init__(self, institutions: int = 3, *, seed: int = 1, epoch: int = 1, daily_tickets: int = 1000) -> None:
        long_term, fresh = Deterministic(seed), Deterministic(f"{seed}/{epoch}")
        self.random = Deterministic(f"{seed}/{epoch}/use").randbytes
        names = [f"bank-{index:02}" for index in range(institutions)]
        self.parties = {
            name: Party(
                SigningKey.from_seed(long_term.randbytes(32)),
                random_scalar(long_term.randbytes),
                random_scalar(fresh.randbytes),
            )
            for name in names
        }
        self.pool_key = SigningKey.from_seed(b"\x09" * 32)
        self.relay_key = SigningKey.from_seed(long_term.randbytes(32))
        log_seed = long_term.randbytes(32)
        log_name = VerifierKey.of(SigningKey.from_seed(log_seed).public).name
        self.log_key = LogKey.from_seed(log_name, log_seed)
        self.oversight = random_scalar(long_term.randbytes)
        self.z = random_scalar(fresh.randbytes)
        self.log: list[bytes] = []
        self.serials = 0
        self.context = self._context(fresh, epoch, daily_tickets)
        for name, party in self.parties.items():
            party.tickets = MemberTickets(
                self.context, name, party.share, party.pad, party.key, party.guard, self.random
            )

    def _context(self, fresh: Deterministic, epoch: int, daily_tickets: int) -> EpochContext:
        roster = Roster(
            members=tuple(
                RosterMember(name, party.key.public, base(party.share), 1000) for name, party in self.parties.items()
            ),
            coordinator_key=self.relay_key.public,
            log_key=self.log_key.public.key,
            parameters=Parameters(engine="bfv", daily_tickets=daily_tickets),
            oversight=base(self.oversight),
        )
        layout = LayoutHeader(
            roster_id=roster.id,
            catalogue=bytes(32),
            model=bytes(32),
            pads={name: base(party.pad) for name, party in self.parties.items()},
            masks={
                name: X25519PrivateKey.from_private_bytes(fresh.randbytes(32)).public_key().public_bytes_raw()
                for name in self.parties
            },
            relay=base(self.z),
            pool=self.pool_key.public,
            counter=epoch,
        )
        header = EpochHeader(
            layout.id, bytes(32), roster.institutions[:2], 1, 1, 1, int(NOW) - 86_400, int(NOW) + 6 * 86_400
        )
        signatures = {name: header.sign(party.key) for name, party in self.parties.items()}
        return EpochContext.of(roster, SignedEpoch(layout, header, signatures))

    def start(self, identifier: bytes, querier: str = "bank-00", *, serial: str | None = None) -> Asked:
        """A request that is not logged yet."""
        self.serials += 1
        state, leaf, blinded = QuerierTicket.start(
            identifier,
            self.context,
            self.parties[querier].key,
            querier,
            purpose="credit-application",
            receipt=b"signed by the subject",
            receipt_serial=serial or f"receipt-{self.serials}",
            random=self.random,
            now=NOW,
        )
        return Asked(state, leaf, blinded)

    def promise(self, body: bytes) -> bytes:
        """The log takes any entry."""
        self.log.append(body)
        return Promise.make(
            self.log_key,
            leaf_hash=entry_hash(KIND, body),
            index=len(self.log) - 1,
            issued_at=int(NOW),
            merge_delay_s=60,
        ).encode()

    def ask(self, identifier: bytes, querier: str = "bank-00", *, serial: str | None = None) -> Asked:
        """A logged request."""
        asked = self.start(identifier, querier, serial=serial)
        asked.promise = self.promise(asked.leaf.encode())
        asked.state.logged(asked.promise, NOW)
        return asked

    def member(self, name: str) -> MemberTickets:
        tickets = self.parties[name].tickets
        assert tickets is not None
        return tickets

    def first(self, asked: Asked) -> dict[str, bytes]:
        """Every member's Z_j."""
        return {
            name: self.member(name).first(asked.leaf.encode(), asked.promise, asked.blinded, NOW)
            for name in self.parties
        }

    def combine(self, asked: Asked, evaluations: Mapping[str, bytes]) -> bytes:
        """D."""
        return combine(
            self.context, self.z, self.relay_key, asked.leaf.encode(), asked.blinded, evaluations, self.random
        )

    def second(self, asked: Asked, evaluations: Mapping[str, bytes], combination: bytes) -> dict[str, bytes]:
        """Every member's sealed W_j."""
        return {
            name: self.member(name).second(asked.leaf.encode(), asked.blinded, evaluations, combination, NOW)
            for name in self.parties
        }

    def reply(self, asked: Asked) -> TicketReply:
        """What an honest federation answers."""
        evaluations = self.first(asked)
        combination = self.combine(asked, evaluations)
        return TicketReply(evaluations, combination, self.second(asked, evaluations, combination))

    def ticket(self, identifier: bytes, querier: str = "bank-00") -> Ticket:
        asked = self.ask(identifier, querier)
        return asked.state.finish(self.reply(asked))


def full_scalar(world: World) -> bytes:
    shares = sum(int.from_bytes(party.share, "little") for party in world.parties.values())
    return (shares * int.from_bytes(world.z, "little") % ORDER).to_bytes(32, "little")


def true_ticket(world: World, identifier: bytes) -> Ticket:
    """Computed from everybody's secrets, without the protocol."""
    element = multiply(full_scalar(world), hash_to_group(identifier))
    pads = sum(
        pad(world.context.epoch_id, name, element, multiply(party.pad, element)).astype(np.uint64)
        for name, party in world.parties.items()
    )
    return Ticket(element, (pads % MODULUS).astype(np.uint32), bytes(32))


def opens(world: World, ticket: Ticket, identifier: bytes) -> bool:
    true = true_ticket(world, identifier)
    return ticket.element == true.element and np.array_equal(ticket.pads, true.pads)


def lie(world: World, role: Role, maker: str, asked: Asked, secret: bytes, given: Element | None = None) -> bytes:
    """A statement its maker signs and cannot prove, or proves about another element."""
    bond = Bond(role, maker, world.context.epoch_id, asked.leaf.hash)
    public = multiply(secret, given or asked.blinded)
    key = world.relay_key if maker == "relay" else world.parties[maker].key
    _, proven = prove(bond, secret, public, given or asked.blinded, world.random)
    return signed(bond, proven, key)


def passes(*_: Any, **__: Any) -> None:
    """A check that is off."""
