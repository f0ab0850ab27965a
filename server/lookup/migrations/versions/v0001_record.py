"""The append-only record of epochs, what blobs lie where, and what enrolment was charged for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lookup_steps",
        sa.Column("counter", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("counter", "kind", "party", name="lookup_said_once"),
    )
    op.create_table(
        "lookup_blobs",
        sa.Column("counter", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
    )
    op.create_table(
        "lookup_charges",
        sa.Column("roster_id", sa.String(64), primary_key=True),
        sa.Column("institution", sa.String(64), primary_key=True),
        sa.Column("batch", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("promise", sa.LargeBinary, nullable=False),
    )
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION lookup_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the record of epochs is append-only'; END $$"
        )
    for action in ("UPDATE", "DELETE"):
        op.execute(_trigger(dialect, action))


def _trigger(dialect: str, action: str) -> str:
    head = f"CREATE TRIGGER lookup_steps_no_{action.lower()} BEFORE {action} ON lookup_steps"
    if dialect == "postgresql":
        return f"{head} FOR EACH ROW EXECUTE FUNCTION lookup_append_only()"
    return f"{head} BEGIN SELECT RAISE(ABORT, 'the record of epochs is append-only'); END"
