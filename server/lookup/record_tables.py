"""The tables of the relay. Their one schema is made by the migrations; these objects only name it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

steps = Table(
    "lookup_steps",
    metadata,
    Column("counter", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("party", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
)

blobs = Table(
    "lookup_blobs",
    metadata,
    Column("counter", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("reader", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
)

charges = Table(
    "lookup_charges",
    metadata,
    Column("roster_id", String(64), primary_key=True),
    Column("institution", String(64), primary_key=True),
    Column("batch", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("promise", LargeBinary, nullable=False),
)
