"""The tables of HOME/person.db. Their one schema is made by the migrations; these objects only name it."""

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

notices = Table(
    "person_notices",
    metadata,
    Column("sender", String(64), primary_key=True),
    Column("letter", LargeBinary(16), primary_key=True),
    Column("leaf", LargeBinary(32), primary_key=True),
    Column("change", String(16), nullable=False),
    Column("after_epoch", BigInteger, nullable=False),
    Column("decided", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
)
