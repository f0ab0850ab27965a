"""The tables of the mailbox. Their one schema is made by the migrations; these objects only name it.

A letter's bytes are gone once it is acknowledged; its name and its receipt stay for the sender until they are old.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

metadata = MetaData()

keys = Table(
    "mailbox_keys",
    metadata,
    Column("institution", String(64), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

letters = Table(
    "mailbox_letters",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("name", LargeBinary(32), nullable=False, unique=True),
    Column("sender", String(64), nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("sealed", LargeBinary),
    Column("receipt", LargeBinary(64)),
    Column("put_at", BigInteger, nullable=False),
)
