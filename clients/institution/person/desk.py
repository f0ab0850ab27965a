"""The steps that a case takes at this institution. The day is passed in; what is refused changes nothing.

    desk = Desk.open(home)
    case = desk.open_case("4711", Request.DISPUTE, ("age",), "I am 40", today)
    desk.correct(case.id, "4711", {"age": "40"}, "her passport", today)
    desk.told(case.id, today)

A correction is checked against the catalogue before it is written down, counts from the next reading of the records on,
and never in an epoch whose snapshot was taken before.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from clients.institution.home import InstitutionHome
from clients.institution.lookup.folders import LookupFolders
from clients.institution.person.case import Case, cases_of
from clients.institution.person.finding import rows_of
from clients.institution.person.journal_store import Done, Journal
from clients.institution.person.overlay import Overlay
from clients.institution.person.pseudonym import SubjectTags
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError, RecordsError
from federation.jurisdiction import Profile, Request, load_profile
from federation.oversight.cases import Event
from federation.records import read_table, validate

MAX_STATEMENT = 4000
MAX_OPEN = 20  # of one person: pages take requests, and each is an entry of the log
_MAX_VALUE = 200
_SHORTEST = 4  # of a case's identifier: one letter less is too easily another's


@dataclass(frozen=True)
class Desk:
    """One home's; made by `open`."""

    home: InstitutionHome
    profile: Profile
    catalogue: Catalogue
    journal: Journal
    tags: SubjectTags = field(repr=False)

    @classmethod
    def open(cls, home: InstitutionHome) -> Desk:
        """Raises ConfigurationError without a jurisdiction, or a catalogue that identifies subjects."""
        catalogue = load_catalogue(home.catalogue)
        if catalogue.subject is None:
            raise ConfigurationError("catalogue", got=catalogue.name, expected="a catalogue with a subject identifier")
        profile, journal = profile_of(home), Journal.open(home)
        return cls(home, profile, catalogue, journal, SubjectTags.of(home, journal.steps()))

    def day(self, now: float) -> date:
        """The day that it is where the institution is. `now`: Unix time (s)."""
        return datetime.fromtimestamp(now, ZoneInfo(self.home.settings.person.time_zone)).date()

    # ---- looking ----

    def cases(self, subject: str | None = None) -> tuple[Case, ...]:
        """All cases, or those of one person, in the order in which they were opened."""
        found = cases_of(self.journal.steps())
        if subject is None:
            return found
        tag = self.tags.tag(subject)
        return tuple(case for case in found if case.subject == tag)

    def case(self, name: str) -> Case:
        """The case whose identifier begins with `name`, of four letters or more. Raises ConfigurationError unless there
        is exactly one.
        """
        found = [case for case in self.cases() if len(name) >= _SHORTEST and case.id.startswith(name)]
        if len(found) != 1:
            got = "several" if found else "no such case"
            expected = f"the beginning of one case's identifier, {_SHORTEST} letters at least"
            raise ConfigurationError("case", got=got, expected=expected)
        return found[0]

    def rows(self, subject: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The person's rows as the file has them, and as they count: corrected, or none where they were erased."""
        table, column = read_table(self.home.data), str(self.catalogue.subject)
        if column not in table.columns:
            raise RecordsError(f"column {column}", got="no such column in the file", expected="the subject identifier")
        filed = table.filter(rows_of(subject, table[column].cast(pl.String).str.strip_chars(), self.tags.how))
        return filed, Overlay.of(self.journal.steps()).apply(filed, column, self.tags.tags)

    def require_record(self, subject: str) -> pl.DataFrame:
        """The rows that count. Raises ConfigurationError where there are none."""
        _, counting = self.rows(subject)
        if not counting.height:
            expected = "the identifier of somebody who has one: look for a slip"
            raise ConfigurationError("subject", got="no record here", expected=expected)
        return counting

    # ---- steps ----

    def open_case(self, subject: str, request: Request, about: Sequence[str], statement: str, today: date) -> Case:
        """A new case. Raises ConfigurationError for columns that the catalogue has not, or too long a statement."""
        unknown = [name for name in about if name not in self.catalogue.columns]
        if unknown:
            raise ConfigurationError("about", got=", ".join(unknown)[:200], expected="columns of the catalogue")
        if len(statement) > MAX_STATEMENT:
            raise ConfigurationError("statement", got=f"{len(statement)} characters", expected=f"<= {MAX_STATEMENT}")
        tag, case = self.tags.tag(subject), secrets.token_hex(16)
        content = self._about(tag) | {"request": str(request), "about": list(about), "statement": statement}
        due = self.profile.deadline(request, today)
        done = self.journal.append(
            Event.OPENED, case, content, day=today, due=due, subject=tag, check_person=_not_too_many
        )
        return Case.of([done])

    def more_time(self, case: str, why: str, today: date) -> Case:
        """Put the answer off, once, as far as the profile allows; the person is to be told `why`.

        Raises ConfigurationError where the time is over: a case that is late stays late.
        """
        of = self.case(case)
        of.check(Event.MORE_TIME)
        if today > of.due:
            raise ConfigurationError("more time", got=f"after the {of.due}", expected="a reason while there is time")
        return self._step(Event.MORE_TIME, of, {"why": _reason(why)}, today, self.profile.longer(of.request, of.due))

    def furnisher_told(self, case: str, today: date) -> Case:
        """Who gave the data knows of the dispute."""
        return self._step(Event.FURNISHER, self.case(case), {}, today)

    def correct(self, case: str, subject: str, values: Mapping[str, str | None], why: str, today: date) -> Case:
        """Decide a case by correcting the record. Raises RecordsError for a record that would break the catalogue's
        rules, ConfigurationError for one that is not there, is another person's, or would not change.
        """
        of = self._of(case, subject)
        counting = self.require_record(subject)
        was = self._checked(counting, values)
        content: dict[str, Any] = {"values": dict(values), "was": was, "why": _reason(why)}
        content |= self._about(of.subject) | {"after_epoch": self._last_epoch}
        return self._step(Event.CORRECTED, of, content, today)

    def erase(self, case: str, subject: str, why: str, today: date, *, absent: bool = False) -> Case:
        """Decide a case by erasing the record: nothing reads it any more, whatever file comes.

        Raises ConfigurationError where there is no record, unless it may be `absent` now and come with another file: an
        identifier with a slip in it would be erased, and the person not.
        """
        of = self._of(case, subject)
        if not absent:
            self.require_record(subject)
        content = self._about(of.subject) | {"why": _reason(why), "after_epoch": self._last_epoch}
        return self._step(Event.ERASED, of, content, today)

    def decide(self, case: str, event: Event, why: str, today: date) -> Case:
        """Reject, answer, or note that it was withdrawn."""
        if event not in (Event.REJECTED, Event.ANSWERED, Event.WITHDRAWN):
            raise ConfigurationError("result", got=str(event), expected="rejected, answered or withdrawn")
        return self._step(event, self.case(case), {"why": _reason(why)}, today)

    def notified(self, case: str, letters: Sequence[Mapping[str, Any]], today: date) -> Case:
        """Those who inquired were told; `letters`: to whom, about which inquiries."""
        return self._step(Event.NOTIFIED, self.case(case), {"letters": [dict(each) for each in letters]}, today)

    def told(self, case: str, today: date) -> Case:
        """The person was told the result: the case is closed."""
        return self._step(Event.TOLD, self.case(case), {}, today)

    # ---- inside ----

    @property
    def _last_epoch(self) -> int:
        """The newest epoch whose snapshot may have been taken: its folder is made before the records are read."""
        folders = LookupFolders(self.home)
        return max(folders.epochs(), default=0) if folders.exists else 0

    def _about(self, tag: str | None) -> dict[str, Any]:
        return {"subject": tag, "filed_under": self.tags.name}

    def _of(self, case: str, subject: str) -> Case:
        of = self.case(case)
        if of.subject is None or of.subject != self.tags.tag(subject):
            raise ConfigurationError("case", got="a case of somebody else", expected="one of this person")
        return of

    def _step(self, event: Event, of: Case, content: Mapping[str, Any], today: date, due: date | None = None) -> Case:
        def follows(steps: Sequence[Done]) -> None:
            Case.of(steps).check(event)
            if today < steps[-1].step.on:
                last = steps[-1].step.day
                raise ConfigurationError("day", got=today.isoformat(), expected=f"{last}, of the last step, or later")

        done = self.journal.append(event, of.id, content, day=today, due=due, subject=of.subject, check=follows)
        return Case.of([*of.steps, done])

    def _checked(self, rows: pl.DataFrame, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """What stood where `values` are to stand, in the row that counts."""
        if not values:
            raise ConfigurationError("values", got="none", expected="at least one column to be corrected")
        for name, text in values.items():
            column = self.catalogue.columns.get(name)
            if column is None or name == self.catalogue.subject or name not in rows.columns:
                raise ConfigurationError(f"column {name}", got="none to correct", expected="a column of the record")
            if text is not None and len(text) > _MAX_VALUE:
                raise ConfigurationError(f"column {name}", got=f"{len(text)} characters", expected=f"<= {_MAX_VALUE}")
        row = rows.head(1)
        tag = self.tags.tags(row[str(self.catalogue.subject)].cast(pl.String).to_list())[0]
        after = Overlay({tag: values}).apply(row, self.catalogue.subject, self.tags.tags)
        target = self.catalogue.target.column in row.columns
        checked = validate(after, self.catalogue, require_target=target, coverage=self.home.settings.features)
        if not checked.good.height:
            reasons = str(checked.quarantine["reasons"][0])
            raise RecordsError("correction", got=reasons, expected="a record that keeps the catalogue's rules")
        was = {name: None if row[name][0] is None else str(row[name][0]) for name in values}
        if after.equals(row):
            raise ConfigurationError("values", got="what the record says already", expected="a change")
        return was


def profile_of(home: InstitutionHome) -> Profile:
    """The profile that institution.toml selects. Raises ConfigurationError where it selects none."""
    chosen = home.settings.person.jurisdiction
    if chosen is None:
        where = "institution.toml: person.jurisdiction"
        raise ConfigurationError(where, got="none", expected="the profile that cases are held to (docs/person.md)")
    return load_profile(home.path / chosen if chosen.endswith(".toml") else chosen)


def _not_too_many(steps: Sequence[Done]) -> None:
    if sum(each.result is None for each in cases_of(steps)) >= MAX_OPEN:
        raise ConfigurationError("cases", got=f"{MAX_OPEN} open ones", expected="an answer to one of them first")


def _reason(why: str) -> str:
    text = why.strip()
    if not 0 < len(text) <= MAX_STATEMENT:
        raise ConfigurationError("why", got=f"{len(text)} characters", expected=f"1 to {MAX_STATEMENT}")
    return text
