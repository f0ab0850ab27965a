"""The steps of all cases of an institution: a chain of signed entries, and the content of each until it is erased.

    journal = Journal.open(home)
    done = journal.append(Event.OPENED, case, content, day=day, due=due, subject=tag)
    journal.steps()                # verified: chain, signatures, and each content that is there against its commitment
    journal.purge([3, 4])          # contents gone; the chain still verifies

An entry is on disk when `append` returns, and lies in HOME/cases as the node brings it to the log. A database that has
fewer steps than that folder is an old copy, and is not used: a correction would be lost without a word.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from clients.institution.home import InstitutionHome
from clients.institution.person.tables import steps as table
from federation.errors import ConfigurationError
from federation.oversight.cases import CaseStep, Event, check_chain, commitment, first_previous
from federation.runtime.database import migrate, open_engine, reading, writing
from federation.runtime.private_files import private_directory, write_public
from protocols.canonical import canonical, parse_canonical
from protocols.errors import ProtocolError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement, read_entry

FOLDER = "cases"
_LOCK = "fedscore_person"


@dataclass(frozen=True)
class Done:
    """A step and what it is about; `content` is None once it was erased. Not in a repr."""

    step: CaseStep
    subject: str | None = field(repr=False)
    content: Mapping[str, Any] | None = field(repr=False)


class Journal:
    """Thread-safe. `random` makes nonces; `folder` is where the entries wait for the log."""

    def __init__(
        self,
        engine: Engine,
        institution: str,
        key: SigningKey,
        folder: Path,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._engine, self._institution, self._key = engine, institution, key
        self._folder, self._random = folder, random

    @classmethod
    def open(cls, home: InstitutionHome) -> Journal:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used, or is an old copy."""
        engine = open_engine(person_database(home))
        migrate(engine, "clients.institution.person:migrations", version_table="person_version")
        journal = cls(engine, home.name, home.signing_key, private_directory(home.path / FOLDER))
        journal._check_not_behind()
        return journal

    @classmethod
    def there(cls, home: InstitutionHome) -> bool:
        """Whether this home ever had a case, so that whoever reads records needs to look."""
        own = (home.path / FOLDER).is_dir() or (home.path / "person.db").exists()
        return own or home.settings.database_url is not None

    def close(self) -> None:
        self._engine.dispose()

    def append(
        self,
        event: Event,
        case: str,
        content: Mapping[str, Any],
        *,
        day: date,
        due: date | None = None,
        subject: str | None = None,
        check: Callable[[Sequence[Done]], None] = lambda steps: None,
        check_person: Callable[[Sequence[Done]], None] | None = None,
    ) -> Done:
        """One step more, on disk when this returns. `check` sees the case's steps first, `check_person` those of all
        cases of `subject`, in the same transaction.
        """
        nonce = self._random(32)
        with writing(self._engine, lock=_LOCK) as connection:
            check([self._done(row) for row in self._rows(connection, table.c.case_id == case)])
            if check_person is not None:
                check_person([self._done(row) for row in self._rows(connection, table.c.subject == subject)])
            last = connection.execute(select(table).order_by(table.c.sequence.desc()).limit(1)).one_or_none()
            previous = first_previous(self._institution) if last is None else read_entry(last.entry).hash.hex()
            step = CaseStep(
                institution=self._institution,
                sequence=1 if last is None else last.sequence + 1,
                previous=previous,
                case=case,
                event=event,
                day=day.isoformat(),
                due="" if due is None else due.isoformat(),
                commitment=commitment(nonce, dict(content)),
            )
            entry = step.sign(self._key)
            row = {"sequence": step.sequence, "case_id": case, "entry": entry.data, "subject": subject}
            row |= {"nonce": nonce, "content": canonical(dict(content))}
            connection.execute(insert(table), row)
        self._hand_over(step.sequence, entry)
        return Done(step, subject, content)

    def steps(self) -> tuple[Done, ...]:
        """All of them in order, verified. Raises ConfigurationError naming the step that was changed."""
        with reading(self._engine) as connection:
            rows = self._rows(connection, True)
        try:
            check_chain((read_entry(row.entry) for row in rows), self._institution, self._key.public)
            found = tuple(self._done(row) for row in rows)
        except ProtocolError as error:
            raise ConfigurationError(f"person.db: {error.field}", got=error.got, expected=error.expected) from error
        lost = {done.step.sequence for done in found if done.content is None} - _purged(found)
        if lost:
            where = f"person.db: step {min(lost)}"
            raise ConfigurationError(where, got="no content", expected="what was signed: nobody said it was erased")
        return found

    def purge(self, sequences: Sequence[int], case: str, *, day: date) -> None:
        """Say that what these steps are about is erased, then erase it, and whom they are about.

        SQLite overwrites what it frees, and its write-ahead log is emptied. After a crash in between, the next purge
        erases what this one said.
        """
        self.append(Event.PURGED, case, {"sequences": sorted(sequences)}, day=day)
        gone = sorted(_purged(self.steps()))
        sqlite = self._engine.dialect.name == "sqlite"
        with writing(self._engine, lock=_LOCK) as connection:
            if sqlite:
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            change = update(table).values(nonce=None, content=None, subject=None)
            connection.execute(change.where(table.c.sequence.in_(gone)))
        if sqlite:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def say_again(self) -> None:
        """Put entries that a crash kept from the folder there."""
        with reading(self._engine) as connection:
            rows = self._rows(connection, True)
        for row in rows:
            self._hand_over(row.sequence, read_entry(row.entry))

    def _rows(self, connection: Connection, where: Any) -> Sequence[Row[Any]]:
        query = select(table).order_by(table.c.sequence)
        return connection.execute(query if where is True else query.where(where)).all()

    def _done(self, row: Row[Any]) -> Done:
        step = CaseStep.from_json(Statement.read(read_entry(row.entry)).content)
        if row.content is None or row.nonce is None:
            return Done(step, row.subject, None)
        content = parse_canonical(row.content)
        if not isinstance(content, dict) or commitment(row.nonce, content) != step.commitment:
            where = f"person.db: step {row.sequence}"
            raise ConfigurationError(where, got="a content that was changed", expected="the one that was signed")
        if row.subject != content.get("subject", row.subject):
            raise ConfigurationError(
                f"person.db: step {row.sequence}", got="another subject", expected="the signed one"
            )
        return Done(step, row.subject, content)

    def _hand_over(self, sequence: int, entry: Entry) -> None:
        file = self._folder / f"{sequence:08d}.json"
        if not file.exists():
            write_public(file, entry.data, mode=0o600)

    def _check_not_behind(self) -> None:
        with reading(self._engine) as connection:
            tip = connection.execute(select(func.max(table.c.sequence))).scalar() or 0
        said = max((int(file.stem) for file in self._folder.glob("*.json")), default=0)
        if said > tip:
            got, cure = f"{tip} steps, {said} were signed", "its newest copy: an old one lacks corrections"
            raise ConfigurationError("person.db", got=got, expected=cure)
        if said < tip:
            self.say_again()


def _purged(steps: Iterable[Done]) -> set[int]:
    """The steps whose content was said to be erased."""
    said = (done.content["sequences"] for done in steps if done.step.event is Event.PURGED and done.content)
    return {sequence for sequences in said for sequence in sequences}


def person_database(home: InstitutionHome) -> str:
    """A SQLAlchemy URL: the institution's database, or HOME/person.db beside SQLite's."""
    return home.settings.database_url or f"sqlite:///{home.path / 'person.db'}"
