"""One writer at a time: the transaction in which a ledger reads all that is written and appends what follows.

Threads are kept apart by a lock, processes by the database's own (`federation.runtime.database.writing`). Within a
transaction the book includes every committed entry; what a transaction appended and did not commit is forgotten.
"""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from federation.errors import LedgerError
from federation.ledger import store
from federation.ledger.book import Book
from federation.ledger.budget import Amount
from federation.ledger.entries import Content, Entry, Kind, SignedEntry, read_entry, sign_entry
from federation.runtime.database import reading, writing
from protocols.signing import SigningKey


@dataclass(frozen=True)
class Page:
    """An open transaction: the book as it stands and the connection to append to it."""

    journal: Journal
    connection: Connection

    @property
    def book(self) -> Book:
        return self.journal.book

    def append(self, kind: Kind, time: datetime, amounts: Sequence[Amount], content: Content) -> SignedEntry:
        """Sign and append the next entry. Raises LedgerError for one that breaks a rule of the book."""
        return self.journal.write(self.connection, kind, time, tuple(amounts), content)


class Journal:
    """The database, the key and the book of one ledger."""

    def __init__(self, engine: Engine, institution: str, key: SigningKey) -> None:
        self.institution = institution
        self._engine = engine
        self._key = key
        self._lock = threading.RLock()
        self.book = self.blank_book()
        self._in_doubt = False

    def blank_book(self) -> Book:
        return Book(self.institution, self._key.public)

    @contextmanager
    def transaction(self) -> Iterator[Page]:
        """Exclusive; committed and on disk when it ends. Raises LedgerError where the database cannot be written."""
        with self._lock:
            try:
                with writing(self._engine, lock="fedscore-ledger") as connection:
                    self._catch_up(connection)
                    yield Page(self, connection)
                self._in_doubt = False
            except SQLAlchemyError as error:
                raise _unusable(error) from error
            finally:
                if self._in_doubt:
                    self.book, self._in_doubt = self.blank_book(), False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent state of the tables; the in-memory database has one connection, hence the lock."""
        with self._lock:
            try:
                with reading(self._engine) as connection:
                    yield connection
            except SQLAlchemyError as error:
                raise _unusable(error) from error

    def write(
        self, connection: Connection, kind: Kind, time: datetime, amounts: tuple[Amount, ...], content: Content
    ) -> SignedEntry:
        """For `Page.append`: the next entry, in the transaction of `connection`."""
        place = (self.book.length + 1, self.book.head, self.institution)
        entry = Entry(*place, time, kind, amounts, self._key.public.key_id, code_version(), **vars(content))
        signed = sign_entry(entry, self._key)
        self._in_doubt = True
        read_entry(signed.text, signed.hash, signed.signature)  # what nobody would read is not written
        self.book.append(signed)  # the writer obeys the rules that its auditor checks
        store.append(connection, signed)
        return signed

    def close(self) -> None:
        self._engine.dispose()

    def _catch_up(self, connection: Connection) -> None:
        self._in_doubt = True
        store.fold(connection, self.book)
        self._in_doubt = False


@cache
def code_version() -> str:
    """The version of this distribution, as installed."""
    try:
        return importlib.metadata.version("fedscore")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _unusable(error: SQLAlchemyError) -> LedgerError:
    return LedgerError("database", got=type(error).__name__, expected="a ledger that can be read and written")
