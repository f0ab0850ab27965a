"""The key under which a member cosigns the log's checkpoints; none for applications that are older than witnesses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("membership_applications", sa.Column("witness_key", sa.String(64), nullable=False, server_default=""))
