"""A member of the private score query as docs/lookup-wire.md has it, over real mutual TLS.

Written from the document and the pure protocols, not from the institutions' own programs, so that what the coordinator
serves is tested against what it promises.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lookup_caller import Caller

from federation.errors import FederationError, Refused
from federation.lookup.engines import load
from federation.runtime import rpc
from protocols.canonical import digest, parse_canonical
from protocols.envelope import seal
from protocols.errors import ProtocolError
from protocols.lookup import audit
from protocols.lookup.bound import BATCH_BYTES
from protocols.lookup.dummies import DummyOpening, open_dummies
from protocols.lookup.manifest import EpochHeader
from protocols.lookup.placement import own_places
from protocols.lookup.rows import sign_rows
from protocols.lookup.seal import OVERHEAD
from protocols.lookup.secrets import EpochSecrets
from protocols.lookup.table import MemberTable, Snapshot, SumTable, build_rows, table_digest
from protocols.lookup.ticket import Charge, MemberTickets, TicketRefused, check_charge
from protocols.oprf import enrolment as oprf
from protocols.oprf.joint_key import KeyShare, commit
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

PURPOSE = "credit-application"
_CONTEXT = "fedscore/v1/lookup/roster-context"


def enrolment_context(points: bytes) -> bytes:
    return digest("fedscore/v1/test/enrolment", points)


@dataclass
class Guard:
    """A ticket guard in memory."""

    leaves: dict[bytes, tuple[str, int, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def charge(self, charges: Sequence[Charge]) -> list[TicketRefused | None]:
        with self.lock:
            return [self._charge(charge) for charge in charges]

    def _charge(self, charge: Charge) -> TicketRefused | None:
        if charge.leaf_hash in self.leaves:
            return None
        mine, today = (charge.querier, charge.serial), (charge.querier, charge.day)
        served = next((leaf for leaf, (of, _, own) in self.leaves.items() if (of, own) == mine), None)
        used = sum((of, on) == today for of, on, _ in self.leaves.values())
        try:
            check_charge(served=served, used=used, limit=charge.limit, leaf_hash=charge.leaf_hash)
        except TicketRefused as refused:
            return refused
        self.leaves[charge.leaf_hash] = (charge.querier, charge.day, charge.serial)
        return None

    def charged(self, leaves: Collection[bytes]) -> Collection[bytes]:
        return leaves & self.leaves.keys()


@dataclass
class Member(Caller):
    """One institution: its records, its secrets, and every step it can say."""

    records: dict[bytes, np.ndarray] = field(default_factory=dict)
    share: KeyShare = field(default_factory=lambda: KeyShare.generate(os.urandom))
    guard: Guard = field(default_factory=Guard)
    pseudonyms: dict[bytes, bytes] = field(default_factory=dict)
    secrets: EpochSecrets | None = None
    answering: threading.Event = field(default_factory=threading.Event)
    resting: threading.Event = field(default_factory=threading.Event)  # set once it has no call open any more
    tamper: Callable[[str, Any], Any] = lambda kind, value: value
    _opening: Any = None

    # ---- steps ----

    def follow(self, until: str, *, seconds: float = 240.0) -> wire.EpochView:
        """Say what is owed until the epoch is in phase `until`, or `until` is what it owes."""
        end = time.monotonic() + seconds
        while True:
            with suppress(rpc.Unreachable):
                view = self.view(wait_ms=200)
                if view.phase == until or until in view.owed:
                    return view
                for kind in view.owed:
                    self.submit(kind, self.tamper(kind, getattr(self, f"say_{kind}")()))
                    if kind == "table":
                        self.put_table()
                if view.phase == "tables" and not view.owed:
                    self.put_table()
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: {view.phase}, waiting for {view.waiting}")

    def say_commit(self) -> Any:
        commitment, self._opening = commit(self.share, self.name, digest(_CONTEXT, self.raw("propose")), os.urandom)
        return {"commitment": commitment.hex()}

    def say_reveal(self) -> Any:
        opening = self._opening
        return {"opening": (opening.public + opening.proof + opening.salt).hex()}

    def say_enrolled(self) -> Any:
        new = [person for person in self.records if person not in self.pseudonyms]
        if new:
            state, blinded = oprf.Enrolment.start(new, os.urandom)
            reply = self.enrol(b"".join(blinded))
            answers = {e.institution: (split(e.points), e.proof) for e in reply.evaluations}
            publics = {member.institution: member.pseudonym_key for member in self.roster.members}
            found = state.finish(answers, publics, enrolment_context(b"".join(blinded)))
            self.pseudonyms |= dict(zip(new, found, strict=True))
        return {"count": len(self.pseudonyms)}

    def enrol(self, points: bytes, timeout: float = 30.0) -> wire.EnrolReply:
        batch = wire.EnrolBatch(roster_id=self.roster.id, counter=self.counter, points=points)
        reply: wire.EnrolReply = self.ask("Enrol", Envelope.FromString(seal(batch, self.home.signing_key)), timeout)
        return reply

    def say_secrets(self) -> Any:
        self.secrets = EpochSecrets.generate(self.name, os.urandom)
        return {"pad": self.secrets.pad_public.hex(), "mask": self.secrets.mask_public.hex()}

    def say_report(self) -> Any:
        points = [self.pseudonyms[person] for person in self.records]
        return {"points": self.upload(b"".join(points), reader="relay"), "count": len(points)}

    def say_sign(self) -> Any:
        epoch = EpochHeader.from_json(self.said("layout")["epoch"])
        return {"signature": epoch.sign(self.home.signing_key).hex()}

    def table(self) -> bytes:
        proofs = self.fetch(self.said("layout")["proofs"][self.name])
        places = own_places(self.layout, proofs[: 32 * len(self.records)])
        values = np.array(list(self.records.values()), dtype=np.int32)
        snapshot = Snapshot.of(places, values, len(self.roster.members))
        assert self.secrets is not None
        if self.secrets.bound is None:
            self.secrets = self.secrets.bind(self.context.signed.epoch, snapshot.digest)
        plan = MemberTable.plan(self.secrets, self.context, self.layout, snapshot)
        return b"".join(build_rows(plan.key, chunk) for chunk in plan.chunks())

    def say_table(self) -> Any:
        return {"digest": table_digest(self.context.epoch_id, self.name, self.table()).hex()}

    def put_part(self, part: bytes, offset: int) -> int:
        request = wire.PutRequest(epoch_id=self.context.epoch_id, offset=offset, part=part)
        return int(self.ask_pool("Put", request, timeout=60.0).received)

    def put_table(self, data: bytes | None = None) -> None:
        """Hand the table over; nothing to do once all are there."""
        table, received = self.table() if data is None else data, 0
        while received < len(table):
            try:
                received = self.put_part(table[received : received + 2**20], received)
            except Refused as refusal:
                if refusal.code != "too_early" or data is not None:
                    raise
                return

    def say_dummies(self) -> Any:
        assert self.secrets is not None
        count = self.roster.parameters.dummies
        opened = open_dummies(self.secrets, self.context.signed, count, os.urandom)
        return {"openings": opened.shared.hex(), "proof": opened.proof.hex()}

    def total(self) -> SumTable:
        context = self.context
        logged = {name: bytes.fromhex(self.said("table", name)["digest"]) for name in context.institutions}

        def tables() -> Iterator[tuple[str, bytes]]:
            for name in context.institutions:
                data, size = b"", 1
                while len(data) < size:
                    request = wire.TableRequest(epoch_id=context.epoch_id, institution=name, offset=len(data))
                    part = self.ask_pool("Table", request)
                    data, size = data + part.data, part.size
                yield name, data

        return audit.sum_tables(context, self.layout, tables(), logged)

    def say_rows(self) -> Any:
        total, context = self.total(), self.context
        openings = {}
        for name in context.institutions:
            said = self.said("dummies", name)
            openings[name] = DummyOpening(name, bytes.fromhex(said["openings"]), bytes.fromhex(said["proof"]))
        audit.check_public_places(context, total, self.layout, openings)
        signatures = sign_rows(self.home.signing_key, context.epoch_id, total.values)
        return {"signatures": self.upload(signatures.tobytes())}

    def say_opening(self) -> Any:
        signatures = {
            name: np.frombuffer(self.fetch(self.said("rows", name)["signatures"]), np.uint8).reshape(-1, 64)
            for name in self.context.signed.epoch.auditors
        }
        audited = audit.complete(self.context, self.total(), signatures, load(self.roster.parameters.engine))
        signed = audited.opening.sign(self.home.signing_key)
        return {"opening": parse_canonical(audited.opening.encode()), "signature": signed.hex()}

    def say_evaluated(self) -> Any:
        leaves = sorted(self.guard.leaves)
        return {"leaves": self.upload(b"".join(leaves)) if leaves else "", "count": len(leaves)}

    @property
    def batch_bytes(self) -> int:
        """What everybody hands over, sealed."""
        return BATCH_BYTES[self.roster.parameters.engine] + OVERHEAD

    def say_handovers(self) -> Any:
        auditors = [name for name in self.context.signed.epoch.auditors if name != self.name]
        return {"batches": {name: self.upload(os.urandom(self.batch_bytes), reader=name) for name in auditors}}

    def say_verdicts(self) -> Any:
        others = [name for name in self.context.institutions if name != self.name]
        return {"verdicts": [], "sealed": {name: self.upload(os.urandom(4096), reader=name) for name in others}}

    def say_erased(self) -> Any:
        self.secrets = None
        with suppress(KeyError):
            return {"epoch": self.context.epoch_id.hex()}
        return {"epoch": ""}

    # ---- duties ----

    def serve(self, stop: threading.Event) -> None:
        session = os.urandom(16)
        finished: list[wire.Finished] = []
        while not stop.is_set():
            if not self.answering.is_set():
                self.resting.set()
                time.sleep(0.05)
                continue
            try:
                request = wire.WorkRequest(session=session, finished=finished, wait_ms=300)
                tasks = self.ask("Work", request, 60.0).tasks
                finished = [wire.Finished(task=task.id, answers=list(self.answers(task))) for task in tasks]
            except (rpc.Unreachable, FederationError):
                time.sleep(0.1)

    def answers(self, task: wire.Task) -> Iterator[wire.Answered]:
        kind = task.WhichOneof("work")
        if kind == "enrol":
            batch = wire.EnrolBatch.FromString(task.enrol.batch.body)
            points, proof = oprf.evaluate(self.share, split(batch.points), os.urandom, enrolment_context(batch.points))
            yield wire.Answered(evaluated=wire.Evaluated(points=b"".join(points), proof=proof))
            return
        for order in getattr(task, kind).orders:
            try:
                yield wire.Answered(document=self.tamper(kind, getattr(self, f"_answer_{kind}")(order)))
            except ProtocolError as error:
                party = getattr(error, "party", "")
                code = getattr(error, "code", "proof" if party else "invalid")
                refusal = wire.Refusal(
                    code=code, where=error.field, got=error.got, expected=error.expected, party=party
                )
                yield wire.Answered(refusal=refusal)

    @property
    def tickets(self) -> MemberTickets:
        assert self.secrets is not None
        return MemberTickets(
            self.context,
            self.name,
            self.share.secret,
            self.secrets.pad,
            self.home.signing_key,
            self.guard,
            os.urandom,
        )

    def _answer_first(self, order: wire.TicketOrder) -> bytes:
        return self.tickets.first(order.leaf, order.promise, order.blinded, time.time())

    def _answer_second(self, order: wire.SecondOrder) -> bytes:
        evaluations = {statement.institution: statement.document for statement in order.evaluations}
        return self.tickets.second(order.leaf, order.blinded, evaluations, order.combined, time.time())


def split(points: bytes) -> list[bytes]:
    return [points[at : at + 32] for at in range(0, len(points), 32)]
