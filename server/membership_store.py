"""Membership in the coordinator's database: one row per application, and append-only events.

    store = MembershipStore.open(home.database_url)
    [member.institution for member in store.admitted()]

Every change happens in one exclusive transaction with the event that records it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from federation.enrolment import Application, Code
from federation.errors import Refused
from federation.runtime.database import migrate, open_engine, reading, writing
from federation.runtime.pki import same_fingerprint
from protocols.signing import VerifyingKey
from server.membership import (
    START,
    Membership,
    State,
    check_admission,
    check_application,
    event_hash,
    event_text,
    overdue,
    verify_events,
)
from server.membership_tables import applications, events

Sign = Callable[[Membership], bytes]
_LOCK = "membership"


class MembershipStore:
    """Applications and members. Times are Unix milliseconds and passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> MembershipStore:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used."""
        engine = open_engine(url)
        migrate(engine, "server:migrations", version_table="membership_version")
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    def apply(self, application: Application, now_ms: int, *, pending_limit: int = 64, origin: str = "") -> Membership:
        """Record a verified application as pending; the same one sent twice changes nothing. Raises Refused.

        `origin` is where it came from, "" for nowhere that counts. What has waited too long is rejected first.
        """
        with writing(self._engine, lock=_LOCK) as connection:
            for late in overdue(_members(connection), now_ms):
                _decide(connection, late, State.REJECTED, "no decision in time", now_ms)
        with writing(self._engine, lock=_LOCK) as connection:
            known = check_application(
                application,
                _members(connection),
                pending_limit=pending_limit,
                from_there=_pending_from(connection, origin),
            )
            if known is not None:
                return known
            row = _row(application, now_ms, origin)
            connection.execute(insert(applications).values(row))
            _record(connection, "applied", application.institution, row["hash"], "", now_ms)
            return _membership(row)

    def admit(self, institution: str, fingerprint: str, sign: Sign, now_ms: int) -> Membership:
        """Admit a pending application and store the certificate that `sign` makes for it. Raises Refused."""
        with writing(self._engine, lock=_LOCK) as connection:
            member = _pending_or_last(connection, institution, fingerprint)
            check_admission(member, fingerprint)
            certificate = sign(member)
            _set(connection, member.hash, certificate=certificate)
            admitted = _decide(connection, member, State.ADMITTED, member.fingerprint, now_ms)
            for rival in _rivals(connection, member):
                _decide(connection, rival, State.REJECTED, "another was admitted under this name", now_ms)
            return admitted

    def reject(self, institution: str, reason: str, now_ms: int, *, fingerprint: str = "") -> Membership:
        """Refuse a pending application: the one with this key `fingerprint`, if several wait. Raises Refused."""
        return self._end(institution, State.PENDING, State.REJECTED, reason, now_ms, fingerprint)

    def revoke(self, institution: str, reason: str, now_ms: int) -> Membership:
        """End a membership; its keys and certificates are worth nothing from now on. Raises Refused."""
        return self._end(institution, State.ADMITTED, State.REVOKED, reason, now_ms)

    def renew(self, institution: str, request: bytes, sign: Sign, now_ms: int) -> bytes:
        """A new certificate for an admitted member's verified `request`. Raises Refused."""
        with writing(self._engine, lock=_LOCK) as connection:
            member = _admitted(connection, institution)
            _set(connection, member.hash, request=request)
            certificate = sign(_by_hash(connection, member.hash))
            _set(connection, member.hash, certificate=certificate)
            _record(connection, "renewed", institution, member.hash, "", now_ms)
            return certificate

    def admitted(self) -> tuple[Membership, ...]:
        """The roster, sorted by name."""
        return tuple(member for member in self.all() if member.state is State.ADMITTED)

    def all(self) -> tuple[Membership, ...]:
        """Every application ever made, sorted by name, then time."""
        with reading(self._engine) as connection:
            return _members(connection)

    def of_key(self, institution: str, key_id: str) -> Membership:
        """The latest application under this name by the key with this id. Raises Refused if there is none."""
        mine = [m for m in self.all() if m.institution == institution and m.key.key_id == key_id]
        if not mine:
            raise Refused(Code.UNKNOWN, "institution", got=institution, expected="a name that this key applied for")
        return mine[-1]

    def member(self, institution: str) -> Membership:
        """The admitted member `institution`. Raises Refused: revoked, or not a member."""
        with reading(self._engine) as connection:
            return _admitted(connection, institution)

    def events(self) -> list[dict[str, Any]]:
        """The decisions, oldest first. Raises MembershipError unless their chain is whole."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(events).order_by(events.c.sequence)).all()
        read = [json.loads(row.text) for row in rows]
        verify_events((event["previous"], row.hash, row.text) for event, row in zip(read, rows, strict=True))
        return read

    def _end(
        self, institution: str, of: State, to: State, reason: str, now_ms: int, fingerprint: str = ""
    ) -> Membership:
        with writing(self._engine, lock=_LOCK) as connection:
            living = [m for m in _named(connection, institution) if m.state is of]
            if not living:
                last = _pending_or_last(connection, institution)
                raise Refused(Code.WRONG_STATE, institution, got=last.state, expected=of)
            meant = [m for m in living if same_fingerprint(fingerprint, m.fingerprint)] if fingerprint else living
            if len(meant) != 1:
                got = fingerprint[:80] or f"{len(living)} applications"
                raise Refused(Code.WRONG_FINGERPRINT, institution, got=got, expected="the fingerprint of one of them")
            return _decide(connection, meant[0], to, reason[:500], now_ms)


def _members(connection: Connection) -> tuple[Membership, ...]:
    order = (applications.c.institution, applications.c.applied_ms, applications.c.hash)
    return tuple(_membership(row._mapping) for row in connection.execute(select(applications).order_by(*order)))


def _named(connection: Connection, institution: str) -> list[Membership]:
    return [member for member in _members(connection) if member.institution == institution]


def _pending_or_last(connection: Connection, institution: str, fingerprint: str = "") -> Membership:
    """The pending application with this fingerprint, else any that is pending, else the last one."""
    named = _named(connection, institution)
    if not named:
        raise Refused(Code.UNKNOWN, "institution", got=institution[:64], expected="a name that was applied for")
    pending = [member for member in named if member.state is State.PENDING]
    meant = [member for member in pending if same_fingerprint(fingerprint, member.fingerprint)]
    return next(iter([*meant, *pending]), named[-1])


def _rivals(connection: Connection, member: Membership) -> list[Membership]:
    named = _named(connection, member.institution)
    return [other for other in named if other.state is State.PENDING and other.hash != member.hash]


def _pending_from(connection: Connection, origin: str) -> int:
    if not origin:
        return 0
    there = (applications.c.origin == origin) & (applications.c.state == State.PENDING.value)
    return len(connection.execute(select(applications.c.hash).where(there)).all())


def _decide(connection: Connection, member: Membership, to: State, detail: str, now_ms: int) -> Membership:
    _set(connection, member.hash, state=to.value)
    _record(connection, to.value, member.institution, member.hash, detail, now_ms)
    return _by_hash(connection, member.hash)


def _admitted(connection: Connection, institution: str) -> Membership:
    named = _named(connection, institution)
    for member in named:
        if member.state is State.ADMITTED:
            return member
    code = Code.REVOKED if named and named[-1].state is State.REVOKED else Code.NOT_A_MEMBER
    raise Refused(code, "institution", got=institution[:64], expected="an admitted member")


def _by_hash(connection: Connection, application: str) -> Membership:
    row = connection.execute(select(applications).where(applications.c.hash == application)).one()
    return _membership(row._mapping)


def _set(connection: Connection, application: str, **values: object) -> None:
    connection.execute(update(applications).where(applications.c.hash == application).values(**values))


def _record(connection: Connection, kind: str, institution: str, application: str, detail: str, now_ms: int) -> None:
    last = connection.execute(select(events).order_by(events.c.sequence.desc()).limit(1)).one_or_none()
    sequence, previous = (0, START) if last is None else (last.sequence + 1, last.hash)
    text = event_text(previous, kind, institution, application, detail, now_ms)
    connection.execute(insert(events).values(sequence=sequence, hash=event_hash(text), text=text))


def _row(application: Application, now_ms: int, origin: str) -> dict[str, Any]:
    return {
        "hash": application.hash.hex(),
        "institution": application.institution,
        "state": State.PENDING.value,
        "key": application.key.hex,
        "request": application.request,
        "node_key": application.node_key,
        "catalogue_hash": application.catalogue_hash,
        "features": json.dumps(application.features),
        "nominal_records": application.nominal_records,
        "envelope": application.envelope,
        "certificate": None,
        "applied_ms": now_ms,
        "origin": origin,
        "witness_key": application.witness_key.hex,
    }


def _membership(row: Any) -> Membership:
    return Membership(
        hash=row["hash"],
        institution=row["institution"],
        state=State(row["state"]),
        key=VerifyingKey.from_hex(row["key"]),
        request=row["request"],
        node_key=row["node_key"],
        catalogue_hash=row["catalogue_hash"],
        features=tuple(json.loads(row["features"])),
        nominal_records=row["nominal_records"],
        certificate=row["certificate"],
        applied_ms=row["applied_ms"],
        witness_key=row["witness_key"],
    )
