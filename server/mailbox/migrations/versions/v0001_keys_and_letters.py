"""Keys of members, and sealed letters between them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mailbox_keys",
        sa.Column("institution", sa.String(64), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mailbox_letters",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("receipt", sa.LargeBinary(64)),
        sa.Column("put_at", sa.BigInteger, nullable=False),
    )
    op.create_index("mailbox_letters_of", "mailbox_letters", ["recipient", "number"])
