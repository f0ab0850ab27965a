"""What this institution asked, in its own database: enough to open a logged request to a regulator, and nothing else.

Written before the request is logged. The blinding scalar opens which person was meant, not what was answered: the pads
were sealed to a key that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, delete, func, insert, select
from sqlalchemy.sql import ColumnElement

from federation.errors import ConfigurationError
from federation.runtime.database import reading, writing
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.ticket import LeafOpening

_metadata = MetaData()
_asked = Table(
    "lookup_asked",
    _metadata,
    Column("leaf_hash", LargeBinary(32), primary_key=True),
    Column("epoch_id", LargeBinary(32), nullable=False),
    Column("issued_at", Integer, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("identifier", LargeBinary, nullable=False),
    Column("blind", LargeBinary(32), nullable=False),
    Column("nonce", LargeBinary(32), nullable=False),
    Column("receipt", LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class AskedBefore:
    """One request about a person: when (Unix s), what for, in which epoch; `receipt`: what was shown for it."""

    leaf_hash: bytes
    epoch_id: bytes
    issued_at: int
    purpose: str
    identifier: bytes = field(repr=False)
    receipt: bytes = field(repr=False)


class AskedStore:
    """The table `lookup_asked`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            _metadata.create_all(connection)

    def keep(self, asked: Sequence[tuple[bytes, SignedLeaf, LeafOpening]]) -> None:
        """(identifier as hashed, leaf, opening) of each request, on disk when this returns."""
        rows = [
            {
                "leaf_hash": leaf.hash,
                "epoch_id": leaf.leaf.epoch_id,
                "issued_at": leaf.leaf.issued_at,
                "purpose": leaf.leaf.purpose,
                "identifier": identifier,
                "blind": opening.blind,
                "nonce": opening.nonce,
                "receipt": opening.receipt,
            }
            for identifier, leaf, opening in asked
        ]
        with writing(self._engine, lock="fedscore_lookup") as connection:
            connection.execute(insert(_asked), rows)

    def opening(self, leaf_hash: bytes) -> tuple[bytes, LeafOpening]:
        """Identifier and opening of one request. Raises ConfigurationError for one that is not kept here:
        its node did not make it, or has forgotten it."""
        query = select(_asked.c.identifier, _asked.c.blind, _asked.c.nonce, _asked.c.receipt)
        with reading(self._engine) as connection:
            row = connection.execute(query.where(_asked.c.leaf_hash == leaf_hash)).first()
        if row is None:
            raise ConfigurationError(
                "leaf", got=leaf_hash.hex()[:16], expected="a request of this institution that it keeps"
            )
        return bytes(row.identifier), LeafOpening(bytes(row.blind), bytes(row.nonce), bytes(row.receipt))

    def about(self, identifier: bytes) -> tuple[AskedBefore, ...]:
        """What this institution asked about one person (identifier as hashed), oldest first."""
        return self._found(_asked.c.identifier == identifier)

    def of_leaves(self, leaves: Sequence[bytes]) -> tuple[AskedBefore, ...]:
        """Those of the requests with these leaf hashes that this institution made."""
        return self._found(_asked.c.leaf_hash.in_(list(leaves)))

    def older(self, than: float) -> int:
        """How many requests were made before `than` (Unix s)."""
        with reading(self._engine) as connection:
            count = select(func.count()).select_from(_asked).where(_asked.c.issued_at < than)
            return int(connection.execute(count).scalar_one())

    def since(self, start: float) -> int:
        """How many requests were made at `start` (Unix s) or later."""
        with reading(self._engine) as connection:
            count = select(func.count()).select_from(_asked).where(_asked.c.issued_at >= start)
            return int(connection.execute(count).scalar_one())

    def forget(self, than: float) -> int:
        """Delete the requests made before `than` (Unix s): they can be opened to nobody any more. How many."""
        with writing(self._engine, lock="fedscore_lookup") as connection:
            return int(connection.execute(delete(_asked).where(_asked.c.issued_at < than)).rowcount)

    def _found(self, where: ColumnElement[bool]) -> tuple[AskedBefore, ...]:
        names = tuple(AskedBefore.__dataclass_fields__)
        query = select(*(_asked.c[name] for name in names)).where(where).order_by(_asked.c.issued_at)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(
            AskedBefore(
                bytes(r.leaf_hash), bytes(r.epoch_id), r.issued_at, r.purpose, bytes(r.identifier), bytes(r.receipt)
            )
            for r in rows
        )
