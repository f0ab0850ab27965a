"""The log in the coordinator's database: append-only entries, and the tree over them.

An entry is on disk before its promise is signed (`server.log.appending`), so whoever holds a promise can hold the log
to it, also after a crash. A proof reads O(log size) nodes. Several processes may append; each asks the database how far
the log has got.

A database that is restored from a backup has lost entries that were promised. What the log then must not do is go on:
see `server.log.published`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, select

from federation.errors import LedgerError, Refused
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.transparency import (
    Entry,
    LogKey,
    Promise,
    Quorum,
    Tile,
    VerifierKey,
    WitnessVerifier,
    consistency_path,
    inclusion_path,
    open_checkpoint,
)
from server.log import published
from server.log.admission import check_size
from server.log.appending import LOCK, Appender
from server.log.tables import entries
from server.log.tree import known_places, read_tile, tree_size, verify_tree, with_nodes

MERGE_DELAY_S = 3600
MAX_PAGE = 1000
# Built once: building a statement costs more than running it.
_PLACE = select(entries.c.position).where(entries.c.hash == bindparam("leaf"))
_PAGE = (
    select(entries.c.position, entries.c.data)
    .where(entries.c.position >= bindparam("start"))
    .order_by(entries.c.position)
    .limit(bindparam("limit"))
)
_PAGE_OF_KIND = _PAGE.where(entries.c.kind == bindparam("kind"))


@dataclass(frozen=True)
class Inclusion:
    """Entry `index` of the tree of `size`: its audit path, leaf side first."""

    index: int
    size: int
    path: list[bytes]


@dataclass(frozen=True)
class Page:
    """(index, data) of consecutive entries, all of one kind if one was asked for; go on at `next`."""

    entries: list[tuple[int, bytes]]
    next: int


class LogStore:
    """One log under one key. `clock` gives Unix seconds. Methods may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        key: LogKey,
        clock: Callable[[], float],
        merge_delay_s: int = MERGE_DELAY_S,
        anchor: Path | None = None,
    ) -> None:
        self._engine, self._key, self._clock = engine, key, clock
        self._appender = Appender(engine, key, clock, merge_delay_s)
        self._anchor = published.Anchor(anchor)

    @classmethod
    def open(
        cls,
        url: str,
        key: LogKey,
        clock: Callable[[], float],
        merge_delay_s: int = MERGE_DELAY_S,
        anchor: Path | None = None,
    ) -> LogStore:
        """Open and migrate; `anchor` is a file for the newest checkpoint, not to be restored with the database.

        Raises ConfigurationError for a database that cannot be used, LedgerError for one that is older than what it
        has signed.
        """
        engine = open_engine(url)
        try:
            migrate(engine, "server.log:migrations", version_table="log_version")
            store = cls(engine, key, clock, merge_delay_s, anchor)
            with reading(engine) as connection:
                published.check_whole(connection)
                anchored = store._anchor.read()
                if anchored is not None:
                    published.check_against(connection, open_checkpoint(anchored, key.public))
        except BaseException:
            engine.dispose()
            raise
        return store

    @property
    def key(self) -> VerifierKey:
        """Under which the log signs; its name is the origin."""
        return self._key.public

    @property
    def changed(self) -> threading.Condition:
        """Notified when this process appends."""
        return self._appender.changed

    def close(self) -> None:
        self._engine.dispose()

    def append(self, kind: str, body: bytes) -> Promise:
        """The promise for one entry; the same entry again has the same promise. Raises as `extend`, EncodingError."""
        return self.extend([Entry(kind, body)])[0]

    def extend(self, batch: Sequence[Entry]) -> list[Promise]:
        """The promises for entries that are on disk when it returns, in order. Raises Refused (too_large) before."""
        for entry in batch:
            check_size(entry)
        return self._appender.extend(batch)

    def extend_since(self, size: int, kinds: Collection[str], batch: Sequence[Entry]) -> list[Promise] | None:
        """As `extend`, unless an entry of `kinds` has come since the log had `size`: then None, and nothing is written.

        Looked for in the transaction that writes, so it holds whichever process appends.
        """
        for entry in batch:
            check_size(entry)
        return self._appender.extend_since(size, kinds, batch)

    def promised(self, leaf: bytes) -> Promise | None:
        """The promise for the entry with this leaf hash, as it was given; None where there is no such entry."""
        with reading(self._engine) as connection:
            place = known_places(connection, [leaf]).get(leaf)
        return None if place is None else self._appender.promise(leaf, *place)

    def size(self) -> int:
        """Entries so far."""
        with reading(self._engine) as connection:
            return tree_size(connection)

    def checkpoint(self) -> bytes:
        """The signed note (C2SP tlog-checkpoint) over all entries so far, published: on disk before it is returned."""
        with reading(self._engine) as connection:
            size = published.check_whole(connection)
            if published.newest_size(connection) == size:
                return published.note_at(connection, size) or b""
        with writing(self._engine, lock=LOCK) as connection:
            checkpoint = published.publish(connection, self._key, int(self._clock()))
            note = published.note_at(connection, checkpoint.size) or b""
        self._anchor.write(note, checkpoint.size)
        return note

    def published(self, size: int | None = None) -> bytes | None:
        """The newest published checkpoint, or the one of `size`, with its cosignatures; None if there is none."""
        with reading(self._engine) as connection:
            return published.note_at(connection, size)

    def cosigned(self, quorum: Quorum, *, after: int = 0, first: bool = False) -> bytes | None:
        """The newest (or `first`) note of more than `after` entries that `quorum` cosigned; None if there is none."""
        with reading(self._engine) as connection:
            return published.cosigned_after(connection, quorum, self._key.public, after, first=first)

    def cosign(self, note: bytes, witnesses: Collection[WitnessVerifier], *, least: int = 0) -> list[str]:
        """Store the cosignatures of `witnesses` that `note` brings, of a tree of `least` entries or more; their names.

        Raises MessageError, SignatureError or Refused for what is no cosignature of a published checkpoint, LedgerError
        where the log signed `note` and the entries contradict it: then it signs nothing any more.
        """
        checkpoint, now = open_checkpoint(note, self._key.public), int(self._clock())
        brought = published.cosignatures_in(note, witnesses)
        with reading(self._engine) as connection:
            forked = published.contradicts(connection, checkpoint)
        if forked:
            with writing(self._engine, lock=LOCK) as connection:
                published.keep_contradiction(connection, note, checkpoint.size, now)
            raise LedgerError("log", got="entries that a note of the log's own contradicts", expected="those it signed")
        if checkpoint.size < least:
            return [witness.name for witness, _, _ in brought]
        with writing(self._engine, lock=LOCK) as connection:
            return published.add_cosignatures(connection, checkpoint.size, brought, now)

    def inclusion(self, leaf: bytes, size: int | None = None) -> Inclusion:
        """Where the entry with this leaf hash stands in the tree of `size` (None: all). Raises Refused if nowhere."""
        with reading(self._engine) as connection:
            total = _tree(connection, size)
            index = connection.scalar(_PLACE, {"leaf": leaf})
            if index is None or index >= total:
                raise Refused("unknown", "leaf hash", got=leaf.hex(), expected=f"one of the first {total} entries")
            path = with_nodes(connection, lambda node: inclusion_path(node, index, total))
        return Inclusion(index, total, path)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of `new` (None: all) appends to that of `old`. Raises Refused if there are none."""
        with reading(self._engine) as connection:
            total = _tree(connection, new)
            if not 0 <= old <= total:
                raise Refused("unknown", "old size", got=old, expected=f"0 to {total}")
            return with_nodes(connection, lambda node: consistency_path(node, old, total))

    def entries(self, start: int, count: int, kind: str | None = None) -> Page:
        """At most `count` (and MAX_PAGE) entries from index `start` on, of one kind or of all."""
        limit = max(1, min(count, MAX_PAGE))
        query, asked = (_PAGE, {}) if kind is None else (_PAGE_OF_KIND, {"kind": kind})
        with reading(self._engine) as connection:
            size = tree_size(connection)
            rows = connection.execute(query, {"start": start, "limit": limit, **asked}).all()
        found = [(row.position, row.data) for row in rows]
        return Page(found, found[-1][0] + 1 if len(found) == limit else size)

    def tile(self, tile: Tile) -> list[bytes] | None:
        """The hashes (or entries) of a tile of the newest published tree; None if it has no such tile."""
        with reading(self._engine) as connection:
            if not tile.in_tree(published.newest_size(connection) or 0):
                return None
            return read_tile(connection, tile)

    def verify(self) -> int:
        """Recompute every hash from the entries' bytes; the size. Raises LedgerError naming the first wrong entry."""
        with reading(self._engine) as connection:
            return verify_tree(connection)


def _tree(connection: Connection, size: int | None) -> int:
    """The size asked for. Raises Refused for a tree that is not there yet."""
    total = tree_size(connection)
    if size is None:
        return total
    if not 0 <= size <= total:
        raise Refused("unknown", "tree size", got=size, expected=f"0 to {total}")
    return size
