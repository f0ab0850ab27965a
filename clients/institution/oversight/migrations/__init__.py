"""The schema of what is kept of the log, by Alembic."""
