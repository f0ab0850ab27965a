"""How an institution talks to relay and pool: mutual TLS, typed refusals, the same bytes again after an outage.

    with RelayClient(home) as relay:
        view = relay.view()
        name = relay.upload(view.counter, data)

An outage is waited out (`clients.institution.member_client`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from clients.institution.home import InstitutionHome
from clients.institution.member_client import PART_BYTES, PATIENCE_S, MemberClient, Progress
from protocols.envelope import seal
from protocols.errors import MessageError
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

HINT_BYTES = 2**28  # some 10 MB at ten million subjects
_RELAY = wire.DESCRIPTOR.services_by_name["Relay"]
_POOL = wire.DESCRIPTOR.services_by_name["Pool"]


class RelayClient(MemberClient):
    """The relay, on the coordinator's member port."""

    def __init__(self, home: InstitutionHome, *, patience: float = PATIENCE_S) -> None:
        super().__init__(home, home.coordinator().member_address, _RELAY, patience=patience)
        self._key = home.signing_key

    def view(self, counter: int = 0, *, after: int = 0, wait_ms: int = 0) -> wire.EpochView:
        """What is recorded of an epoch after the sequence `after`; waits up to `wait_ms` for something new."""
        request = wire.ViewRequest(counter=counter, after=after, wait_ms=wait_ms)
        view: wire.EpochView = self._ask("View", request, timeout=30.0 + wait_ms / 1000)
        return view

    def submit(self, step: wire.Step) -> int:
        """Have a statement of this institution recorded; its sequence. Idempotent."""
        sealed = Envelope.FromString(seal(step, self._key))
        return int(self._ask("Submit", wire.SubmitRequest(step=sealed)).sequence)

    def upload(self, counter: int, data: bytes, *, reader: str = "", progress: Progress | None = None) -> bytes:
        """Store a blob in parts, going on where an earlier upload stopped; its name, SHA-256."""
        name = hashlib.sha256(data).digest()
        received = 0
        while True:
            part = data[received : received + PART_BYTES]
            request = wire.UploadRequest(
                counter=counter, name=name, size=len(data), offset=received, part=part, reader=reader
            )
            reached = int(self._ask("Upload", request).received)
            if progress is not None:
                progress(reached, len(data))
            if reached >= len(data):
                return name
            received = reached

    def fetch(self, name: bytes, *, most: int, progress: Progress | None = None) -> bytes:
        """A blob by name, of at most `most` bytes. Raises MessageError if what came is larger, or another."""
        data = self._fetch("Fetch", wire.FetchRequest(name=name), most, progress)
        if hashlib.sha256(data).digest() != name:
            raise MessageError("blob", got="bytes of another digest", expected=name.hex()[:16])
        return data

    def enrol(self, batch: wire.EnrolBatch) -> wire.EnrolReply:
        """Every member's evaluation of one batch of blinded identifiers."""
        sealed = Envelope.FromString(seal(batch, self._key))
        reply: wire.EnrolReply = self._ask("Enrol", sealed, timeout=120.0)
        return reply

    def append(self, leaves: Sequence[bytes]) -> list[bytes]:
        """The log's promises for signed leaves, in their order."""
        return list(self._ask("Append", wire.AppendRequest(leaves=list(leaves))).promises)

    def ticket(self, orders: Sequence[wire.TicketOrder], *, timeout: float) -> list[wire.TicketOutcome]:
        """One outcome per order, in their order. Raises MessageError if there are others."""
        reply = self._ask("Ticket", wire.TicketRequest(orders=list(orders)), timeout=timeout)
        if len(reply.outcomes) != len(orders):
            raise MessageError("ticket.outcomes", got=len(reply.outcomes), expected=len(orders))
        return list(reply.outcomes)

    def work(self, session: bytes, finished: Sequence[wire.Finished], *, wait_ms: int) -> list[wire.Task]:
        """Hand in what is finished, wait for more to do. Not repeated: the caller's loop is."""
        request = wire.WorkRequest(session=session, finished=list(finished), wait_ms=wait_ms)
        return list(self._ask("Work", request, timeout=10.0 + wait_ms / 1000, patience=0.0).tasks)


class PoolClient(MemberClient):
    """The pool of one epoch."""

    def __init__(self, home: InstitutionHome, address: str, epoch_id: bytes, *, patience: float = PATIENCE_S) -> None:
        super().__init__(home, address, _POOL, patience=patience)
        self._epoch_id = epoch_id

    def put(self, table: bytes, progress: Progress | None = None) -> None:
        """Upload this institution's table, going on where an earlier upload stopped."""
        received = 0
        while received < len(table):
            part = table[received : received + PART_BYTES]
            request = wire.PutRequest(epoch_id=self._epoch_id, offset=received, part=part)
            received = int(self._ask("Put", request).received)
            if progress is not None:
                progress(received, len(table))

    def table(self, institution: str, most: int, progress: Progress | None = None) -> bytes:
        """Any member's table; auditors only."""
        request = wire.TableRequest(epoch_id=self._epoch_id, institution=institution)
        return self._fetch("Table", request, most, progress)

    def hint(self, progress: Progress | None = None) -> bytes:
        """The engine's hint; its digest is in the auditors' opening."""
        return self._fetch("Hint", wire.HintRequest(epoch_id=self._epoch_id), HINT_BYTES, progress)

    def register(self, keys: bytes) -> bytes:
        """Register evaluation keys; their hash."""
        return bytes(self._ask("Register", wire.RegisterRequest(epoch_id=self._epoch_id, keys=keys)).keys_hash)

    def query(self, queries: Sequence[bytes], keys_hash: bytes, *, timeout: float) -> list[wire.Answer]:
        """One signed answer per query. Raises MessageError if there are others."""
        request = wire.QueryRequest(epoch_id=self._epoch_id, keys_hash=keys_hash, queries=list(queries))
        reply = self._ask("Query", request, timeout=timeout)
        if len(reply.answers) != len(queries):
            raise MessageError("query.answers", got=len(reply.answers), expected=len(queries))
        return list(reply.answers)
