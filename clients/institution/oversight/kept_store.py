"""What this institution can show of the log: a promise for each entry of its ledger, and proof that it was kept.

kept = KeptStore.open(folder.database_url)
kept.promised([Kept(sequence, entry_hash, promise)])
kept.owed(size)                                     # promises that a tree of `size` must keep, not yet proved
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func, insert, select

from clients.institution.oversight.tables import checkpoints, inclusions, promises
from federation.ledger import Head
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.transparency import Promise

_BATCH = 256


@dataclass(frozen=True)
class Kept:
    """The log's verified promise for entry `head` of the ledger."""

    head: Head
    promise: Promise


@dataclass(frozen=True)
class Proof:
    """The note of a cosigned checkpoint and the path of an entry in its tree, leaf side first."""

    note: bytes
    path: tuple[bytes, ...]


class KeptStore:
    """Thread-safe; only ever added to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> KeptStore:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used."""
        engine = open_engine(url)
        migrate(engine, "clients.institution.oversight:migrations", version_table="oversight_version")
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    def last(self) -> Head | None:
        """The last entry of the ledger that was promised: they are promised in their order."""
        query = select(promises).order_by(promises.c.sequence.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Head(row.sequence, row.entry_hash)

    def position(self) -> int:
        """The place in the log behind the last entry that was promised; 0 where none was."""
        with reading(self._engine) as connection:
            last = connection.scalar(select(func.max(promises.c.position)))
        return 0 if last is None else int(last) + 1

    def counts(self) -> tuple[int, int]:
        """(promises, promises that were proved to be kept)."""
        with reading(self._engine) as connection:
            made, kept = (
                connection.scalar(select(func.count()).select_from(table)) for table in (promises, inclusions)
            )
        return int(made or 0), int(kept or 0)

    def promised(self, kept: Sequence[Kept]) -> None:
        """On disk when it returns."""
        rows = [
            {
                "sequence": each.head.sequence,
                "entry_hash": each.head.hash,
                "position": each.promise.index,
                "promise": each.promise.encode(),
            }
            for each in kept
        ]
        with writing(self._engine) as connection:
            connection.execute(insert(promises), rows)

    def owed(self, size: int) -> list[Kept]:
        """The next promises that a tree of `size` must keep and of which that is not proved, in their order."""
        query = select(promises).where(promises.c.position < size)
        query = query.where(promises.c.sequence.not_in(select(inclusions.c.sequence)))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(promises.c.sequence).limit(_BATCH)).all()
        return [Kept(Head(row.sequence, row.entry_hash), Promise.decode(row.promise)) for row in rows]

    def overdue(self, now: float) -> list[Kept]:
        """Promises whose time is over at `now` (Unix s), and of which it is not proved that they were kept."""
        return [each for each in self.owed(2**62) if each.promise.issued_at + each.promise.merge_delay_s < now]

    def proved(self, sequence: int, size: int, proof: Proof) -> None:
        """The log kept its promise for entry `sequence` of the ledger."""
        with writing(self._engine) as connection:
            if connection.execute(select(checkpoints.c.size).where(checkpoints.c.size == size)).first() is None:
                connection.execute(insert(checkpoints).values(size=size, note=proof.note))
            connection.execute(insert(inclusions).values(sequence=sequence, size=size, path=b"".join(proof.path)))

    def proof(self, sequence: int) -> Proof | None:
        """The proof for entry `sequence` of the ledger; None until there is one."""
        query = select(checkpoints.c.note, inclusions.c.path).join_from(
            inclusions, checkpoints, inclusions.c.size == checkpoints.c.size
        )
        with reading(self._engine) as connection:
            row = connection.execute(query.where(inclusions.c.sequence == sequence)).one_or_none()
        if row is None:
            return None
        return Proof(row.note, tuple(row.path[start : start + 32] for start in range(0, len(row.path), 32)))
