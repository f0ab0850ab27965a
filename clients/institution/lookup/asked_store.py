"""What this institution asked, in its own database: enough to open a logged request to a regulator, and nothing else.

Written before the request is logged. The blinding scalar opens which person was meant, not what was answered: the pads
were sealed to a key that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, insert, select

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
        """Identifier and opening of one request. Raises ConfigurationError for one this institution did not make."""
        query = select(_asked.c.identifier, _asked.c.blind, _asked.c.nonce, _asked.c.receipt)
        with reading(self._engine) as connection:
            row = connection.execute(query.where(_asked.c.leaf_hash == leaf_hash)).first()
        if row is None:
            raise ConfigurationError("leaf", got=leaf_hash.hex()[:16], expected="a request of this institution")
        return bytes(row.identifier), LeafOpening(bytes(row.blind), bytes(row.nonce), bytes(row.receipt))
