"""Entries of the log that a quorum of its witnesses stands for, as a member reads them.

with LogClient(home) as log:
    seen = read_proved(log, ("round",), VerifierKey.of(home.log_key), home.coordinator_key, time.time())
seen.entries["round"]              # (place, entry), in order
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from federation.oversight.members import ROSTER, Roster
from protocols.errors import ProofError
from protocols.signing import VerifyingKey
from protocols.transparency import (
    Checkpoint,
    Entry,
    Frontier,
    NodeReader,
    Tile,
    VerifierKey,
    consistency_path,
    inclusion_path,
    leaf_hash,
    open_checkpoint,
    read_entry,
    tile_nodes,
    verify_consistency,
    verify_inclusion,
)


class Tiles(Protocol):
    """What proofs are made of."""

    def tile(self, tile: Tile) -> bytes: ...


class Log(Tiles, Protocol):
    """What is asked of a log; `clients.institution.oversight.log_client.LogClient` is one."""

    def cosigned(self) -> bytes: ...
    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]: ...


@dataclass(frozen=True)
class Proved:
    """`entries` by kind: (place, entry) in the log's order, in the tree of `checkpoint`, which a quorum cosigned."""

    roster: Roster
    entries: Mapping[str, Sequence[tuple[int, Entry]]]
    checkpoint: Checkpoint


def read_proved(
    log: Log,
    kinds: Sequence[str],
    log_key: VerifierKey,
    coordinator: VerifyingKey,
    now: float,
    overseers: tuple[str, ...] = (),
) -> Proved:
    """1. The newest cosigned checkpoint; 2. the roster of its tree, to whose quorum it is held; 3. every entry is in
    that tree, where the log says it is, as proofs made of its tiles show: one call for 256 entries, not one for each.

    What the log takes while it is read is left out. Raises MessageError or SignatureError (no quorum, a form),
    ProofError (an entry that is not in the tree).
    """
    note = log.cosigned()
    size = open_checkpoint(note, log_key).size
    found = {kind: sorted(said for said in log.entries(kind, 0) if said[0] < size) for kind in (*ROSTER, *kinds)}
    roster = Roster(coordinator, overseers=overseers)
    for index, data in sorted(chain.from_iterable(found[kind] for kind in ROSTER)):
        roster = roster.after(read_entry(data), index)
    checkpoint = roster.quorum.check(note, log_key, now).checkpoint
    prove(log, checkpoint, chain.from_iterable(found.values()))
    entries = {kind: [(at, read_entry(data)) for at, data in said] for kind, said in found.items()}
    return Proved(roster, entries, checkpoint)


def prove(log: Tiles, checkpoint: Checkpoint, said: Iterable[tuple[int, bytes]]) -> None:
    """Raises ProofError unless all that was `said` (place, data) before the size of `checkpoint` stands in its tree at
    that place, as proofs made of the log's tiles show: one call for 256 entries, not one for each.
    """
    node = tile_nodes(log.tile, checkpoint.size)
    for at, data in said:
        if at < checkpoint.size:
            path = inclusion_path(node, at, checkpoint.size)
            verify_inclusion(path, leaf_hash(data), at, checkpoint.size, checkpoint.root)


def tree_at(log: Tiles, checkpoint: Checkpoint, size: int) -> tuple[NodeReader, bytes]:
    """The nodes and the root of the first `size` entries; nodes are NOT verified but by what leads to that root.

    Raises ProofError where the tree of `checkpoint` does not begin with them.
    """
    if not 0 < size <= checkpoint.size:
        raise ProofError("log", got=f"{checkpoint.size} entries", expected=f"{size} or more")
    node = tile_nodes(log.tile, checkpoint.size)
    root = Frontier.read(node, size).root
    path = consistency_path(node, size, checkpoint.size)
    verify_consistency(path, size, checkpoint.size, root, checkpoint.root)
    return node, root
