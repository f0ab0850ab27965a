"""The tables of the membership. Their one schema is made by the migrations; these objects only name it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

applications = Table(
    "membership_applications",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("institution", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("key", String(64), nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("node_key", LargeBinary, nullable=False),
    Column("catalogue_hash", String(64), nullable=False),
    Column("features", Text, nullable=False),
    Column("nominal_records", BigInteger, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("certificate", LargeBinary),
    Column("applied_ms", BigInteger, nullable=False),
    Column("origin", String(64), nullable=False),
    Column("witness_key", String(64), nullable=False),
)

events = Table(
    "membership_events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("text", Text, nullable=False),
)
