"""The coordinator's log as a member reaches it: append, follow checkpoints, ask for proofs, hand in cosignatures.

    with LogClient(home) as log:
        promises = log.append([logged(entry)])
        note = log.candidate(after=100, wait_ms=15_000)

Nothing that comes back is verified here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from clients.institution.home import InstitutionHome
from clients.institution.member_client import MemberClient
from protocols.errors import MessageError
from protocols.transparency import Entry, Tile
from protocols.wire import log_pb2 as wire

WAIT_MS = 15_000
MAX_ENTRIES = 64
_TIMEOUT_S = 10.0
_LOG = wire.DESCRIPTOR.services_by_name["Log"]


class LogClient(MemberClient):
    """One connection. Calls raise Refused or Unreachable, at once unless `patience` (s) says otherwise."""

    def __init__(self, home: InstitutionHome, *, patience: float = 0.0) -> None:
        super().__init__(home, home.coordinator().member_address, _LOG, patience=patience)

    def append(self, entries: Sequence[Entry]) -> list[bytes]:
        """The promises for at most MAX_ENTRIES entries, in their order. Raises MessageError for another number."""
        submissions = [wire.Submission(kind=entry.kind, body=entry.body) for entry in entries]
        promises = self._ask("Append", wire.AppendRequest(entries=submissions), timeout=_TIMEOUT_S).promises
        if len(promises) != len(entries):
            raise MessageError("promises", got=len(promises), expected=len(entries))
        return list(promises)

    def current(self) -> bytes:
        """A checkpoint of all entries so far."""
        return self._checkpoint(wire.CURRENT, 0, 0)

    def candidate(self, *, after: int = 0, wait_ms: int = 0) -> bytes:
        """The checkpoint to be cosigned, once it is of more than `after` entries; b"" if there is none."""
        return self._checkpoint(wire.CANDIDATE, after, wait_ms)

    def cosigned(self, *, after: int = 0, wait_ms: int = 0) -> bytes:
        """The newest checkpoint that a quorum cosigned, as above."""
        return self._checkpoint(wire.COSIGNED, after, wait_ms)

    def first_cosigned(self, after: int) -> bytes:
        """The smallest checkpoint of more than `after` entries that a quorum cosigned; b"" if there is none."""
        return self._checkpoint(wire.FIRST_COSIGNED, after, 0)

    def inclusion(self, leaf: bytes, size: int) -> tuple[int, list[bytes]]:
        """(index, path) of an entry in the tree of `size`."""
        reply = self._ask("Proof", wire.ProofRequest(leaf_hash=leaf, size=size), timeout=_TIMEOUT_S)
        return int(reply.index), list(reply.hashes)

    def consistency(self, old: int, size: int) -> list[bytes]:
        """The proof that the tree of `old` is the beginning of that of `size`; no path where none is needed."""
        if old in (0, size):
            return []
        return list(self._ask("Proof", wire.ProofRequest(old_size=old, size=size), timeout=_TIMEOUT_S).hashes)

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile (C2SP tlog-tiles)."""
        return bytes(self._ask("Tile", wire.TileRequest(path=tile.path), timeout=_TIMEOUT_S).data)

    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]:
        """(index, data) of the entries of `kind` at `start` and after. Raises MessageError for another order."""
        while True:
            request = wire.EntriesRequest(start=start, count=1000, kind=kind)
            reply = self._ask("Entries", request, timeout=_TIMEOUT_S)
            places = [entry.index for entry in reply.entries]
            if reply.next < start or any(a >= b for a, b in pairwise([start - 1, *places, reply.next])):
                raise MessageError("entries", got="another order", expected=f"those from {start} on")
            yield from ((entry.index, entry.data) for entry in reply.entries)
            if not reply.entries or reply.next == start:
                return
            start = reply.next

    def document(self, named: bytes, most: int) -> bytes:
        """What an entry names by its hash, at most `most` bytes. Raises Refused (unknown) where it is not there."""
        return self._fetch("Document", wire.DocumentRequest(hash=named), most)

    def cosign(self, note: bytes) -> None:
        """Hand in a checkpoint with this witness's cosignature among its lines."""
        self._ask("Cosign", wire.CosignRequest(note=note), timeout=_TIMEOUT_S)

    def _checkpoint(self, which: int, after: int, wait_ms: int) -> bytes:
        request = wire.CheckpointRequest(which=which, after=after, wait_ms=wait_ms)  # type: ignore[arg-type]
        return bytes(self._ask("Checkpoint", request, timeout=_TIMEOUT_S + wait_ms / 1000).note)
