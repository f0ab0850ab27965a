"""What a member computes for others: enrolment evaluations and the two steps of a ticket, each checked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from clients.institution.home import InstitutionHome
from clients.institution.lookup.ceremony import own_share
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.enrolling import enrolment_context, split_points
from clients.institution.lookup.enrolment_count import EnrolmentCount
from clients.institution.lookup.epoch_record import RELAY, EpochRecord
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.part import SECRETS_FILE, Part, no_snapshot
from clients.institution.lookup.publishing import refresh
from clients.institution.lookup.serving_database import lookup_database
from federation.errors import FederationError
from federation.runtime.database import open_engine
from protocols.envelope import open_envelope
from protocols.errors import MessageError, ProtocolError
from protocols.lookup.bound import ENROL_KIND, enrol_body
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.roster import Roster
from protocols.lookup.ticket import FirstOrder, MemberTickets, SecondOrder, TicketRefused
from protocols.oprf.enrolment import evaluate
from protocols.oprf.joint_key import KeyShare
from protocols.transparency import Promise, VerifierKey, entry_hash, verify_promise
from protocols.wire import lookup_pb2 as wire

Outcome = wire.Answered | FederationError | ProtocolError


@dataclass(frozen=True)
class OpenTickets:
    """The tickets of one epoch, and the private file that is there until the epoch is erased."""

    epoch_id: bytes
    tickets: MemberTickets
    secrets: Path


@dataclass
class Serving:
    """One connection's worth of serving. Rosters and epochs are read when a task first needs them."""

    home: InstitutionHome
    relay: RelayClient
    random: Callable[[int], bytes]
    clock: Callable[[], float]
    _open: OpenTickets | None = field(default=None, repr=False)
    _rosters: dict[bytes, tuple[Roster, KeyShare]] = field(default_factory=dict)
    _engine: Engine | None = None

    def answers(self, task: wire.Task) -> list[Outcome]:
        """What `task` asks for, or the error in its place. May raise: then nothing of it is answered."""
        match task.WhichOneof("work"):
            case "enrol":
                return [self._enrol(task.enrol)]
            case "first":
                return self._first(task.first.orders)
            case "second":
                return self._second(task.second.orders)
            case _:
                return []

    def _enrol(self, task: wire.EnrolTask) -> wire.Answered:
        """Evaluate a batch: 1. signed by the member it is for; 2. logged; 3. within its attested customers."""
        sealed = task.batch.SerializeToString(deterministic=True)
        claimed = wire.EnrolBatch.FromString(task.batch.body)
        roster, share = self._roster(claimed.roster_id)
        member = roster.member(task.institution)
        batch = open_envelope(sealed, wire.EnrolBatch, member.key)
        points = split_points(batch.points)
        entry = entry_hash(ENROL_KIND, enrol_body(task.institution, len(points), sealed))
        verify_promise(Promise.decode(task.promise), entry, VerifierKey.of(roster.log_key), self.clock())
        EnrolmentCount(self._database).charge(roster.id, member, sealed, len(points))
        context = enrolment_context(roster.id, task.institution, batch.points)
        evaluated, proof = evaluate(share, points, self.random, context)
        answer = wire.Evaluated(institution=self.home.name, points=b"".join(evaluated), proof=proof)
        return wire.Answered(evaluated=answer)

    def _first(self, orders: Sequence[wire.TicketOrder]) -> list[Outcome]:
        given = [FirstOrder(order.leaf, order.promise, order.blinded) for order in orders]
        return self._each(given, lambda tickets: tickets.first_all(given, self.clock()))

    def _second(self, orders: Sequence[wire.SecondOrder]) -> list[Outcome]:
        given = [
            SecondOrder(order.leaf, order.blinded, _by_maker(order.evaluations), order.combined) for order in orders
        ]
        return self._each(given, lambda tickets: tickets.second_all(given, self.clock()))

    def _each(
        self,
        orders: Sequence[FirstOrder | SecondOrder],
        step: Callable[[MemberTickets], Sequence[bytes | ProtocolError]],
    ) -> list[Outcome]:
        """Of the epoch that the first names: an order of another is refused for that."""
        if not orders:
            return []
        results = step(self._epoch(orders[0].leaf))
        return [wire.Answered(document=result) if isinstance(result, bytes) else result for result in results]

    def _epoch(self, leaf: bytes) -> MemberTickets:
        """The tickets of the epoch that `leaf` names, if this institution signed it and has not erased it."""
        epoch_id = SignedLeaf.decode(leaf).leaf.epoch_id
        self.forget_erased()
        if self._open is None or self._open.epoch_id != epoch_id:
            self._open = self._opened(epoch_id)
        return self._open.tickets

    def _opened(self, epoch_id: bytes) -> OpenTickets:
        part = self._part()
        context = part.context
        if context.epoch_id != epoch_id:
            raise MessageError("leaf.epoch_id", got=epoch_id.hex()[:16], expected=context.epoch_id.hex()[:16])
        if part.record.has("close", RELAY):
            raise TicketRefused("closed", "epoch", got="a request after it closed", expected="an open epoch")
        tickets = MemberTickets(
            context,
            self.home.name,
            own_share(part.folders, part.roster).secret,
            part.secrets.pad,
            self.home.signing_key,
            GuardStore(self._database, epoch_id),
            self.random,
        )
        return OpenTickets(epoch_id, tickets, part.folder.file(SECRETS_FILE))

    def forget_erased(self) -> None:
        """Let go of an epoch's keys once their file is gone. Before every task, and whenever there is none."""
        if self._open is not None and not self._open.secrets.exists():
            self._open = None

    def _roster(self, roster_id: bytes) -> tuple[Roster, KeyShare]:
        if roster_id not in self._rosters:
            part = self._part()
            roster = part.roster
            if roster.id != roster_id:
                raise MessageError("batch.roster_id", got=roster_id.hex()[:16], expected=roster.id.hex()[:16])
            self._rosters = {roster_id: (roster, own_share(part.folders, roster))}
        return self._rosters[roster_id]

    def _part(self) -> Part:
        """The current epoch as its record stands now."""
        record = EpochRecord(self.home.coordinator_key, self.home.name, self.home.signing_key.public)
        part = Part(self.home, self.relay, record, no_snapshot, random=self.random, clock=self.clock)
        refresh(part)
        return part

    @property
    def _database(self) -> Engine:
        if self._engine is None:
            self._engine = open_engine(lookup_database(self.home))
        return self._engine


def _by_maker(statements: Sequence[wire.Statement]) -> dict[str, bytes]:
    documents = {statement.institution: statement.document for statement in statements}
    if len(documents) != len(statements):
        raise MessageError("evaluations", got="two of one institution", expected="one of each member")
    return documents
