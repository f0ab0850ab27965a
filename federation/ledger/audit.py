"""Reading a ledger without writing to it: no migration, no recovery, no private key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from federation.errors import LedgerError
from federation.ledger import store
from federation.ledger.book import Book
from federation.ledger.budget import Accountant
from federation.ledger.entries import SignedEntry
from federation.runtime.database import open_engine, reading
from protocols.signing import VerifyingKey


@dataclass(frozen=True)
class Reading:
    """A verified ledger: its entries, oldest first, and the book they add up to."""

    entries: tuple[SignedEntry, ...]
    book: Book


def read_ledger(url: str, *, institution: str, key: VerifyingKey, accountant: Accountant | None = None) -> Reading:
    """The entries at `url`, verified as `Ledger.verify` does; `accountant` also repeats the accounting.

    Raises LedgerError where there is no ledger or an entry does not verify, naming it.
    """
    _check_exists(url)
    engine = open_engine(url)
    book = Book(institution, key, accountant)
    try:
        with reading(engine) as connection:
            entries = tuple(store.read_since(connection, 0))
            for signed in entries:
                book.append(signed)
            store.check_replies(connection, book)
    except SQLAlchemyError as error:
        raise LedgerError("database", got=type(error).__name__, expected="a ledger that can be read") from error
    finally:
        engine.dispose()
    return Reading(entries, book)


def _check_exists(url: str) -> None:
    """SQLite would make an empty file of a wrong path."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise LedgerError("database", got="no file", expected="the institution's ledger")
