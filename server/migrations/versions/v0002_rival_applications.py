"""A name has one member, but any number of applicants; where an application came from, so that they can be counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADMITTED = sa.text("state = 'admitted'")


def upgrade() -> None:
    op.add_column("membership_applications", sa.Column("origin", sa.String(64), nullable=False, server_default=""))
    op.drop_index("membership_one_holder_of_a_name", "membership_applications")
    op.create_index(
        "membership_one_member_of_a_name",
        "membership_applications",
        ["institution"],
        unique=True,
        sqlite_where=_ADMITTED,
        postgresql_where=_ADMITTED,
    )
