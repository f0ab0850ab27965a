"""The tables of HOME/oversight/kept.db. Their one schema is made by the migrations; these objects only name it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

metadata = MetaData()

promises = Table(
    "oversight_promises",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_hash", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("promise", LargeBinary, nullable=False),
)

inclusions = Table(
    "oversight_inclusions",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("path", LargeBinary, nullable=False),
)

checkpoints = Table(
    "oversight_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
)
