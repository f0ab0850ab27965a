"""Checkpoints as the database keeps them: published once, cosigned later, never contradicted.

A checkpoint is on disk before anybody sees it, so no process and no crash can make the log sign two histories. What can
is a backup: a database that is restored has forgotten entries, and would give their places to others. It is found out
    by a checkpoint in it that its entries do not reach or do not hash to,
    by the newest checkpoint beside it, in a file that the backup of the database does not bring back,
    by any note under the log's own key that a witness hands in and the entries contradict; this is kept for ever.
From then on nothing is signed. The cure is the database as it was, or a new log under a new key.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from federation.errors import LedgerError, Refused
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.transparency import (
    Checkpoint,
    Frontier,
    LogKey,
    Quorum,
    VerifierKey,
    WitnessVerifier,
    attach,
    cosignature_in,
)
from server.log.tables import checkpoints, contradictions, cosignatures, entries
from server.log.tree import tree_size, with_nodes

CLOCK_SKEW_S = 300
_BATCH = 64
_NEWEST = (
    select(checkpoints.c.size, checkpoints.c.root, checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
)
_STATE = select(
    select(func.max(entries.c.position)).scalar_subquery(),
    select(func.max(checkpoints.c.size)).scalar_subquery(),
    select(func.max(contradictions.c.size)).scalar_subquery(),
)
_BEHIND = "every entry that a signed checkpoint covers: this database is older than what it has signed"


def root_at(connection: Connection, size: int) -> bytes:
    """The root over the first `size` entries."""
    return with_nodes(connection, lambda node: Frontier.read(node, size)).root


def check_whole(connection: Connection) -> int:
    """The number of entries, in one query. Raises LedgerError where the log signed what it no longer holds."""
    last, published, contradicted = connection.execute(_STATE).one()
    size: int = 0 if last is None else last + 1
    if contradicted is not None:
        raise LedgerError("log", got=f"{size} entries, contradicted by a note of the log's own", expected=_BEHIND)
    if published is not None and published > size:
        raise LedgerError("log", got=f"{size} entries", expected=_BEHIND)
    return size


def check_against(connection: Connection, checkpoint: Checkpoint) -> None:
    """Raises LedgerError where the entries do not lead to the root of `checkpoint`, which the log itself signed."""
    size = tree_size(connection)
    if checkpoint.size > size or root_at(connection, checkpoint.size) != checkpoint.root:
        raise LedgerError(
            "log", got=f"{size} entries that a checkpoint of {checkpoint.size} is not of", expected=_BEHIND
        )


def publish(connection: Connection, key: LogKey, now: int) -> Checkpoint:
    """The checkpoint over all entries, recorded; to be committed before anybody sees its note. Raises LedgerError."""
    size = check_whole(connection)
    newest = connection.execute(_NEWEST).one_or_none()
    if newest is not None:
        if root_at(connection, newest.size) != newest.root:
            raise LedgerError("log", got=f"another tree of {newest.size}", expected=_BEHIND)
        if newest.size == size:
            return Checkpoint(key.name, size, newest.root)
    checkpoint = Checkpoint(key.name, size, root_at(connection, size))
    values = {"size": size, "root": checkpoint.root, "note": checkpoint.note(key), "published_at": now}
    connection.execute(insert(checkpoints).values(**values))
    return checkpoint


def newest_size(connection: Connection) -> int | None:
    """Of the newest checkpoint; None before the first."""
    size: int | None = connection.scalar(select(func.max(checkpoints.c.size)))
    return size


def note_at(connection: Connection, size: int | None) -> bytes | None:
    """The checkpoint of `size` (None: the newest) with its cosignatures; None if none was published."""
    size = newest_size(connection) if size is None else size
    note = connection.scalar(select(checkpoints.c.note).where(checkpoints.c.size == size))
    if note is None:
        return None
    lines = select(cosignatures.c.line).where(cosignatures.c.size == size).order_by(cosignatures.c.witness)
    return attach(note, connection.scalars(lines))


def cosignatures_in(note: bytes, witnesses: Collection[WitnessVerifier]) -> list[tuple[WitnessVerifier, bytes, int]]:
    """(witness, line, time) of those that cosigned `note`. Raises SignatureError for a line that does not verify."""
    found = ((witness, cosignature_in(note, witness)) for witness in witnesses)
    return [(witness, line, time) for witness, said in found if said is not None for time, line in (said,)]


def add_cosignatures(
    connection: Connection, size: int, brought: Sequence[tuple[WitnessVerifier, bytes, int]], now: int
) -> list[str]:
    """Record what is new of the checkpoint of `size`; the witnesses' names.

    Raises Refused for a checkpoint that was not published, a time that cannot be, or no cosignature.
    """
    published_at = connection.scalar(select(checkpoints.c.published_at).where(checkpoints.c.size == size))
    if published_at is None:
        raise Refused("unknown", "checkpoint.size", got=size, expected="that of a published checkpoint")
    if not brought:
        raise Refused("unknown", "cosignature", got="none by a witness", expected="one by a witness of this log")
    for witness, line, time in brought:
        _check_time(witness, time, published_at, now)
        mine = (cosignatures.c.size == size) & (cosignatures.c.witness == witness.name)
        if connection.execute(select(cosignatures.c.size).where(mine)).first() is None:
            values = {"size": size, "witness": witness.name, "line": line, "cosigned_at": now}
            connection.execute(insert(cosignatures).values(**values))
    return [witness.name for witness, _, _ in brought]


def cosigned_after(
    connection: Connection, quorum: Quorum, key: VerifierKey, after: int, *, first: bool
) -> bytes | None:
    """The newest (or `first`) note of a tree of more than `after` entries that `quorum` cosigned; None if none is."""
    size = cosignatures.c.size
    enough = select(size).where(size > after).group_by(size).having(func.count() >= quorum.size)
    for each in connection.scalars(enough.order_by(size if first else size.desc())).yield_per(_BATCH):
        note = note_at(connection, each)
        if note is not None and _is_cosigned(note, quorum, key):
            return note
    return None


def contradicts(connection: Connection, checkpoint: Checkpoint) -> bool:
    """Whether the entries contradict `checkpoint`, which the log itself signed."""
    try:
        check_against(connection, checkpoint)
    except LedgerError:
        return True
    return False


def keep_contradiction(connection: Connection, note: bytes, size: int, now: int) -> None:
    """From now on, the log signs nothing."""
    if connection.execute(select(contradictions.c.size).where(contradictions.c.size == size)).first() is None:
        connection.execute(insert(contradictions).values(size=size, note=note, seen_at=now))


class Anchor:
    """The newest published note in a file beside the database: a backup of the database does not bring it back."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._size = -1

    def read(self) -> bytes | None:
        return self._path.read_bytes() if self._path is not None and self._path.exists() else None

    def write(self, note: bytes, size: int) -> None:
        """Atomic, and on disk when it returns. A smaller tree than the last one written is left out."""
        with self._writing:
            if self._path is not None and size > self._size:
                write_public(self._path, note)
                self._size = size


def _is_cosigned(note: bytes, quorum: Quorum, key: VerifierKey) -> bool:
    try:
        quorum.check(note, key)
    except ProtocolError:
        return False
    return True


def _check_time(witness: WitnessVerifier, time: int, published_at: int, now: int) -> None:
    """No witness saw a checkpoint before it was made, nor will have seen it."""
    earliest, latest = published_at - CLOCK_SKEW_S, now + CLOCK_SKEW_S
    if not earliest <= time <= latest:
        raise Refused("invalid", f"cosignature.time of {witness.name}", got=time, expected=f"{earliest} to {latest}")
