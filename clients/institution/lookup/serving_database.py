"""Where tickets, enrolments and questions are counted: the institution's database, or HOME/lookup.db beside SQLite's.

A file of its own: writing to SQLite locks the whole file, and a ticket must not wait for a training round's ledger.
"""

from __future__ import annotations

from clients.institution.home import InstitutionHome


def lookup_database(home: InstitutionHome) -> str:
    """A SQLAlchemy URL."""
    return home.settings.database_url or f"sqlite:///{home.path / 'lookup.db'}"
