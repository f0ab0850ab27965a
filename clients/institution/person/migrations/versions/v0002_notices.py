"""Notices of other members about inquiries of this institution."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_notices",
        sa.Column("sender", sa.String(64), primary_key=True),
        sa.Column("letter", sa.LargeBinary(16), primary_key=True),
        sa.Column("leaf", sa.LargeBinary(32), primary_key=True),
        sa.Column("change", sa.String(16), nullable=False),
        sa.Column("after_epoch", sa.BigInteger, nullable=False),
        sa.Column("decided", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
    )
