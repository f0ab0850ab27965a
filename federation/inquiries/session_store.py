"""The questions of the last day, in a holder's own database: each is answered once, and nobody asks without end.

    sessions.begin(session, person, tags, now)           # on disk when it returns; Refused
    sessions.stepped(session, kept)
    kept = sessions.finish(session)                      # Refused: unknown, or decrypted already

It names nobody: a session, the id of the key that asked, a number of tags, a hash.
"""

from __future__ import annotations

from typing import Self

from sqlalchemy import BigInteger, Column, Engine, LargeBinary, MetaData, String, Table, delete, func, insert, select
from sqlalchemy import update as change

from federation.errors import Refused
from federation.runtime.database import open_engine, reading, writing
from protocols.consent.check import CLOCK_SKEW_S
from protocols.consent.tag_request import MAX_AGE_S

KEEP_S = MAX_AGE_S + 2 * CLOCK_SKEW_S  # no request is accepted so long after it was begun here
_LOCK = "fedscore_holder"
_metadata = MetaData()
_sessions = Table(
    "holder_sessions",
    _metadata,
    Column("session", LargeBinary(32), primary_key=True),
    Column("person", String(16), nullable=False, index=True),
    Column("tags", BigInteger, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("kept", LargeBinary(32), nullable=True),  # once the step was made, and until it is decrypted
)


class SessionStore:
    """`daily_tags`: how many tags one key may ask about within a day. Any thread."""

    def __init__(self, engine: Engine, daily_tags: int) -> None:
        self._engine, self._daily = engine, daily_tags
        with writing(engine, lock=_LOCK) as connection:
            _metadata.create_all(connection)

    @classmethod
    def open(cls, url: str, daily_tags: int) -> Self:
        """Raises ConfigurationError for a database that cannot be used."""
        return cls(open_engine(url), daily_tags)

    def close(self) -> None:
        self._engine.dispose()

    def begin(self, session: bytes, person: str, tags: int, now: int) -> None:
        """Raises Refused: "conflict" for a session that was begun, "quota" for too many tags in a day."""
        mine = _sessions.c.person == person
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(delete(_sessions).where(_sessions.c.begun_at < now - KEEP_S))
            if connection.execute(select(_sessions.c.tags).where(_sessions.c.session == session)).first():
                raise Refused("conflict", "request.session", got="one that was used", expected="a fresh one")
            used = int(connection.scalar(select(func.coalesce(func.sum(_sessions.c.tags), 0)).where(mine)) or 0)
            if used + tags > self._daily:
                raise Refused("quota", "tags today", got=used + tags, expected=f"at most {self._daily}")
            row = {"session": session, "person": person, "tags": tags, "begun_at": now, "kept": None}
            connection.execute(insert(_sessions), row)

    def stepped(self, session: bytes, kept: bytes) -> None:
        """What the holder has to remember of its step."""
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(change(_sessions).where(_sessions.c.session == session).values(kept=kept))

    def finish(self, session: bytes) -> bytes:
        """What was kept, once. Raises Refused ("unknown") for a session without a step here, or decrypted already."""
        with writing(self._engine, lock=_LOCK) as connection:
            kept = connection.scalar(select(_sessions.c.kept).where(_sessions.c.session == session))
            if kept is None:
                raise Refused("unknown", "request.session", got="no step of this holder", expected="one not decrypted")
            connection.execute(change(_sessions).where(_sessions.c.session == session).values(kept=None))
        return bytes(kept)

    def today(self, now: int) -> tuple[int, int]:
        """Questions and tags that count at `now` (Unix s), within a day."""
        query = select(func.count(), func.coalesce(func.sum(_sessions.c.tags), 0))
        with reading(self._engine) as connection:
            row = connection.execute(query.where(_sessions.c.begun_at >= now - KEEP_S)).one()
        return int(row[0]), int(row[1])
