"""The table of HOME/person.db. Its one schema is made by the migrations; this object only names it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

metadata = MetaData()

steps = Table(
    "person_steps",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("case_id", String(32), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("subject", String(64)),
    Column("nonce", LargeBinary(32)),
    Column("content", LargeBinary),
)
