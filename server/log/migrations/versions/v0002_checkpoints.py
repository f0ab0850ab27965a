"""Checkpoints that were published, who cosigned them, and what this log signed that it no longer holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_cosignatures",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("witness", sa.String(255), primary_key=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("cosigned_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "log_contradictions",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    dialect = op.get_bind().dialect.name
    for table in ("log_checkpoints", "log_cosignatures", "log_contradictions"):
        for action in ("UPDATE", "DELETE"):
            op.execute(_trigger(dialect, table, action))


def _trigger(dialect: str, table: str, action: str) -> str:
    """The function of 0001, for these tables too."""
    head = f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table}"
    if dialect == "postgresql":
        return f"{head} FOR EACH ROW EXECUTE FUNCTION log_append_only()"
    return f"{head} BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
