"""The tables of the log. Their one schema is made by the migrations; these objects only name it.

A node is the root of a perfect subtree (protocols.transparency.merkle); those of level 0 are the entries' own hashes.
Tiles (C2SP tlog-tiles) are runs of 256 nodes of one level in eight, so they can be served from these rows as they are.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

entries = Table(
    "log_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("logged_at", BigInteger, nullable=False),
)

nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)

cosignatures = Table(
    "log_cosignatures",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String(255), primary_key=True),
    Column("line", LargeBinary, nullable=False),
    Column("cosigned_at", BigInteger, nullable=False),
)

# Notes under the log's own key that its entries contradict: signed before the database was restored from a backup.
contradictions = Table(
    "log_contradictions",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
