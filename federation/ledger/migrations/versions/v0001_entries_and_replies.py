"""Entries and replies, append-only. There is no downgrade: a ledger is never taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("ledger_entries", "ledger_replies")


def upgrade() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_replies",
        sa.Column("run_id", sa.String(128), primary_key=True),
        sa.Column("phase", sa.String(16), primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("model_hash", sa.String(64), primary_key=True),
        sa.Column("spend_hash", sa.String(64), sa.ForeignKey("ledger_entries.hash"), nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
    )
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
        )
    for table in TABLES:
        for action in ("UPDATE", "DELETE"):
            op.execute(_trigger(dialect, table, action))


def _trigger(dialect: str, table: str, action: str) -> str:
    head = f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table}"
    if dialect == "postgresql":
        return f"{head} FOR EACH ROW EXECUTE FUNCTION ledger_append_only()"
    return f"{head} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
