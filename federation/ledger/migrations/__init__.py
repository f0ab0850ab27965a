"""Alembic migrations of the ledger, run by `federation.ledger.store.prepare`."""
