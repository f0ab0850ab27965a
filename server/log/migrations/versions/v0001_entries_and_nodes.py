"""Entries in their order, and the perfect subtrees over them; neither is ever changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_entries",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("logged_at", sa.BigInteger, nullable=False),
    )
    op.create_index("log_entries_of_a_kind", "log_entries", ["kind", "position"])
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
        )
    for table in ("log_entries", "log_nodes"):
        for action in ("UPDATE", "DELETE"):
            op.execute(_trigger(dialect, table, action))


def _trigger(dialect: str, table: str, action: str) -> str:
    head = f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table}"
    if dialect == "postgresql":
        return f"{head} FOR EACH ROW EXECUTE FUNCTION log_append_only()"
    return f"{head} BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
