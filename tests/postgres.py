"""A real PostgreSQL for tests: Debian's, in a folder of its own, gone when the tests are.

    def test_something(database_url: str) -> None:          # once on SQLite, once on PostgreSQL
        store = Store.open(database_url)

Each test has a database of its own. The server listens on a Unix socket only, runs as a user without rights (it refuses
to be root's), and is killed by the kernel should the tests be. It is started when the first test asks for it, one for
each pytest-xdist worker, and keeps PostgreSQL's own durability settings.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from federation.runtime.processes import die_with_parent

INSTALLATIONS = Path("/usr/lib/postgresql")
USER = "fedscore"
READY_SECONDS = 240


@dataclass(frozen=True)
class Postgres:
    """A running server: the folder of its socket, and its process id."""

    folder: Path
    pid: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, dropped afterwards with whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user=USER, dbname="postgres", autocommit=True)


def programs() -> Path | None:
    """The newest installation's programs, or None."""
    found = [path.parent for path in INSTALLATIONS.glob("*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def running(folder: Path, programs: Path) -> Iterator[Postgres]:
    """A server on a fresh cluster in `folder`, whose path must be short enough for a socket's."""
    user = _unprivileged()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    identity: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, parent = folder / "data", os.getpid()
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        **identity,
    )
    settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "50"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
            cwd=folder,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with_parent(parent),
            **identity,
        )
    postgres = Postgres(folder, server.pid)
    try:
        _wait_until_ready(postgres, server)
        yield postgres
    finally:
        server.send_signal(signal.SIGINT)  # "fast": connections are ended, nothing is waited for
        server.wait(READY_SECONDS)


def _unprivileged() -> pwd.struct_passwd | None:
    """Who the server runs as, where that cannot be who runs the tests."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _wait_until_ready(postgres: Postgres, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            postgres.connect().close()
        except psycopg.OperationalError:
            assert server.poll() is None, (postgres.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL was not ready in time"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this pytest process."""
    found = programs()
    if found is None:
        pytest.skip(f"no PostgreSQL under {INSTALLATIONS}: deploy/debian-packages installs it")
    folder = Path(tempfile.mkdtemp(prefix="fedscore-pg-"))
    try:
        with running(folder, found) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty database of the kind `request.param`: "memory", "sqlite" (in `folder`) or "postgresql"."""
    if request.param == "memory":
        yield "sqlite://"
    elif request.param == "sqlite":
        yield f"sqlite:///{folder / 'test.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        with server.database() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a SQLite file, then PostgreSQL; "memory" where a test asks for it by indirect parameters."""
    with empty_database(request, tmp_path) as url:
        yield url
