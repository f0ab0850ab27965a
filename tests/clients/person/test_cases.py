"""Cases under their jurisdictions: deadlines, what may follow what, and whose case it is. The clock is passed in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from person_world import TODAY, new_home, people

from clients.institution.home import InstitutionHome
from clients.institution.person.case import Owed
from clients.institution.person.desk import MAX_OPEN, MAX_STATEMENT, Desk
from clients.institution.person.inquiries import Inquiry, to_be_told
from federation.errors import ConfigurationError, FederationError, RecordsError
from federation.jurisdiction import Request, load_profile
from federation.oversight.cases import Event


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


@pytest.fixture
def desk(home: InstitutionHome) -> Desk:
    return Desk.open(home)


def test_a_dispute_is_owed_by_the_days_of_the_act(desk: Desk, home: InstitutionHome) -> None:
    """15 U.S.C. 1681i: 30 days, 15 more; the furnisher within 5 business days. 2 March 2026 is a Monday."""
    case = desk.open_case(people(home)[0], Request.DISPUTE, ("age",), "I am 40", TODAY)
    owed = (Owed("furnisher", date(2026, 3, 9)), Owed("answer", date(2026, 4, 1)))
    assert case.owed(desk.profile) == owed
    assert not owed[1].late(date(2026, 4, 1))
    assert owed[1].late(date(2026, 4, 2))
    case = desk.furnisher_told(case.id, TODAY)
    case = desk.more_time(case.id, "her letter of today", TODAY + timedelta(days=20))
    assert case.owed(desk.profile) == (Owed("answer", date(2026, 4, 16)),)
    with pytest.raises(ConfigurationError, match="more-time"):
        desk.more_time(case.id, "again", TODAY)


@pytest.mark.parametrize(("name", "due"), [("eu", date(2026, 4, 2)), ("cn", date(2026, 3, 22))])
def test_other_places_have_other_days(tmp_path: Path, name: str, due: date) -> None:
    home = new_home(tmp_path, jurisdiction=name)
    case = Desk.open(home).open_case(people(home)[0], Request.DISPUTE, ("age",), "I am 40", TODAY)
    assert case.owed(Desk.open(home).profile) == (Owed("answer", due),)


def test_a_case_goes_its_way_once(desk: Desk, home: InstitutionHome) -> None:
    subject = people(home)[3]
    case = desk.open_case(subject, Request.DISPUTE, ("age",), "I am 40", TODAY)
    for early in (Event.TOLD, Event.NOTIFIED):
        with pytest.raises(ConfigurationError):
            case.check(early)
    case = desk.correct(case.id, subject, {"age": "40"}, "her passport", TODAY)
    assert (case.state, case.why) == ("decided", "her passport")
    case = desk.furnisher_told(case.id, TODAY)
    assert [each.what for each in case.owed(desk.profile)] == ["tell the person", "notices"]
    with pytest.raises(ConfigurationError, match="corrected"):
        desk.correct(case.id, subject, {"age": "41"}, "again", TODAY)
    case = desk.notified(case.id, [], TODAY)
    case = desk.told(case.id, TODAY)
    assert (case.state, case.owed(desk.profile)) == ("closed", ())
    with pytest.raises(ConfigurationError):
        desk.decide(case.id, Event.REJECTED, "after all not", TODAY)
    assert desk.case(case.id[:6]).to_json(desk.profile, TODAY)["steps"][1] == {
        "day": "2026-03-02",
        "event": "corrected",
    }


def test_nobody_gets_a_case_of_somebody_else(desk: Desk, home: InstitutionHome) -> None:
    one, other = people(home)[:2]
    case = desk.open_case(one, Request.DISPUTE, ("age",), "I am 40", TODAY)
    assert [each.id for each in desk.cases(one)] == [case.id]
    assert desk.cases(other) == ()
    for step in (
        lambda: desk.correct(case.id, other, {"age": "40"}, "why", TODAY),
        lambda: desk.erase(case.id, other, "why", TODAY),
    ):
        with pytest.raises(ConfigurationError, match="somebody else"):
            step()


def test_one_person_has_so_many_open_cases_and_others_are_not_kept_waiting(desk: Desk, home: InstitutionHome) -> None:
    one, other = people(home)[:2]
    cases = [desk.open_case(one, Request.REVIEW, (), "why", TODAY) for _ in range(MAX_OPEN)]
    with pytest.raises(ConfigurationError, match="open ones"):
        desk.open_case(one, Request.REVIEW, (), "why", TODAY)
    desk.open_case(other, Request.REVIEW, (), "why", TODAY)
    desk.decide(cases[0].id, Event.ANSWERED, "because", TODAY)
    desk.open_case(one, Request.REVIEW, (), "why", TODAY)


def test_those_are_told_who_inquired_in_the_period_of_the_profile() -> None:
    """15 U.S.C. 1681i(d): six months; GDPR, article 19: every recipient."""
    days = {"new": date(2026, 1, 2), "edge": date(2025, 9, 2), "old": date(2025, 9, 1)}
    times = {name: datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for name, day in days.items()}
    made = [
        Inquiry(name.encode().ljust(32), "bank-1", "credit-review", int(at.timestamp())) for name, at in times.items()
    ]
    told = {each.leaf.strip() for each in to_be_told(made, load_profile("us-fcra"), TODAY)}
    assert told == {b"new", b"edge"}
    assert len(to_be_told(made, load_profile("eu"), TODAY)) == 3


WRONG = {
    "a value out of range": ({"age": "400"}, RecordsError),
    "a value of another type": ({"age": "forty"}, RecordsError),
    "the identifier": ({"person_id": "P-1"}, ConfigurationError),
    "no column": ({"shoe_size": "40"}, ConfigurationError),
    "nothing": ({}, ConfigurationError),
    "too long a value": ({"age": "4" * 1000}, ConfigurationError),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_correction_that_would_break_the_record_is_refused_and_not_written(
    desk: Desk, home: InstitutionHome, name: str
) -> None:
    values, error = WRONG[name]
    subject = people(home)[0]
    case = desk.open_case(subject, Request.DISPUTE, (), "wrong", TODAY)
    with pytest.raises(error) as raised:
        desk.correct(case.id, subject, values, "why", TODAY)
    assert subject not in str(raised.value)
    assert desk.case(case.id).state == "open"


def test_what_is_no_case_is_said(desk: Desk, home: InstitutionHome, tmp_path: Path) -> None:
    subject = people(home)[0]
    for attempt in (
        lambda: desk.case("ffff"),
        lambda: desk.case(""),
        lambda: desk.open_case(subject, Request.DISPUTE, ("shoe_size",), "", TODAY),
        lambda: desk.open_case(subject, Request.DISPUTE, (), "x" * (MAX_STATEMENT + 1), TODAY),
        lambda: desk.open_case("", Request.DISPUTE, (), "", TODAY),
        lambda: Desk.open(new_home(tmp_path / "other", jurisdiction=None)),
    ):
        with pytest.raises(FederationError):
            attempt()
    assert desk.cases() == ()
