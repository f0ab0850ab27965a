"""Notices that came in: which of this institution's inquiries is meant, and what became of the record. In person.db."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select

from clients.institution.home import InstitutionHome
from clients.institution.person.journal_store import person_database
from clients.institution.person.tables import notices as table
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.notices import Letter

_LOCK = "fedscore_person"


@dataclass(frozen=True)
class Notice:
    """`leaf`: of the inquiry that is meant. `decided`: days since 1970-01-01; `received`: Unix time (s)."""

    leaf: bytes
    sender: str
    change: str
    after_epoch: int
    decided: int
    received: int


class NoticeStore:
    """The table `person_notices`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: InstitutionHome) -> NoticeStore:
        engine = open_engine(person_database(home))
        migrate(engine, "clients.institution.person:migrations", version_table="person_version")
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    def keep(self, letter: Letter, leaves: Sequence[bytes], received: int) -> None:
        """Keep what a letter says of `leaves`, on disk when this returns; one that comes again says nothing new."""
        fixed = {"letter": letter.name, "sender": letter.sender, "change": str(letter.change), "received": received}
        fixed |= {"after_epoch": letter.after_epoch, "decided": letter.decided}
        with writing(self._engine, lock=_LOCK) as connection:
            of = (table.c.sender == letter.sender, table.c.letter == letter.name)
            known = {bytes(leaf) for leaf in connection.execute(select(table.c.leaf).where(*of)).scalars()}
            new = [fixed | {"leaf": leaf} for leaf in dict.fromkeys(leaves) if leaf not in known]
            if new:
                connection.execute(insert(table), new)

    def all(self) -> tuple[Notice, ...]:
        """Oldest first."""
        names = tuple(Notice.__dataclass_fields__)
        query = select(*(table.c[name] for name in names)).order_by(table.c.received, table.c.leaf)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(Notice(bytes(r.leaf), r.sender, r.change, r.after_epoch, r.decided, r.received) for r in rows)

    def forget(self, than: float) -> None:
        """Delete what was received before `than` (Unix s)."""
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(delete(table).where(table.c.received < than))
