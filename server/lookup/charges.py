"""What enrolment was charged for: counted once per request, capped at what a member attested, logged first.

promise, total = charge(engine, log, roster, "bank-a", points, envelope)
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select

from federation.errors import Refused
from federation.runtime.database import reading, writing
from protocols.lookup.roster import Roster
from server.lookup.epochs import Code
from server.lookup.record_tables import charges

_LOCK = "lookup"


def charge(
    engine: Engine, roster: Roster, institution: str, request: bytes, count: int, log: Callable[[], bytes]
) -> tuple[bytes, int]:
    """The log's promise for this request and what is charged in all. The same request again is not charged again.

    `log` appends the request and returns the promise. It is charged before it is logged: should this process die in
    between, the request is sent again, and then logged. Raises Refused beyond the attested number of customers.
    """
    batch = sha256(request).hexdigest()
    cap = roster.member(institution).customers
    with writing(engine, lock=_LOCK) as connection:
        total = _total(connection, roster.id, institution)
        promise = connection.execute(select(charges.c.promise).where(*_key(roster.id, institution, batch))).scalar()
        if promise is None:
            if total + count > cap:
                raise Refused(Code.QUOTA, f"customers of {institution}", got=total + count, expected=f"at most {cap}")
            key = {"roster_id": roster.id.hex(), "institution": institution, "batch": batch}
            connection.execute(insert(charges).values(**key, count=count, promise=b""))
            total += count
    if not promise:
        promise = log()
        with writing(engine, lock=_LOCK) as connection:
            mine = _key(roster.id, institution, batch)
            connection.execute(charges.update().where(*mine).values(promise=promise))
    return promise, total


def charged(engine: Engine, roster_id: bytes, institution: str) -> int:
    """Points charged to a member under this roster."""
    with reading(engine) as connection:
        return _total(connection, roster_id, institution)


def _total(connection: Connection, roster_id: bytes, institution: str) -> int:
    mine = (charges.c.roster_id == roster_id.hex()) & (charges.c.institution == institution)
    return int(connection.execute(select(func.sum(charges.c.count)).where(mine)).scalar_one() or 0)


def _key(roster_id: bytes, institution: str, batch: str) -> tuple[ColumnElement[bool], ...]:
    columns = charges.c
    return (columns.roster_id == roster_id.hex(), columns.institution == institution, columns.batch == batch)
