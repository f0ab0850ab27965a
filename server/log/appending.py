"""Writing to the log: entries are on disk before their promises are signed.

Appends that arrive together are committed together: whoever gets the pen writes what everybody handed in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, bindparam, insert, select

from federation.errors import LedgerError
from federation.runtime.database import writing
from protocols.transparency import Entry, Frontier, LogKey, Promise
from server.log import published
from server.log.tables import entries, nodes
from server.log.tree import known_places, with_nodes

LOCK = "log"  # of every transaction that changes what the log has said
# Built once: on the way of every ticket, building a statement costs more than running it.
_INSERT_ENTRIES, _INSERT_NODES = insert(entries), insert(nodes)
_CAME = (
    select(entries.c.position)
    .where(entries.c.position >= bindparam("since"), entries.c.kind.in_(bindparam("kinds", expanding=True)))
    .limit(1)
)


class _Overtaken(Exception):  # noqa: N818 (a state, not a fault)
    """Somebody else's entry came first."""


@dataclass
class _Submission:
    entries: Sequence[Entry]
    promises: list[Promise] | None = None
    error: Exception | None = None
    written: threading.Event = field(default_factory=threading.Event)


class Appender:
    """One process's pen on the log of `key`. `clock` gives Unix seconds. Methods may be called from any thread."""

    def __init__(self, engine: Engine, key: LogKey, clock: Callable[[], float], merge_delay_s: int) -> None:
        self._engine, self._key, self._clock, self._merge_delay_s = engine, key, clock, merge_delay_s
        self.changed = threading.Condition()  # notified after every commit
        self._pen = threading.Lock()
        self._queue: list[_Submission] = []
        self._queueing = threading.Lock()
        self._frontier = Frontier()

    def extend(self, batch: Sequence[Entry]) -> list[Promise]:
        """The promises for `batch`, in order, committed with whatever other threads hand in meanwhile."""
        submission = _Submission(batch)
        with self._queueing:
            self._queue.append(submission)
        with self._pen:
            if not submission.written.is_set():
                self._write_queue()
        if submission.error is not None:
            raise submission.error
        if submission.promises is None:
            raise LedgerError("log", got="a submission that nobody wrote", expected="a promise")
        return submission.promises

    def extend_since(self, size: int, kinds: Collection[str], batch: Sequence[Entry]) -> list[Promise] | None:
        """As `extend`, unless an entry of `kinds` has come since the log had `size`: then None, and nothing is written.

        Looked for in the transaction that writes, so it holds whichever process appends.
        """

        def check(connection: Connection) -> None:
            if connection.scalar(_CAME, {"since": size, "kinds": list(kinds)}) is not None:
                raise _Overtaken

        try:
            with self._pen:
                promised = self._write(batch, check)
        except _Overtaken:
            return None
        return [promised[entry.hash] for entry in batch]

    def promise(self, leaf: bytes, index: int, logged_at: int) -> Promise:
        """Signed for the entry that stands at `index` since `logged_at`: the same one however often it is asked for."""
        delay = self._merge_delay_s
        return Promise.make(self._key, leaf_hash=leaf, index=index, issued_at=logged_at, merge_delay_s=delay)

    def _write_queue(self) -> None:
        """Write what was handed in, in one transaction. The caller holds the pen."""
        with self._queueing:
            queue, self._queue = self._queue, []
        try:
            promised = self._write([entry for submission in queue for entry in submission.entries])
            for submission in queue:
                submission.promises = [promised[entry.hash] for entry in submission.entries]
        except Exception as error:
            for submission in queue:
                submission.error = error
        finally:
            for submission in queue:
                submission.written.set()

    def _write(
        self, batch: Iterable[Entry], check: Callable[[Connection], None] = lambda _: None
    ) -> dict[bytes, Promise]:
        """Leaf hash -> promise. Nothing is written where `check` raises. Signs after the commit."""
        wanted = {entry.hash: entry for entry in batch}
        now = int(self._clock())
        with writing(self._engine, lock=LOCK) as connection:
            frontier = self._resume(connection)
            check(connection)
            places = known_places(connection, list(wanted))
            rows, completed = [], []
            for leaf, entry in wanted.items():
                if leaf in places:
                    continue
                places[leaf] = (frontier.size, now)
                row = {"position": frontier.size, "hash": leaf, "kind": entry.kind, "data": entry.data}
                rows.append({**row, "logged_at": now})
                frontier, made = frontier.append(leaf)
                completed += [{"level": level, "position": at, "hash": value} for level, at, value in made[1:]]
            if rows:
                connection.execute(_INSERT_ENTRIES, rows)
            if completed:
                connection.execute(_INSERT_NODES, completed)
        self._frontier = frontier
        with self.changed:
            self.changed.notify_all()
        return {leaf: self.promise(leaf, *place) for leaf, place in places.items()}

    def _resume(self, connection: Connection) -> Frontier:
        """The log only grows, so the frontier in memory is right if its size is. Raises LedgerError if it shrank."""
        size = published.check_whole(connection)
        if self._frontier.size == size:
            return self._frontier
        return with_nodes(connection, lambda node: Frontier.read(node, size))
