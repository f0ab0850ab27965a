"""Run by Alembic inside the transaction that `federation.runtime.database.migrate` holds open."""

from __future__ import annotations

from alembic import context

from server.mailbox.tables import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"], target_metadata=metadata, version_table=attributes["version_table"]
)
context.run_migrations()
