"""The tables of the regulator's database. Their one schema is made by the migrations; these objects only name it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

entries = Table(  # beyond the newest checkpoint's size they are fetched and not yet verified
    "regulator_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

checkpoints = Table(  # verified
    "regulator_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("seen_at", Float, nullable=False),
)

statements = Table(  # what the regulator says: kept before it is sent; promise: the log's answer
    "regulator_statements",
    metadata,
    Column("leaf", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("slot", String(200), nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
    Column("said_at", Float, nullable=False),
    Column("promise", LargeBinary, nullable=True),
)

alerts = Table(
    "regulator_alerts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("code", String(64), nullable=False),
    Column("place", String(200), nullable=False),
    Column("text", Text, nullable=False),
)

verdicts = Table(
    "regulator_verdicts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
