"""Databases behind one URL: SQLite by default, PostgreSQL by changing it.

>>> engine = open_engine("sqlite://")
>>> with writing(engine) as connection:
...     connection.exec_driver_sql("SELECT 1").scalar_one()
1

A writing transaction is exclusive from its first statement, so whoever reads a budget in it is the only one who may
spend from it: BEGIN IMMEDIATE on SQLite, an advisory lock of the transaction on PostgreSQL. A commit is on disk when it
returns (synchronous=FULL; synchronous_commit, whatever the server's default). A SQLite file is its owner's alone from
the moment it exists, and what SQLite keeps beside it (-wal, -shm) takes its mode. The in-memory database has one
connection: its users serialise themselves.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, column, create_engine, event, make_url, select, table, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from federation.errors import ConfigurationError
from federation.runtime.private_files import create_private

BUSY_SECONDS = 30
_WRITE = "fedscore_write"
_MIGRATING = threading.Lock()  # Alembic keeps the migration under way in module globals


def open_engine(url: str) -> Engine:
    """An engine for `url` (SQLAlchemy form): SQLite, or PostgreSQL by its driver. Raises ConfigurationError."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(url, in_memory=parsed.database in (None, "", ":memory:"))
        if parsed.get_backend_name() == "postgresql":
            engine = create_engine(url, pool_pre_ping=True)
            event.listen(engine, "connect", _prepare_postgresql)
            return engine
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            "database_url", got=type(error).__name__, expected="a usable SQLAlchemy URL"
        ) from error
    raise ConfigurationError("database_url", got=parsed.get_backend_name(), expected="sqlite or postgresql")


@contextmanager
def writing(engine: Engine, *, lock: str = "fedscore") -> Iterator[Connection]:
    """An exclusive transaction: committed when the block ends, rolled back when it raises.

    On SQLite the whole file is locked; on PostgreSQL all transactions that name the same `lock`.
    """
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(lock.encode())})
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one consistent state and writes nothing."""
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with connection, connection.begin():
        yield connection


def migrate(engine: Engine, script_location: str, *, version_table: str) -> None:
    """Bring the schema to the newest revision of `script_location` ("package:folder"), in one exclusive transaction.

    A schema that is there already is only read: it waits for no writer, and every process that starts does without
    Alembic, whose import is a quarter of what most of them compute until they are ready.
    Raises ConfigurationError for a schema that a newer version of this program made.
    """
    found, newest = _revision(engine, version_table), newest_revision(script_location)
    if found == newest:
        return
    if found is not None and found > newest:
        expected = f"at most {newest}, the newest that this version knows"
        raise ConfigurationError(f"database, {version_table}", got=f"revision {found}", expected=expected)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", script_location)
    config.attributes["version_table"] = version_table
    with _MIGRATING, writing(engine, lock=version_table) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest_revision(script_location: str) -> str:
    """The highest NNNN of its versions/vNNNN_*.py: revisions are numbered, and each follows the one before."""
    package, folder = script_location.split(":")
    names = (file.name for file in (files(package) / folder / "versions").iterdir())
    return max(name[1:5] for name in names if name.startswith("v"))


def _revision(engine: Engine, version_table: str) -> str | None:
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, version_table):
            return None
        found: str | None = connection.scalar(select(column("version_num")).select_from(table(version_table)))
        return found


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """A server or database may be set to acknowledge what is not on disk; a ledger's connection may not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def _sqlite_engine(url: str, *, in_memory: bool) -> Engine:
    database = make_url(url).database or ""
    if not in_memory and not database.startswith("file:"):
        with suppress(OSError):  # SQLite says what is wrong with a path
            create_private(Path(database))
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own; _begin_sqlite does
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")
    _use_write_ahead_log(connection)


def _is_busy(error: BaseException) -> bool:
    return "locked" in str(error)


# The switch to WAL ignores the busy timeout: two processes that open a new file at once would otherwise fail.
@retry(
    retry=retry_if_exception(_is_busy), wait=wait_random(0.005, 0.05), stop=stop_after_delay(BUSY_SECONDS), reraise=True
)
def _use_write_ahead_log(connection: Any) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    exclusive = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if exclusive else "BEGIN")
