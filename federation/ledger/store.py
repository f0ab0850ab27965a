"""Where entries and replies are kept: only ever added to, in the order of the chain.

A store appends and reads; it has no way to change or delete a row, and the database refuses both by triggers. What a
row says is checked by the book, not here.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from federation.errors import LedgerError
from federation.ledger.book import Book
from federation.ledger.entries import SignedEntry, read_entry
from federation.ledger.release import Release, Slot
from federation.ledger.tables import entries, replies
from federation.runtime.database import migrate

MIGRATIONS = "federation.ledger:migrations"
VERSION_TABLE = "ledger_version"


def prepare(engine: Engine) -> None:
    """Create or upgrade the schema. Raises LedgerError where the database cannot be written."""
    try:
        migrate(engine, MIGRATIONS, version_table=VERSION_TABLE)
    except SQLAlchemyError as error:
        raise LedgerError("database", got=type(error).__name__, expected="a database that can be written") from error


def read_since(connection: Connection, sequence: int) -> list[SignedEntry]:
    """All entries after number `sequence`, in order; parsed, NOT verified. Raises LedgerError naming a bad row."""
    query = select(entries).where(entries.c.sequence > sequence).order_by(entries.c.sequence)
    return [_read(row.sequence, row.text, row.hash, row.signature) for row in connection.execute(query)]


def hash_at(connection: Connection, sequence: int) -> str | None:
    """The hash of entry `sequence`, None where there is none."""
    return connection.execute(select(entries.c.hash).where(entries.c.sequence == sequence)).scalar_one_or_none()


def fold(connection: Connection, book: Book) -> None:
    """Take into `book` every entry that it has not seen. Raises LedgerError naming the first that does not verify."""
    for signed in read_since(connection, book.length):
        book.append(signed)


def append(connection: Connection, signed: SignedEntry) -> None:
    connection.execute(
        insert(entries).values(
            sequence=signed.entry.sequence, hash=signed.hash, text=signed.text, signature=signed.signature
        )
    )


def keep_reply(connection: Connection, release: Release, spend_hash: str, reply: bytes) -> None:
    """Store the bytes that answer `release`, in the transaction of its spend."""
    run_id, phase, round = release.slot
    connection.execute(
        insert(replies).values(
            run_id=run_id, phase=phase, round=round, model_hash=release.model_hash, spend_hash=spend_hash, reply=reply
        )
    )


def find_reply(connection: Connection, slot: Slot, model_hash: str) -> bytes | None:
    run_id, phase, round = slot
    query = select(replies.c.reply).where(
        replies.c.run_id == run_id,
        replies.c.phase == phase,
        replies.c.round == round,
        replies.c.model_hash == model_hash,
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


def check_replies(connection: Connection, book: Book) -> None:
    """Raises LedgerError unless exactly the releases that handed something out have a stored reply."""
    columns = (replies.c.run_id, replies.c.phase, replies.c.round, replies.c.model_hash, replies.c.spend_hash)
    stored = {((row[0], row[1], row[2]), row[3]): row[4] for row in connection.execute(select(*columns))}
    if stored != book.answered:
        difference = len(set(stored.items()) ^ set(book.answered.items()))
        raise LedgerError("replies", got=f"{difference} that differ from the entries", expected="one for each spend")


def _read(sequence: int, text: str, hash: str, signature: bytes) -> SignedEntry:
    try:
        signed = read_entry(text, hash, bytes(signature))
    except LedgerError as error:
        raise LedgerError(f"entry {sequence}", got=error.got, expected=error.expected) from error
    if signed.entry.sequence != sequence:
        raise LedgerError(f"entry {sequence}: sequence", got=signed.entry.sequence, expected=sequence)
    return signed
