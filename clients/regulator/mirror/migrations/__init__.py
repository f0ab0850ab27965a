"""Schema of the regulator's database: Alembic revisions, run by `MirrorStore.open`."""
