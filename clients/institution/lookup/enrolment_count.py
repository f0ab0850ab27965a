"""How many people each member has had evaluated under one joint key: this member's own count, against the attested cap.

The relay counts too; but a dictionary of people is what a relay and a member could run together.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, func, insert, select

from federation.errors import Refused
from federation.runtime.database import writing
from protocols.errors import MessageError
from protocols.lookup.roster import RosterMember
from protocols.oprf.enrolment import Allowance

_metadata = MetaData()
_batches = Table(
    "lookup_enrolments",
    _metadata,
    Column("batch_hash", LargeBinary(32), primary_key=True),
    Column("roster_id", LargeBinary(32), nullable=False, index=True),
    Column("institution", String(64), nullable=False),
    Column("points", Integer, nullable=False),
)


class EnrolmentCount:
    """The table `lookup_enrolments`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def charge(self, roster_id: bytes, member: RosterMember, batch: bytes, points: int) -> None:
        """Count a batch, on disk when this returns; the same batch again changes nothing. Raises Refused (`quota`)."""
        name = hashlib.sha256(batch).digest()
        used = select(func.coalesce(func.sum(_batches.c.points), 0)).where(
            _batches.c.roster_id == roster_id, _batches.c.institution == member.institution
        )
        with writing(self._engine, lock="fedscore_lookup") as connection:
            if connection.execute(select(_batches.c.points).where(_batches.c.batch_hash == name)).first():
                return
            try:
                Allowance(member.customers, min(member.customers, int(connection.execute(used).scalar_one()))).charge(
                    points
                )
            except MessageError as error:
                raise Refused("quota", "enrolment", got=error.got, expected=error.expected) from error
            connection.execute(
                insert(_batches),
                {"batch_hash": name, "roster_id": roster_id, "institution": member.institution, "points": points},
            )
