"""The relay's gRPC face, for members, on the coordinator's member port. Thin: who calls, how much, and what is asked.

What waits (View, Work, Ticket, Enrol) holds a thread while it does, so each kind has so many slots, and each caller so
many of them; WORKERS is their sum and some. Nobody's waiting keeps another member from being heard.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from federation.errors import Refused
from federation.runtime.slots import Slots
from protocols.envelope import open_envelope
from protocols.lookup.bound import ENROL_KIND, ENROL_POINTS, enrol_body
from protocols.lookup.leaf import KIND as LEAF_KIND
from protocols.lookup.leaf import SignedLeaf
from protocols.transparency import Entry
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope
from server.callers import Callers
from server.lookup import gather
from server.lookup.blob_store import PART_BYTES
from server.lookup.charges import charge
from server.lookup.epochs import Code
from server.lookup.leaf_quota import LeafQuota
from server.lookup.progress import progress_of
from server.lookup.record_store import EpochRecord, Said
from server.lookup.relay import Relay, claimed_in, member_key, roster_of

MAX_WAIT_S = 20.0
MAX_TICKET_S = 60.0
MAX_LEAVES = 64
_VIEW_BYTES = PART_BYTES
_SLOTS = {"poll": (128, 2), "view": (96, 3), "ticket": (32, 8), "enrol": (24, 4), "short": (24, 8)}
WORKERS = sum(total for total, _ in _SLOTS.values()) + 16


class RelayService:
    """`callers` says who calls."""

    def __init__(self, relay: Relay, callers: Callers) -> None:
        self._relay = relay
        self._callers = callers
        self._quota = LeafQuota()
        self._slots = {kind: Slots(total, each) for kind, (total, each) in _SLOTS.items()}

    def View(self, request: wire.ViewRequest, context: grpc.ServicerContext) -> wire.EpochView:  # noqa: N802
        """The record of an epoch after a sequence, who is waited for, and what the caller owes.

        Whoever is not in the epoch sees its number and its phase.
        """
        with self._called(context, "view") as caller:
            relay, end = self._relay, time.monotonic() + min(request.wait_ms / 1000, MAX_WAIT_S)
            while True:
                seen = relay.record.position()
                record = relay.record.epoch(request.counter) if request.counter else relay.record.current()
                news = record is not None and len(_steps_for(record, caller)) > request.after
                if news or time.monotonic() >= end or not context.is_active():
                    return self._view(record, caller, request.after)
                relay.wait_for_news(seen, end, wanted=context.is_active)

    def Submit(self, request: wire.SubmitRequest, context: grpc.ServicerContext) -> wire.SubmitReply:  # noqa: N802
        with self._called(context, "short") as caller:
            return wire.SubmitReply(sequence=self._relay.submit(caller, request.step))

    def Upload(self, request: wire.UploadRequest, context: grpc.ServicerContext) -> wire.UploadReply:  # noqa: N802
        """A part of a blob that the step names which the caller owes now."""
        with self._called(context, "short") as caller:
            relay, record = self._relay, self._relay.record.epoch(request.counter)
            member_key(record, caller)
            record.state.check_upload(caller)
            received = relay.blobs.receive(
                request.counter,
                caller,
                request.name,
                request.size,
                request.offset,
                request.part,
                reader=request.reader,
            )
            return wire.UploadReply(received=received)

    def Fetch(self, request: wire.FetchRequest, context: grpc.ServicerContext) -> wire.Part:  # noqa: N802
        with self._called(context, "short") as caller:
            relay = self._relay
            data, size = relay.blobs.fetch(
                request.name,
                caller,
                request.offset,
                request.limit,
                admits=lambda counter: caller in relay.record.epoch(counter).state.parties.members,
            )
            return wire.Part(data=data, offset=request.offset, size=size)

    def Enrol(self, request: Envelope, context: grpc.ServicerContext) -> wire.EnrolReply:  # noqa: N802
        """Charge and log a batch, then have every member evaluate it."""
        with self._called(context, "enrol") as caller:
            relay = self._relay
            claimed = relay.record.epoch(claimed_in(request, wire.EnrolBatch).counter)
            data = request.SerializeToString(deterministic=True)
            batch = open_envelope(data, wire.EnrolBatch, member_key(claimed, caller))
            count = self._check_batch(claimed, batch, caller)
            promise, charged = charge(
                relay.record.engine,
                roster_of(claimed),
                caller,
                data,
                count,
                lambda: relay.log.append(ENROL_KIND, enrol_body(caller, count, data)).encode(),
            )
            task = wire.EnrolTask(batch=request, institution=caller, promise=promise)
            members = claimed.state.parties.members
            return wire.EnrolReply(evaluations=gather.evaluate(relay, task, members, _wait(context)), charged=charged)

    def Append(self, request: wire.AppendRequest, call: grpc.ServicerContext) -> wire.AppendReply:  # noqa: N802
        """Log leaves of the caller's own; each must be of the open epoch and under the caller's key, no more of a day
        than it may have tickets."""
        with self._called(call, "short") as caller:
            relay = self._relay
            if not 1 <= len(request.leaves) <= MAX_LEAVES:
                raise Refused(Code.INVALID, "leaves", got=len(request.leaves), expected=f"1 to {MAX_LEAVES}")
            leaves = [SignedLeaf.decode(leaf) for leaf in request.leaves]
            context = relay.context(leaves[0].leaf.epoch_id)
            for signed in leaves:
                signed.check(context, relay.now())
                if signed.leaf.querier != caller:
                    raise Refused(Code.NOT_EXPECTED, "leaf.querier", got=signed.leaf.querier, expected=caller)
            self._quota.take(leaves, limit=context.daily_tickets)
            promises = relay.log.extend([Entry(LEAF_KIND, leaf) for leaf in request.leaves])
            return wire.AppendReply(promises=[promise.encode() for promise in promises])

    def Ticket(self, request: wire.TicketRequest, context: grpc.ServicerContext) -> wire.TicketReply:  # noqa: N802
        with self._called(context, "ticket") as caller:
            return wire.TicketReply(
                outcomes=gather.tickets(self._relay, caller, request.orders, _wait(context, MAX_TICKET_S))
            )

    def Work(self, request: wire.WorkRequest, context: grpc.ServicerContext) -> wire.WorkReply:  # noqa: N802
        with self._called(context, "poll") as caller:
            if len(request.session) != 16:
                raise Refused(Code.INVALID, "session", got=f"{len(request.session)} bytes", expected="16 bytes")
            wait = min(request.wait_ms / 1000, MAX_WAIT_S)
            return wire.WorkReply(tasks=self._relay.duties.poll(caller, request.session, request.finished, wait))

    @contextmanager
    def _called(self, context: grpc.ServicerContext, kind: str) -> Iterator[str]:
        caller = self._callers.member(context).institution
        with self._slots[kind].take(caller):
            yield caller

    def _view(self, record: EpochRecord | None, caller: str, after: int) -> wire.EpochView:
        relay = self._relay
        view = wire.EpochView(log_key=relay.log_key.text, pool_key=relay.pool_key.raw)
        if record is None:
            return view
        view.counter, view.phase, view.pool_address = record.counter, record.state.phase, relay.pool_address
        view.owed.extend(record.state.owed(caller))
        steps = _steps_for(record, caller)
        for wait in record.state.waiting if steps else ():
            view.waiting.add(party=wait.party, what=wait.kind)
        progress = progress_of(relay.folders.progress(record.counter), record)
        if progress is not None:
            view.done, view.total = progress.done, progress.total
        size = 0
        for sequence, said in enumerate(steps[after:], start=after + 1):
            size += len(said.envelope)
            if view.steps and size > _VIEW_BYTES:
                view.more = True
                break
            view.steps.add(sequence=sequence, step=Envelope.FromString(said.envelope))
        return view

    def _check_batch(self, record: EpochRecord, batch: wire.EnrolBatch, caller: str) -> int:
        if batch.roster_id != roster_of(record).id:
            raise Refused(Code.INVALID, "roster_id", got=batch.roster_id.hex()[:16], expected="the epoch's roster")
        if "enrolled" not in record.state.owed(caller):
            raise Refused(Code.NOT_EXPECTED, "enrol", got="a batch", expected="one while the caller owes `enrolled`")
        count, rest = divmod(len(batch.points), 32)
        if rest or not 1 <= count <= ENROL_POINTS:
            raise Refused(
                Code.INVALID, "points", got=f"{len(batch.points)} bytes", expected=f"1 to {ENROL_POINTS} points"
            )
        return count


def _steps_for(record: EpochRecord, caller: str) -> tuple[Said, ...]:
    """All of them to members of the epoch, none to others."""
    return record.steps if caller in record.state.parties.members else ()


def _wait(context: grpc.ServicerContext, longest: float = 120.0) -> gather.Wait:
    """As long as the caller waits, less a tenth in which the answer travels, however busy the machine is."""
    left = min(context.time_remaining() or longest, longest)
    end = time.monotonic() + left - max(0.2, left / 10)
    return gather.Wait(lambda: max(0.0, end - time.monotonic()), context.is_active)
