"""One node that reads what a log says to it: a roster, and the tree that is shown beside it.

collect(folder, HONEST, "regulator", *BANKS)          # the size that it takes for good, or an error
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from oversight_world import BANKS, NOMINAL, NOW, World, key_of, witness_key

from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.receipts import Receipts
from federation.oversight.members import MemberStatement, RegulatorStatement
from protocols.transparency import Tile, VerifierKey, leaf_hash, read_entry

COORDINATOR = key_of("coordinator")
LOG = VerifierKey.of(key_of("log").public)


def regulator(name: str) -> bytes:
    public = key_of(name).public.hex, witness_key(name).public.key.hex
    return RegulatorStatement("regulator", *public, "cd" * 32, 1000).entry(COORDINATOR).data


def member(name: str, witness: str) -> bytes:
    public = witness_key(witness).public.key.hex if witness else ""
    return MemberStatement(name, key_of(name).public.hex, public, NOMINAL, "admitted").entry(COORDINATOR).data


HONEST = (regulator("regulator"), *(member(name, name) for name in BANKS))
PUPPETS = (regulator("puppet"), *(member(name, f"puppet {name}") for name in BANKS))


class Served:
    """What a coordinator's log says to one node."""

    def __init__(self, *entries: bytes, logged: tuple[bytes, ...] = ()) -> None:
        self._entries, self.logged = entries, logged or entries

    def entries(self, kind: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
        for index, data in enumerate(self._entries):
            if index >= start and read_entry(data).kind == kind:
                yield index, data

    def tile(self, tile: Tile) -> bytes:
        assert tile.level == 0, "a tree of fewer than 256 entries"
        return b"".join(leaf_hash(data) for data in self.logged[tile.first : tile.first + tile.width])


def collect(
    folder: OversightFolder,
    entries: tuple[bytes, ...],
    *cosigners: str,
    logged: tuple[bytes, ...] = (),
    size: int | None = None,
) -> int:
    """The size of the log of `entries`, as cosigned, that a node starting now takes for good. `logged`: what stands in
    the tree instead; `size`: of the checkpoint that it is shown."""
    kept = KeptStore.open(folder.database_url)
    node = Receipts(kept, folder, LOG, COORDINATOR.public, lambda: float(NOW))
    note = World(logged or entries, {}, cosigners=cosigners).note(size, at=NOW)
    return node.collect(cast(LogClient, Served(*entries, logged=logged)), note)
