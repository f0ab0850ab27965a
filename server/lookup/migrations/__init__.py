"""The schema of the relay's record, with Alembic."""
