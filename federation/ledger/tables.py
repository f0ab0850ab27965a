"""The tables of a ledger. Their one schema is made by the migrations; these objects only name it."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

entries = Table(
    "ledger_entries",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("text", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

replies = Table(
    "ledger_replies",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("phase", String(16), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("model_hash", String(64), primary_key=True),
    Column("spend_hash", String(64), nullable=False),
    Column("reply", LargeBinary, nullable=False),
)
