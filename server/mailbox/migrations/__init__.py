"""The schema of the mailbox, by Alembic."""
