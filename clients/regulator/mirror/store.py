"""The copy in a database: SQLite or PostgreSQL by URL. Verified is what the newest checkpoint here covers.

store = MirrorStore.open(home.database_url)
store.stage(40, [entry, ...])                      # fetched
store.accept(note, size, now)                      # verified, in one transaction with the checkpoint that shows it
store.entries(0)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update

from clients.regulator.mirror.tables import alerts, checkpoints, entries, statements, verdicts
from federation.errors import LedgerError
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.transparency import Entry, read_entry

_LOCK = "regulator"
_PAGE = 1000


@dataclass(frozen=True)
class Held:
    """A checkpoint of the copy: how many entries it covers, its note, and when it was first seen (Unix s)."""

    size: int
    note: bytes
    seen_at: float


@dataclass(frozen=True)
class Alert:
    number: int
    at: float
    code: str
    place: str
    text: str


@dataclass(frozen=True)
class Said:
    """A statement of the regulator; `promise` is the log's, None until it answered."""

    leaf: str
    kind: str
    slot: str
    data: bytes
    said_at: float
    promise: bytes | None

    @property
    def entry(self) -> Entry:
        return read_entry(self.data)


class MirrorStore:
    """Any thread, any process: every method is one transaction. Only `drop_staged` takes anything away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> MirrorStore:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used."""
        engine = open_engine(url)
        migrate(engine, "clients.regulator.mirror:migrations", version_table="regulator_version")
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    # The copy

    def newest(self) -> Held | None:
        """The newest checkpoint."""
        with reading(self._engine) as connection:
            row = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).one_or_none()
        return None if row is None else Held(**row._mapping)

    def notes(self) -> list[bytes]:
        """All checkpoints, oldest first."""
        with reading(self._engine) as connection:
            return list(connection.scalars(select(checkpoints.c.note).order_by(checkpoints.c.size)))

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Entries from `start` to `end` (the newest checkpoint's size where it is None), page by page."""
        if end is None:
            held = self.newest()
            end = 0 if held is None else held.size
        while start < end:
            query = select(entries).where(entries.c.position >= start, entries.c.position < end)
            with reading(self._engine) as connection:
                page = connection.execute(query.order_by(entries.c.position).limit(_PAGE)).all()
            if not page:
                return
            yield from (row.data for row in page)
            start = page[-1].position + 1

    def staged(self) -> int:
        """How many entries there are, verified or not."""
        with reading(self._engine) as connection:
            last = connection.scalar(select(func.max(entries.c.position)))
        return 0 if last is None else int(last) + 1

    def stage(self, start: int, data: Sequence[bytes]) -> None:
        """Keep fetched entries at `start` and after it. They count for nothing until a checkpoint covers them."""
        rows = [{"position": start + offset, "data": each} for offset, each in enumerate(data)]
        if rows:
            with writing(self._engine, lock=_LOCK) as connection:
                connection.execute(insert(entries), rows)

    def drop_staged(self, size: int) -> None:
        """Forget fetched entries from `size` on. Raises LedgerError for verified ones."""
        with writing(self._engine, lock=_LOCK) as connection:
            covered = connection.scalar(select(func.max(checkpoints.c.size))) or 0
            if size < covered:
                raise LedgerError("copy of the log", got=f"a cut at {size}", expected=f"none below {covered}")
            connection.execute(delete(entries).where(entries.c.position >= size))

    def accept(self, note: bytes, size: int, now: float) -> None:
        """A verified checkpoint over staged entries; nothing changes where it is known."""
        with writing(self._engine, lock=_LOCK) as connection:
            if connection.scalar(select(checkpoints.c.size).where(checkpoints.c.size == size)) is None:
                connection.execute(insert(checkpoints), {"size": size, "note": note, "seen_at": now})

    def add_cosignatures(self, size: int, note: bytes) -> None:
        """Replace the note of a known checkpoint by one with cosignatures."""
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(update(checkpoints).where(checkpoints.c.size == size).values(note=note))

    def note_of(self, size: int) -> bytes | None:
        with reading(self._engine) as connection:
            return connection.scalar(select(checkpoints.c.note).where(checkpoints.c.size == size))

    # What the regulator says

    def keep(self, slot: str, entry: Entry, now: float) -> Said:
        """Keep a statement before it is sent. One for each `slot`, for ever: the first one, where there is one."""
        leaf = entry.hash.hex()
        with writing(self._engine, lock=_LOCK) as connection:
            known = connection.execute(select(statements).where(statements.c.slot == slot)).one_or_none()
            if known is not None:
                return Said(**known._mapping)
            row = {"leaf": leaf, "kind": entry.kind, "slot": slot, "data": entry.data, "said_at": now, "promise": None}
            connection.execute(insert(statements), row)
        return Said(leaf, entry.kind, slot, entry.data, now, None)

    def said(self, kind: str | None = None, *, unanswered: bool = False) -> list[Said]:
        """Own statements, oldest first."""
        query = select(statements).order_by(statements.c.said_at, statements.c.slot)
        if kind is not None:
            query = query.where(statements.c.kind == kind)
        if unanswered:
            query = query.where(statements.c.promise.is_(None))
        with reading(self._engine) as connection:
            return [Said(**row._mapping) for row in connection.execute(query)]

    def answered(self, leaf: str, promise: bytes) -> None:
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(update(statements).where(statements.c.leaf == leaf).values(promise=promise))

    # What was found

    def alert(self, code: str, place: str, text: str, now: float) -> bool:
        """Write an alert, once; False where it is known."""
        with writing(self._engine, lock=_LOCK) as connection:
            same = (alerts.c.code == code, alerts.c.place == place[:200], alerts.c.text == text)
            if connection.scalar(select(func.count()).select_from(alerts).where(*same)):
                return False
            number = (connection.scalar(select(func.max(alerts.c.number))) or 0) + 1
            row = {"number": number, "at": now, "code": code, "place": place[:200], "text": text}
            connection.execute(insert(alerts), row)
        return True

    def alerts(self) -> list[Alert]:
        """Newest first."""
        with reading(self._engine) as connection:
            return [
                Alert(**row._mapping) for row in connection.execute(select(alerts).order_by(alerts.c.number.desc()))
            ]

    def judge(self, size: int, verdict: dict[str, Any], now: float) -> None:
        """Keep the verdict of a complete verification (JSON)."""
        with writing(self._engine, lock=_LOCK) as connection:
            number = (connection.scalar(select(func.max(verdicts.c.number))) or 0) + 1
            row = {"number": number, "at": now, "size": size, "document": json.dumps(verdict).encode()}
            connection.execute(insert(verdicts), row)

    def verdict(self) -> tuple[float, dict[str, Any]] | None:
        """When the last complete verification was (Unix s), and what it said."""
        with reading(self._engine) as connection:
            row = connection.execute(select(verdicts).order_by(verdicts.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else (row.at, json.loads(row.document))
