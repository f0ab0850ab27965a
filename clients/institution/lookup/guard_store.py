"""What a member has granted tickets for, durably: a quota per querier and day, a receipt's serial once.

    guard = GuardStore(open_engine(url), quota=1000)
    guard.charge("bank-b", 20_000, leaf_hash, "7d..")     # before anything is evaluated
    guard.charge("bank-b", 20_000, leaf_hash, "7d..")     # again: the same ticket, nothing more is charged

A charge is on disk when it returns: a member that is killed right after an evaluation has charged for it.
"""

from __future__ import annotations

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint, select, text
from sqlalchemy.exc import IntegrityError

from federation.errors import Refused
from federation.runtime.database import reading, writing

_metadata = MetaData()
_tickets = Table(
    "lookup_tickets",
    _metadata,
    Column("leaf_hash", LargeBinary(32), primary_key=True),
    Column("querier", String(64), nullable=False),
    Column("day", Integer, nullable=False, index=True),
    Column("serial", String(128), nullable=False),
    UniqueConstraint("querier", "serial"),
)
_used = Table(
    "lookup_used",
    _metadata,
    Column("querier", String(64), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False),
)
_TICKET = text(
    "INSERT INTO lookup_tickets (leaf_hash, querier, day, serial) VALUES (:leaf_hash, :querier, :day, :serial)"
    " ON CONFLICT (leaf_hash) DO NOTHING"
)
_COUNT = text(
    "INSERT INTO lookup_used (querier, day, used) VALUES (:querier, :day, 1)"
    " ON CONFLICT (querier, day) DO UPDATE SET used = lookup_used.used + 1 WHERE lookup_used.used < :quota"
)


class GuardStore:
    """The tables `lookup_tickets` and `lookup_used`; `quota` (at least 1) is tickets per querier and day (UTC)."""

    def __init__(self, engine: Engine, quota: int) -> None:
        self._engine = engine
        self._quota = quota
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def charge(self, querier: str, day: int, leaf_hash: bytes, serial: str) -> None:
        """Charge one ticket to `querier`. Raises Refused: `serial` (used by another leaf) or `quota`."""
        ticket = {"leaf_hash": leaf_hash, "querier": querier, "day": day, "serial": serial}
        try:
            with writing(self._engine, lock="fedscore_lookup") as connection:
                if not connection.execute(_TICKET, ticket).rowcount:
                    return
                counted = connection.execute(_COUNT, {"querier": querier, "day": day, "quota": self._quota}).rowcount
                if not counted:  # raised in the transaction, so the ticket goes with it
                    raise Refused("quota", "leaf.querier", got=f"more than {self._quota}", expected="fewer a day")
        except IntegrityError as error:
            raise Refused("serial", "leaf.receipt_serial", got="one that served", expected="a new one") from error

    def used(self, querier: str, day: int) -> int:
        """Tickets charged to `querier` on `day`."""
        query = select(_used.c.used).where(_used.c.querier == querier, _used.c.day == day)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar() or 0
