"""Deadlines from the side of an institution that would rather not be late on paper."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from person_world import TODAY, new_home, people

from clients.institution.home import InstitutionHome
from clients.institution.person.case import Owed
from clients.institution.person.desk import Desk
from federation.errors import ConfigurationError
from federation.jurisdiction import Request, load_profile
from federation.oversight.cases import Event


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


def test_more_time_is_taken_while_there_is_time_and_never_afterwards(home: InstitutionHome) -> None:
    """A case that is late would be late no more: 15 U.S.C. 1681i(a)(1)(B) and GDPR 12(3) have it said in the period."""
    desk, subject = Desk.open(home), people(home)[0]
    late, due = desk.open_case(subject, Request.DISPUTE, (), "no", TODAY), TODAY + timedelta(days=30)
    with pytest.raises(ConfigurationError, match="more time"):
        desk.more_time(late.id, "it was a busy month", due + timedelta(days=1))
    assert any(each.late(due + timedelta(days=1)) for each in desk.case(late.id).owed(desk.profile))
    assert desk.more_time(late.id, "her letter of today", due).due == due + timedelta(days=15)


def test_steps_are_not_dated_back(home: InstitutionHome) -> None:
    desk, subject = Desk.open(home), people(home)[0]
    case = desk.open_case(subject, Request.REVIEW, (), "why", TODAY)
    with pytest.raises(ConfigurationError, match="day"):
        desk.decide(case.id, Event.ANSWERED, "because", TODAY - timedelta(days=1))


def test_whoever_gave_the_data_is_told_also_where_the_answer_was_quick(home: InstitutionHome) -> None:
    """15 U.S.C. 1681i(a)(2): within 5 business days of the dispute, decided or not, unless it was deleted in three."""
    desk, subject = Desk.open(home), people(home)[0]
    case = desk.open_case(subject, Request.DISPUTE, (), "no", TODAY)
    case = desk.decide(case.id, Event.REJECTED, "it is so", TODAY + timedelta(days=1))
    assert Owed("furnisher", date(2026, 3, 9)) in case.owed(desk.profile)
    case = desk.furnisher_told(case.id, TODAY + timedelta(days=2))
    assert [each.what for each in case.owed(desk.profile)] == ["tell the person"]
    gone = desk.open_case(people(home)[1], Request.DISPUTE, (), "not mine", TODAY)
    gone = desk.erase(gone.id, people(home)[1], "not hers", TODAY + timedelta(days=1))
    assert "furnisher" not in [each.what for each in gone.owed(desk.profile)]


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", date(2026, 3, 1)), ("UTC", TODAY), ("Asia/Shanghai", date(2026, 3, 2))]
)
def test_a_day_is_a_day_where_the_institution_is(home: InstitutionHome, zone: str, day: date) -> None:
    """At three in the morning of 2 March in London it is 1 March in New York, and the clock began there."""
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text() + f'time_zone = "{zone}"\n')
    desk = Desk.open(InstitutionHome.open(home.path))
    assert desk.day(datetime(2026, 3, 2, 3, tzinfo=UTC).timestamp()) == day
    assert desk.day(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) == TODAY


def test_a_time_zone_that_is_none_is_refused(home: InstitutionHome) -> None:
    settings = home.path / "institution.toml"
    text = settings.read_text()
    for wrong in ("Mars/Olympus", "../../etc/passwd", ""):
        settings.write_text(text + f'time_zone = "{wrong}"\n')
        with pytest.raises(ConfigurationError, match="time_zone"):
            InstitutionHome.open(home.path)


def test_seven_years_begin_when_the_act_says() -> None:
    (adverse,) = (rule for rule in load_profile("us-fcra").retention if rule.what == "adverse")
    assert "180 days after the delinquency" in adverse.counted_from
    assert "1681c(c)(1)" in adverse.source
