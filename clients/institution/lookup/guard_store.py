"""What a member has granted tickets for, durably: a quota per querier and day, a receipt's serial once.

    guard = GuardStore(open_engine(url), epoch_id)
    guard.charge(querier="bank-b", day=20_000, leaf_hash=leaf_hash, serial="7d..", limit=1_000, promise=promise)
    guard.close()                                          # from now on this epoch gets no ticket, whoever asks

A charge is on disk when it returns: a member that is killed right after an evaluation has charged for it. Serials and
quotas hold over all epochs; the leaves of one epoch are what this member answers for when it closes (`leaves`), and the
log's promises for them are what the log answers for (`promises`).
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
    Column("promise", LargeBinary, nullable=False),
    Column("asked", Integer, nullable=False),
    UniqueConstraint("querier", "serial"),
)
_used = Table(
    "lookup_used",
    _metadata,
    Column("querier", String(64), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False),
)
_closed = Table("lookup_closed", _metadata, Column("epoch_id", LargeBinary(32), primary_key=True))
MOST_ASKED = 64
"""How often one leaf is answered: an outage is waited out with far fewer, and each answer costs every member."""
# A ticket that is there already, or a quota that is used up, shows as no row that changed.
_TICKET = text(
    "INSERT INTO lookup_tickets (leaf_hash, epoch_id, querier, serial, promise, asked)"
    " VALUES (:leaf_hash, :epoch_id, :querier, :serial, :promise, 1) ON CONFLICT (leaf_hash) DO NOTHING"
)
_AGAIN = text("UPDATE lookup_tickets SET asked = asked + 1 WHERE leaf_hash = :leaf_hash AND asked < :most")
_CLOSE = text("INSERT INTO lookup_closed (epoch_id) VALUES (:epoch_id) ON CONFLICT (epoch_id) DO NOTHING")
_COUNT = text(
    "INSERT INTO lookup_used (querier, day, used) VALUES (:querier, :day, 1)"
    " ON CONFLICT (querier, day) DO UPDATE SET used = lookup_used.used + 1 WHERE lookup_used.used < :limit"
)


class GuardStore:
    """The tables `lookup_tickets`, `lookup_used` and `lookup_closed`, for requests of one epoch."""

    def __init__(self, engine: Engine, epoch_id: bytes) -> None:
        self._engine = engine
        self._epoch_id = epoch_id
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def charge(self, *, querier: str, day: int, leaf_hash: bytes, serial: str, limit: int, promise: bytes) -> None:
        """Charge one ticket to `querier`, and keep the log's promise for it; the same leaf again costs nothing.

        Raises TicketRefused: `closed` (the epoch is over here), `conflict` (the serial served another leaf) or `quota`
        (`limit` reached on `day`, or this leaf was asked for too often).
        """
        ticket = {"leaf_hash": leaf_hash, "epoch_id": self._epoch_id, "querier": querier, "serial": serial}
        try:
            with writing(self._engine, lock="fedscore_lookup") as connection:
                if connection.execute(select(_closed).where(_closed.c.epoch_id == self._epoch_id)).first():
                    raise TicketRefused("closed", "epoch", got="a request after it closed", expected="an open epoch")
                if not connection.execute(_TICKET, ticket | {"promise": promise}).rowcount:
                    if not connection.execute(_AGAIN, {"leaf_hash": leaf_hash, "most": MOST_ASKED}).rowcount:
                        raise TicketRefused(
                            "quota", "leaf", got=f"asked for {MOST_ASKED + 1} times", expected=f"at most {MOST_ASKED}"
                        )
                    return
                counted = connection.execute(_COUNT, {"querier": querier, "day": day, "limit": limit}).rowcount
                if limit < 1 or not counted:  # raised in the transaction, so the ticket goes with it
                    raise TicketRefused("quota", "tickets today", got=limit + 1, expected=f"at most {limit}")
        except IntegrityError as error:
            raise TicketRefused(
                "conflict", "receipt serial", got="one that served another request", expected="a fresh one"
            ) from error

    def charged(self, leaf_hash: bytes) -> bool:
        """Whether this leaf was charged, in an epoch that is not over here."""
        over = select(_closed.c.epoch_id).where(_closed.c.epoch_id == _tickets.c.epoch_id).exists()
        query = select(_tickets.c.leaf_hash).where(_tickets.c.leaf_hash == leaf_hash, ~over)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def close(self) -> None:
        """No ticket of this epoch any more, on disk when it returns: what `leaves` says after it is all there is."""
        with writing(self._engine, lock="fedscore_lookup") as connection:
            connection.execute(_CLOSE, {"epoch_id": self._epoch_id})

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

    def promises(self) -> dict[bytes, bytes]:
        """The log's promise, as it signed it, for every leaf of this epoch that was charged."""
        query = select(_tickets.c.leaf_hash, _tickets.c.promise).where(_tickets.c.epoch_id == self._epoch_id)
        with reading(self._engine) as connection:
            return {bytes(leaf): bytes(promise) for leaf, promise in connection.execute(query)}
