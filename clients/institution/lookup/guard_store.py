"""What a member has granted tickets for, durably: a quota per querier and day, a receipt's serial once.

    guard = GuardStore(open_engine(url), epoch_id)
    [refused] = guard.charge([Charge(querier="bank-b", day=20_000, leaf_hash=leaf_hash, serial="7d..", ...)])
    guard.close()                                          # from now on this epoch gets no ticket, whoever asks

A charge is on disk when it returns: a member that is killed right after an evaluation has charged for it. Serials and
quotas hold over all epochs; the leaves of one epoch are what this member answers for when it closes (`leaves`), and the
log's promises for them are what the log answers for (`promises`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    select,
    text,
)

from federation.runtime.database import reading, writing
from protocols.lookup.ticket import Charge, TicketRefused, check_charge

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
# What stands against a new ticket, the same leaf or another that its serial served, shows as no row that changed.
_TICKET = text(
    "INSERT INTO lookup_tickets (leaf_hash, epoch_id, querier, serial, promise, asked)"
    " VALUES (:leaf_hash, :epoch_id, :querier, :serial, :promise, 1) ON CONFLICT DO NOTHING"
)
_AGAIN = text("UPDATE lookup_tickets SET asked = asked + 1 WHERE leaf_hash = :leaf_hash AND asked < :most")
_CLOSE = text("INSERT INTO lookup_closed (epoch_id) VALUES (:epoch_id) ON CONFLICT (epoch_id) DO NOTHING")
_COUNT = text(
    "INSERT INTO lookup_used (querier, day, used) VALUES (:querier, :day, :count)"
    " ON CONFLICT (querier, day) DO UPDATE SET used = lookup_used.used + :count"
)
_OVER = text("SELECT epoch_id FROM lookup_closed WHERE epoch_id = :epoch_id")
_USED = text("SELECT used FROM lookup_used WHERE querier = :querier AND day = :day")
_KNOWN = text("SELECT leaf_hash FROM lookup_tickets WHERE leaf_hash = :leaf_hash")
_SERVED = text("SELECT leaf_hash FROM lookup_tickets WHERE querier = :querier AND serial = :serial")
_CHARGED = text(
    "SELECT leaf_hash FROM lookup_tickets WHERE leaf_hash IN :leaves AND NOT EXISTS"
    " (SELECT 1 FROM lookup_closed WHERE lookup_closed.epoch_id = lookup_tickets.epoch_id)"
).bindparams(bindparam("leaves", expanding=True))


class GuardStore:
    """The tables `lookup_tickets`, `lookup_used` and `lookup_closed`, for requests of one epoch."""

    def __init__(self, engine: Engine, epoch_id: bytes) -> None:
        self._engine = engine
        self._epoch_id = epoch_id
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def charge(self, charges: Sequence[Charge]) -> list[TicketRefused | None]:
        """Charge tickets and keep the log's promises for them; a leaf that was charged before costs nothing.

        One result for each: TicketRefused is `closed` (the epoch is over here), `conflict` (the serial served another
        leaf) or `quota` (`limit` reached on the day, or this leaf was asked for too often).
        """
        with writing(self._engine, lock="fedscore_lookup") as connection:
            if connection.execute(_OVER, {"epoch_id": self._epoch_id}).first() is not None:
                over = TicketRefused("closed", "epoch", got="a request after it closed", expected="an open epoch")
                return [over] * len(charges)
            days = {(charge.querier, charge.day): 0 for charge in charges}
            before = {day: connection.execute(_USED, {"querier": day[0], "day": day[1]}).scalar() or 0 for day in days}
            results: list[TicketRefused | None] = []
            for charge in charges:
                day = (charge.querier, charge.day)
                fresh, refused = self._charge(connection, charge, before[day] + days[day])
                days[day] += fresh
                results.append(refused)
            for (querier, number), count in days.items():
                if count:
                    connection.execute(_COUNT, {"querier": querier, "day": number, "count": count})
        return results

    def _charge(self, connection: Connection, charge: Charge, used: int) -> tuple[bool, TicketRefused | None]:
        """Whether it is a ticket more, and why it is refused; `used` are those of its querier and day so far."""
        leaf = {"leaf_hash": charge.leaf_hash}
        own = {"querier": charge.querier, "serial": charge.serial}
        ticket = leaf | own | {"epoch_id": self._epoch_id, "promise": charge.promise}
        if used < charge.limit and connection.execute(_TICKET, ticket).rowcount:
            return True, None
        if connection.execute(_AGAIN, leaf | {"most": MOST_ASKED}).rowcount:
            return False, None
        if connection.execute(_KNOWN, leaf).first() is not None:
            got, most = f"asked for {MOST_ASKED + 1} times", f"at most {MOST_ASKED}"
            return False, TicketRefused("quota", "leaf", got=got, expected=most)
        try:
            served = connection.execute(_SERVED, own).scalar()
            check_charge(served=served, used=used, limit=charge.limit, leaf_hash=charge.leaf_hash)
        except TicketRefused as refused:
            return False, refused
        raise AssertionError("a ticket that nothing stands against was not charged")  # pragma: no cover

    def charged(self, leaves: Collection[bytes]) -> Collection[bytes]:
        """Those of the `leaves` that were charged, in an epoch that is not over here."""
        with reading(self._engine) as connection:
            return {bytes(leaf) for (leaf,) in connection.execute(_CHARGED, {"leaves": list(leaves)})}

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
