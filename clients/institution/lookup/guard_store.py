"""What a member has granted tickets for, durably: a quota per querier and day, a receipt's serial once.

    guard = GuardStore(open_engine(url), epoch_id)
    guard.charge(querier="bank-b", day=20_000, leaf_hash=leaf_hash, serial="7d..", limit=1_000)

A charge is on disk when it returns: a member that is killed right after an evaluation has charged for it. Serials and
quotas hold over all epochs; the leaves of one epoch are what this member answers for when it closes (`leaves`).
"""

from __future__ import annotations

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint, select, text
from sqlalchemy.exc import IntegrityError

from federation.runtime.database import reading, writing
from protocols.lookup.ticket import TicketRefused

_metadata = MetaData()
_tickets = Table(
    "lookup_tickets",
    _metadata,
    Column("leaf_hash", LargeBinary(32), primary_key=True),
    Column("epoch_id", LargeBinary(32), nullable=False, index=True),
    Column("querier", String(64), nullable=False),
    Column("serial", String(64), nullable=False),
    UniqueConstraint("querier", "serial"),
)
_used = Table(
    "lookup_used",
    _metadata,
    Column("querier", String(64), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False),
)
# Two statements in all: a ticket that is there already, or a quota that is used up, shows as no row that changed.
_TICKET = text(
    "INSERT INTO lookup_tickets (leaf_hash, epoch_id, querier, serial)"
    " VALUES (:leaf_hash, :epoch_id, :querier, :serial) ON CONFLICT (leaf_hash) DO NOTHING"
)
_COUNT = text(
    "INSERT INTO lookup_used (querier, day, used) VALUES (:querier, :day, 1)"
    " ON CONFLICT (querier, day) DO UPDATE SET used = lookup_used.used + 1 WHERE lookup_used.used < :limit"
)


class GuardStore:
    """The tables `lookup_tickets` and `lookup_used`, for requests of one epoch."""

    def __init__(self, engine: Engine, epoch_id: bytes) -> None:
        self._engine = engine
        self._epoch_id = epoch_id
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def charge(self, *, querier: str, day: int, leaf_hash: bytes, serial: str, limit: int) -> None:
        """Charge one ticket to `querier`; the same leaf again changes nothing.

        Raises TicketRefused: `conflict` (the serial served another leaf) or `quota` (`limit` reached on `day`).
        """
        ticket = {"leaf_hash": leaf_hash, "epoch_id": self._epoch_id, "querier": querier, "serial": serial}
        try:
            with writing(self._engine, lock="fedscore_lookup") as connection:
                if not connection.execute(_TICKET, ticket).rowcount:
                    return
                counted = connection.execute(_COUNT, {"querier": querier, "day": day, "limit": limit}).rowcount
                if limit < 1 or not counted:  # raised in the transaction, so the ticket goes with it
                    raise TicketRefused("quota", "tickets today", got=limit + 1, expected=f"at most {limit}")
        except IntegrityError as error:
            raise TicketRefused(
                "conflict", "receipt serial", got="one that served another request", expected="a fresh one"
            ) from error

    def charged(self, leaf_hash: bytes) -> bool:
        """Whether this leaf was charged."""
        query = select(_tickets.c.leaf_hash).where(_tickets.c.leaf_hash == leaf_hash)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def used(self, querier: str, day: int) -> int:
        """Tickets charged to `querier` on `day`."""
        query = select(_used.c.used).where(_used.c.querier == querier, _used.c.day == day)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar() or 0

    def leaves(self) -> list[bytes]:
        """The leaves of this epoch that were charged, sorted: what this member has evaluated, and nothing else."""
        query = select(_tickets.c.leaf_hash).where(_tickets.c.epoch_id == self._epoch_id)
        with reading(self._engine) as connection:
            return sorted(bytes(leaf) for (leaf,) in connection.execute(query))
