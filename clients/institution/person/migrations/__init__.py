"""The schema of the steps of people's cases, by Alembic."""
