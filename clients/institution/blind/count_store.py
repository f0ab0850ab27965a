"""What a blind model has answered, durably, and who may ask it: two processes cannot both spend the last answer.

count = CountStore.open(url, time.time)
count.charge(model.counted_as(), "lender-a", 1, quota)         # on disk when it returns; QuotaError beyond the quota

A database that was restored from a backup would give answers again that it has forgotten. What was answered stands in
a file beside it too (`Anchor`), written after each charge: a database that knows less is not used.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    select,
    text,
)

from federation.errors import ConfigurationError
from federation.runtime.database import open_engine, reading, writing
from federation.runtime.private_files import read_private, write_public
from protocols.blind import Quota, Spent
from protocols.blind.quota import check_parts

_LOCK = "fedscore_blind"
_DAY_S = 86_400
_metadata = MetaData()
_answers = Table(
    "blind_answers",
    _metadata,
    Column("model", LargeBinary(32), primary_key=True),
    Column("lender", String(64), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("applicants", BigInteger, nullable=False),
)
_divided = Table(
    "blind_parts",
    _metadata,
    Column("model", LargeBinary(32), primary_key=True),
    Column("parts", LargeBinary(32), nullable=False),
)
_lenders = Table(
    "blind_lenders",
    _metadata,
    Column("name", String(64), primary_key=True),
    Column("key", String(80), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)
_SPENT = text(
    "SELECT COALESCE(SUM(applicants), 0),"
    " COALESCE(SUM(CASE WHEN lender = :lender THEN applicants ELSE 0 END), 0),"
    " COALESCE(SUM(CASE WHEN lender = :lender AND day = :day THEN applicants ELSE 0 END), 0)"
    " FROM blind_answers WHERE model = :model"
)
_ADD = text(
    "INSERT INTO blind_answers (model, lender, day, applicants) VALUES (:model, :lender, :day, :applicants)"
    " ON CONFLICT (model, lender, day) DO UPDATE SET applicants = blind_answers.applicants + :applicants"
)
_ALLOW = text(
    "INSERT INTO blind_lenders (name, key, since, revoked) VALUES (:name, :key, :now, NULL)"
    " ON CONFLICT (name) DO UPDATE SET key = :key, since = :now, revoked = NULL"
)
_REVOKE = text("UPDATE blind_lenders SET revoked = :now WHERE name = :name AND revoked IS NULL")


@dataclass(frozen=True)
class Lender:
    """`key`: the fingerprint of its public key; times in Unix seconds."""

    name: str
    key: str
    since: int
    revoked: int | None


class Anchor:
    """A file that remembers how many applicants of each model were answered at least; not to be backed up."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def read(self) -> dict[str, int]:
        """By model, hexadecimal. Raises ConfigurationError for a file that nobody here wrote."""
        if not self._path.exists():
            return {}
        try:
            return {str(model): int(count) for model, count in json.loads(read_private(self._path)).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise ConfigurationError(str(self._path), got="an unreadable file", expected="counts by model") from error

    def keep(self, model: bytes, count: int) -> None:
        """Behind the database where two processes write at once, never ahead of it."""
        with self._lock:
            known = self.read()
            known[model.hex()] = max(count, known.get(model.hex(), 0))
            write_public(self._path, json.dumps(known).encode(), mode=0o600)

    def check(self, count: Callable[[bytes], int]) -> None:
        """Raises ConfigurationError where `count` says less of a model."""
        for model, least in self.read().items():
            found = count(bytes.fromhex(model))
            if found < least:
                got = f"a database that knows of {found} applicants"
                raise ConfigurationError(str(self._path), got=got, expected=f"{least}: not a restored copy")


class CountStore:
    """The tables `blind_answers`, `blind_parts` (an `AnswerCount`) and `blind_lenders`."""

    def __init__(self, engine: Engine, clock: Callable[[], float], anchor: Anchor | None = None) -> None:
        self._engine, self._clock, self._anchor = engine, clock, anchor
        with writing(engine, lock=_LOCK) as connection:
            _metadata.create_all(connection)
        if anchor is not None:
            anchor.check(lambda model: self.spent(model, "").model)

    @classmethod
    def open(cls, url: str, clock: Callable[[], float], anchor: Path | None = None) -> CountStore:
        """Raises ConfigurationError for a database that cannot be used, or has forgotten what `anchor` remembers."""
        return cls(open_engine(url), clock, None if anchor is None else Anchor(anchor))

    def close(self) -> None:
        self._engine.dispose()

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota, parts: bytes = b"") -> None:
        """As `AnswerCount.charge`: read, checked and written in one exclusive transaction."""
        with writing(self._engine, lock=_LOCK) as connection:
            before = connection.execute(select(_divided.c.parts).where(_divided.c.model == model)).scalar()
            check_parts(before, parts)
            if before is None:
                connection.execute(insert(_divided), {"model": model, "parts": parts})
            after = quota.after(self._spent(connection, model, requester), applicants)
            key = {"model": model, "lender": requester, "day": self._day()}
            connection.execute(_ADD, key | {"applicants": applicants})
        if self._anchor is not None:
            self._anchor.keep(model, after.model)

    def spent(self, model: bytes, requester: str) -> Spent:
        """What was answered of `model`, in all, to `requester`, and to it today."""
        with reading(self._engine) as connection:
            return self._spent(connection, model, requester)

    def parts_of(self, model: bytes) -> bytes | None:
        """In which parts answers about `model` were given; None where there were none."""
        with reading(self._engine) as connection:
            return connection.execute(select(_divided.c.parts).where(_divided.c.model == model)).scalar()

    def by_lender(self, model: bytes) -> dict[str, int]:
        """Applicants answered in all, by lender."""
        query = select(_answers.c.lender, _answers.c.applicants).where(_answers.c.model == model)
        found: dict[str, int] = {}
        with reading(self._engine) as connection:
            for lender, applicants in connection.execute(query):
                found[lender] = found.get(lender, 0) + int(applicants)
        return dict(sorted(found.items()))

    def allow(self, name: str, key: str) -> None:
        """From now on `name` may ask under `key`, and no longer under a key it had before."""
        with writing(self._engine, lock=_LOCK) as connection:
            connection.execute(_ALLOW, {"name": name, "key": key, "now": int(self._clock())})

    def revoke(self, name: str) -> bool:
        """From now on `name` may not ask; whether it could."""
        with writing(self._engine, lock=_LOCK) as connection:
            return bool(connection.execute(_REVOKE, {"name": name, "now": int(self._clock())}).rowcount)

    def lenders(self) -> tuple[Lender, ...]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(_lenders).order_by(_lenders.c.name))
            return tuple(Lender(row.name, row.key, row.since, row.revoked) for row in rows)

    def may_ask(self, name: str, key: str) -> bool:
        """Whether `name` is allowed now, under this very key."""
        query = select(_lenders.c.key).where(_lenders.c.name == name, _lenders.c.revoked.is_(None))
        with reading(self._engine) as connection:
            return connection.execute(query).scalar() == key

    def _spent(self, connection: Connection, model: bytes, requester: str) -> Spent:
        key = {"model": model, "lender": requester, "day": self._day()}
        return Spent(*(int(count) for count in connection.execute(_SPENT, key).one()))

    def _day(self) -> int:
        return int(self._clock()) // _DAY_S
