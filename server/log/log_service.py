"""The log's gRPC face, for members, on the coordinator's member port. Thin: who calls, how much, and what is asked.

Members may read all of it: what is in the log is said to all of them, and one that could not read the others' entries
could not check the tree, nor what the coordinator makes of them. What nobody but its owner may know is never logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import grpc

from federation.errors import Refused
from federation.runtime.slots import Slots
from protocols.transparency import Entry, Tile
from protocols.wire import log_pb2 as wire
from server.callers import Callers
from server.log.documents import Documents, no_documents
from server.log.log_host import LogHost, Which
from server.log.reading import read_page, read_proof
from server.membership import Membership

MAX_WAIT_S = 20.0
_PART_BYTES = 2**20
_SLOTS = {"wait": (200, 2), "short": (24, 8)}
WORKERS = sum(total for total, _ in _SLOTS.values())


class LogService:
    """`callers` says who calls, `documents` gives what entries name by a hash."""

    def __init__(self, host: LogHost, callers: Callers, documents: Documents = no_documents) -> None:
        self._host, self._documents = host, documents
        self._callers = callers
        self._slots = {kind: Slots(total, each) for kind, (total, each) in _SLOTS.items()}

    def Append(self, request: wire.AppendRequest, context: grpc.ServicerContext) -> wire.AppendReply:  # noqa: N802
        """Log entries of the caller's own, of the kinds that members say."""
        with self._called(context, "short") as caller:
            entries = [Entry(submission.kind, submission.body) for submission in request.entries]
            promises = self._host.append_for(caller.institution, caller.key, entries)
            return wire.AppendReply(promises=[promise.encode() for promise in promises])

    def Checkpoint(self, request: wire.CheckpointRequest, context: grpc.ServicerContext) -> wire.CheckpointReply:  # noqa: N802
        with self._called(context, "wait" if request.wait_ms else "short"):
            if request.which not in set(map(int, Which)):
                raise Refused("invalid", "which", got=request.which, expected="a checkpoint of log.proto")
            until = monotonic() + min(request.wait_ms / 1000, MAX_WAIT_S)
            note = self._host.wait(Which(request.which), request.after, until, context.is_active)
            return wire.CheckpointReply(note=note or b"")

    def Proof(self, request: wire.ProofRequest, context: grpc.ServicerContext) -> wire.ProofReply:  # noqa: N802
        with self._called(context, "short"):
            leaf = request.leaf_hash if request.WhichOneof("of") == "leaf_hash" else None
            found = read_proof(self._host.store, leaf, request.old_size, request.size)
            return wire.ProofReply(index=found.index, hashes=found.path)

    def Tile(self, request: wire.TileRequest, context: grpc.ServicerContext) -> wire.TileReply:  # noqa: N802
        """Hashes of the newest published tree: whoever wants proofs of many entries makes them."""
        with self._called(context, "short"):
            tile = Tile.parse(request.path)
            held = None if tile.level < 0 else self._host.store.tile(tile)
            if held is None:
                raise Refused("unknown", "tile", got=request.path[:80], expected="hashes of the newest checkpoint")
            return wire.TileReply(data=b"".join(held))

    def Entries(self, request: wire.EntriesRequest, context: grpc.ServicerContext) -> wire.EntriesReply:  # noqa: N802
        with self._called(context, "short"):
            page = read_page(self._host.store, request.start, request.count, request.kind)
            found = [wire.Entry(index=index, data=data) for index, data in page.entries]
            return wire.EntriesReply(entries=found, next=page.next)

    def Document(self, request: wire.DocumentRequest, context: grpc.ServicerContext) -> wire.DocumentReply:  # noqa: N802
        """A part of what an entry names by its hash."""
        with self._called(context, "short"):
            data = self._documents(request.hash.hex()) if len(request.hash) == 32 else None
            if data is None:
                raise Refused("unknown", "document", got=request.hash[:32].hex(), expected="a hash that an entry names")
            part = data[request.offset : request.offset + min(request.limit, _PART_BYTES)]
            return wire.DocumentReply(size=len(data), offset=request.offset, data=part)

    def Cosign(self, request: wire.CosignRequest, context: grpc.ServicerContext) -> wire.CosignReply:  # noqa: N802
        """Store cosignatures; they are signed, so whose hands they come from does not matter."""
        with self._called(context, "short"):
            self._host.cosign(request.note)
            return wire.CosignReply()

    @contextmanager
    def _called(self, context: grpc.ServicerContext, kind: str) -> Iterator[Membership]:
        caller = self._callers.member(context)
        with self._slots[kind].take(caller.institution):
            yield caller
