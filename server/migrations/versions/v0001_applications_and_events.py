"""Applications, and the append-only events that say who decided what about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ALIVE = sa.text("state IN ('pending', 'admitted')")


def upgrade() -> None:
    op.create_table(
        "membership_applications",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("institution", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False, index=True),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("node_key", sa.LargeBinary, nullable=False),
        sa.Column("catalogue_hash", sa.String(64), nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.Column("nominal_records", sa.BigInteger, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("applied_ms", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "membership_one_holder_of_a_name",
        "membership_applications",
        ["institution"],
        unique=True,
        sqlite_where=_ALIVE,
        postgresql_where=_ALIVE,
    )
    op.create_table(
        "membership_events",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION membership_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'membership events are append-only'; END $$"
        )
    for action in ("UPDATE", "DELETE"):
        op.execute(_trigger(dialect, action))


def _trigger(dialect: str, action: str) -> str:
    head = f"CREATE TRIGGER membership_events_no_{action.lower()} BEFORE {action} ON membership_events"
    if dialect == "postgresql":
        return f"{head} FOR EACH ROW EXECUTE FUNCTION membership_append_only()"
    return f"{head} BEGIN SELECT RAISE(ABORT, 'membership events are append-only'); END"
