from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from postgres import Postgres
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from federation.errors import ConfigurationError
from federation.runtime import database
from federation.runtime.database import migrate, newest_revision, open_engine, reading, writing

LEDGER, ONE = "federation.ledger:migrations", {"version_table": "one_version"}


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "postgresql+nodriver://host/db", "other://x"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database_url"):
        open_engine(url)


def test_sqlite_files_are_durable_and_readable_while_written(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        with reading(engine) as other:
            assert other.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0


def test_a_postgresql_that_acknowledges_early_is_told_not_to(postgres: Postgres) -> None:
    query = text("SELECT current_setting('synchronous_commit')")
    with postgres.database() as url:
        for default, used in (("off", "on"), ("remote_apply", "remote_apply")):
            with postgres.connect() as connection:
                name = make_url(url).database
                connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {default}".encode())
            engines = [create_engine(url), open_engine(url)]
            found = []
            for engine in engines:
                with engine.connect() as session:
                    found.append(session.execute(query).scalar_one())
                engine.dispose()
            assert found == [default, used]


def test_a_block_that_raises_writes_nothing(database_url: str) -> None:
    engine = open_engine(database_url)

    def fail() -> None:
        with writing(engine) as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inspect(engine).get_table_names() == []


def test_a_second_writer_waits_from_its_first_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    outcome: list[str] = []

    def second() -> None:
        try:
            with writing(engine):
                outcome.append("entered")
        except OperationalError:
            outcome.append("locked")

    with writing(engine):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
    assert outcome == ["locked"]
    second()
    assert outcome == ["locked", "entered"]


def test_a_busy_file_is_waited_for_when_it_is_opened_first(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.2, lambda: holder.execute("COMMIT")).start()
    with reading(open_engine(f"sqlite:///{path}")) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    holder.close()


def test_migrations_of_several_packages_share_a_database(database_url: str) -> None:
    engine = open_engine(database_url)
    for _ in range(2):
        migrate(engine, LEDGER, version_table="one_version")
    with reading(engine) as connection:
        assert connection.execute(text("SELECT version_num FROM one_version")).scalar_one() == "0001"


def test_a_schema_that_is_there_is_not_waited_for_and_an_unknown_one_is_refused(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate(engine, LEDGER, version_table="one_version")
    with writing(engine, lock="one_version"):
        entered = threading.Thread(target=migrate, args=(open_engine(database_url), LEDGER), kwargs=ONE)
        entered.start()
        entered.join(60)
        assert not entered.is_alive()
    with writing(engine) as connection:
        connection.execute(text("UPDATE one_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="one_version: got revision 9999, expected at most 0001"):
        migrate(engine, LEDGER, version_table="one_version")


def migrations() -> list[str]:
    """Every `package:folder` of the project that holds revisions."""
    root = Path(__file__).resolve().parents[3]
    found = (file.parent.relative_to(root) for file in root.glob("*/**/migrations/env.py") if ".venv" not in file.parts)
    return [f"{'.'.join(folder.parent.parts)}:{folder.name}" for folder in found]


@pytest.mark.parametrize("script_location", sorted({*migrations()}))
def test_the_newest_revision_is_the_one_that_alembic_would_upgrade_to(script_location: str) -> None:
    config = Config()
    config.set_main_option("script_location", script_location)
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision(script_location)]
