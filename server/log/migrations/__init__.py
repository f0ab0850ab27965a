"""The schema of the log, by Alembic."""
