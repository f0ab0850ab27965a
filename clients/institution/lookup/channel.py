"""How an institution talks to relay and pool: mutual TLS, typed refusals, the same bytes again after an outage.

    with RelayClient(home) as relay:
        view = relay.view()
        name = relay.upload(view.counter, data)

Every call may be repeated: whatever changes something at the other end is named by its own bytes. So an outage is
waited out here, with growing pauses, for `patience` seconds, and what the caller sees is an answer, a typed refusal or
Unreachable.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from math import inf
from types import TracebackType
from typing import Any, Self

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from clients.institution.home import InstitutionHome
from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.private_files import read_private
from protocols.envelope import seal
from protocols.errors import MessageError
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

PART_BYTES = 2**20
PATIENCE_S = 60.0
HINT_BYTES = 2**28  # some 10 MB at ten million subjects
_MAX_MESSAGE = 16 * 2**20
_BUSY = frozenset({"busy"})
_RELAY = wire.DESCRIPTOR.services_by_name["Relay"]
_POOL = wire.DESCRIPTOR.services_by_name["Pool"]
Progress = Callable[[int, int], None]  # (bytes done, bytes in all)


class _Client:
    """One channel to one service."""

    def __init__(
        self, home: InstitutionHome, address: str, service: ServiceDescriptor, *, patience: float = PATIENCE_S
    ) -> None:
        self._service = service
        self._patience = patience
        self._stack = ExitStack()
        keys = home.keys
        credentials = rpc.client_tls(
            (keys / "ca.crt").read_bytes(), key=read_private(keys / "tls.key"), chain=(keys / "tls.crt").read_bytes()
        )
        self._channel = self._stack.enter_context(rpc.dial(address, credentials=credentials, max_bytes=_MAX_MESSAGE))

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, request: Message, *, timeout: float = 30.0, patience: float | None = None) -> Any:
        """The reply; the same bytes again after an outage. Raises Refused or Unreachable."""
        return patiently(
            lambda: rpc.ask(self._channel, self._service, method, request, timeout=timeout),
            self._patience if patience is None else patience,
        )

    def _fetch(self, method: str, request: Any, most: int, progress: Progress | None = None) -> bytes:
        """A whole thing of at most `most` bytes, sent in parts. Raises MessageError for parts that do not fit."""
        data = bytearray()
        while True:
            request.offset, request.limit = len(data), PART_BYTES
            part = self._ask(method, request)
            if part.size > most:
                raise MessageError(f"{method}.size", got=part.size, expected=f"at most {most}")
            if part.offset != len(data) or len(part.data) > PART_BYTES or len(data) + len(part.data) > part.size:
                raise MessageError(f"{method}.part", got="bytes out of order", expected=f"those after {len(data)}")
            data += part.data
            if progress is not None:
                progress(len(data), part.size)
            if len(data) == part.size:
                return bytes(data)
            if not part.data:
                raise MessageError(f"{method}.part", got="an empty part", expected=f"{part.size} bytes in all")


class RelayClient(_Client):
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

    def entries(self, kind: str, *, size: int, start: int = 0, until: float = inf) -> Iterator[wire.Entry]:
        """Entries of one kind at `start` and after, in order, of a tree of `size`.

        Raises MessageError for entries out of order, Unreachable if there is no end `until` (monotonic clock, s).
        """
        while start < size:
            if time.monotonic() > until:
                raise rpc.Unreachable("Relay.Entries", got="no end", expected=f"{size} entries in time")
            reply = self._ask("Entries", wire.EntriesRequest(start=start, count=1000, kind=kind))
            places = [entry.index for entry in reply.entries]
            if not start < reply.next or any(a >= b for a, b in pairwise([start - 1, *places, reply.next])):
                raise MessageError("entries", got="another order", expected=f"those from {start} on")
            yield from reply.entries
            start = reply.next

    def checkpoint(self) -> bytes:
        """The log's signed checkpoint, a C2SP note. NOT yet verified."""
        return bytes(self._ask("Checkpoint", wire.CheckpointRequest()).note)

    def inclusion(self, leaf_hash: bytes, size: int) -> list[bytes]:
        """The path of an entry in the tree of `size`. NOT yet verified."""
        return list(self._ask("Proof", wire.ProofRequest(leaf_hash=leaf_hash, size=size)).hashes)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """The proof that the tree of `old_size` is the beginning of that of `size`. NOT yet verified."""
        return list(self._ask("Proof", wire.ProofRequest(old_size=old_size, size=size)).hashes)

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


class PoolClient(_Client):
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


def patiently(call: Callable[[], Any], patience: float) -> Any:
    """`call()`, again after growing pauses while nobody answers or the other end is busy, for `patience` seconds."""
    retrying = Retrying(
        retry=retry_if_exception(is_passing),
        wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    return retrying(call)


def is_passing(error: BaseException) -> bool:
    """Whether the same bytes, sent again, may be answered."""
    return isinstance(error, rpc.Unreachable) or (isinstance(error, Refused) and error.code in _BUSY)
