"""Steps of cases: signed entries that never change, and beside each what it is about, which can be erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_steps",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("nonce", sa.LargeBinary(32)),
        sa.Column("content", sa.LargeBinary),
    )
    op.create_index("person_steps_of_a_subject", "person_steps", ["subject"])
    op.create_index("person_steps_of_a_case", "person_steps", ["case_id"])
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    """A step stays; of its content only the erasing is allowed, which the store does."""
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION person_steps_stay() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'steps of cases stay'; END $$"
        )
        for action in ("DELETE", "UPDATE OF sequence, case_id, entry"):
            name = action.split()[0].lower()
            op.execute(
                f"CREATE TRIGGER person_steps_no_{name} BEFORE {action} ON person_steps "
                "FOR EACH ROW EXECUTE FUNCTION person_steps_stay()"
            )
        return
    for action in ("DELETE", "UPDATE OF sequence, case_id, entry"):
        name = action.split()[0].lower()
        op.execute(
            f"CREATE TRIGGER person_steps_no_{name} BEFORE {action} ON person_steps "
            "BEGIN SELECT RAISE(ABORT, 'steps of cases stay'); END"
        )
