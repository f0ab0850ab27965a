"""Profiles are data files: what is shipped says what the law says, and a file that is wrong names its key."""

from __future__ import annotations

from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.jurisdiction import Period, Request, Retained, load_profile, shipped_profiles
from federation.jurisdiction.load import parse_profile

US = (files("federation.jurisdiction.shipped") / "us-fcra.toml").read_text()
DAY = date(2026, 1, 30)  # a Friday


def test_three_profiles_are_shipped_each_with_sources_and_the_word_that_it_is_no_advice() -> None:
    assert shipped_profiles() == ("cn", "eu", "us-fcra")
    for name in shipped_profiles():
        profile = load_profile(name)
        assert profile.name == name
        assert "not legal advice" in profile.notice
        assert profile.sources


def test_the_figures_of_the_shipped_profiles() -> None:
    us, eu, cn = (load_profile(name) for name in ("us-fcra", "eu", "cn"))
    assert us.deadline(Request.DISPUTE, DAY) == date(2026, 3, 1)
    assert us.longer(Request.DISPUTE, date(2026, 3, 1)) == date(2026, 3, 16)
    assert us.furnisher is not None
    assert us.furnisher.within.after(DAY) == date(2026, 2, 6)
    assert (us.kept(Retained.ADVERSE).years, us.kept(Retained.INSOLVENCY).years) == (7, 10)
    assert us.inquirers.looking_back == Period(months=6)
    assert eu.deadline(Request.ERASURE, DAY) == date(2026, 2, 28)
    assert eu.longer(Request.ERASURE, date(2026, 2, 28)) == date(2026, 4, 28)
    assert cn.deadline(Request.DISPUTE, DAY) == date(2026, 2, 19)
    assert cn.kept(Retained.ADVERSE).until(date(2024, 2, 29)) == date(2029, 2, 28)
    with pytest.raises(ConfigurationError, match="more time"):
        cn.longer(Request.DISPUTE, DAY)


BROKEN = {
    "days = 30 }": ("days = -30 }", "requests.dispute.within.days"),
    "within = { days = 30 }\nlonger": ("within = { days = 30, months = 1 }\nlonger", "requests.dispute.within"),
    "longer = { days = 15 }\n": ("", "requests.dispute"),
    "not legal advice": "excellent advice",
    'name = "us-fcra"': ('name = "US FCRA"', "name"),
    "[requests.access]": ("[requests.acces]", "requests.acces"),
    'what = "cases"': ('what = "adverse"', ""),
    "by_law = true": ("by_law = true\nforever = true", "retention.0.forever"),
    "fedscore/jurisdiction/v1": ("fedscore/jurisdiction/v2", "format"),
    'title = "United': ("title = United", "us.toml"),
}


@pytest.mark.parametrize("found", sorted(BROKEN))
def test_a_profile_that_is_wrong_is_refused_and_its_key_named(found: str) -> None:
    to = BROKEN[found]
    text, where = to if isinstance(to, tuple) else (to, "")
    assert found in US
    parse_profile(US, source="us.toml")
    with pytest.raises(ConfigurationError) as raised:
        parse_profile(US.replace(found, text, 1), source="us.toml")
    assert raised.value.where.startswith("us.toml")
    assert where in raised.value.where


def test_a_profile_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(US.replace('name = "us-fcra"', 'name = "own"').replace("days = 30", "days = 10", 1))
    assert load_profile(own).deadline(Request.DISPUTE, DAY) == DAY + timedelta(days=10)
    with pytest.raises(ConfigurationError, match="one of cn, eu, us-fcra"):
        load_profile(tmp_path / "none.toml")


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(1, 60))
def test_business_days_are_monday_to_friday_and_months_keep_the_day_or_the_last_one(day: date, count: int) -> None:
    ended = Period(business_days=count).after(day)
    between = [day + timedelta(days=n) for n in range(1, (ended - day).days + 1)]
    assert ended.weekday() < 5
    assert sum(each.weekday() < 5 for each in between) == count
    later = Period(months=count).after(day)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == count
    assert later.day == day.day or (later + timedelta(days=1)).day == 1
    assert Period(days=count).before(Period(days=count).after(day)) == day
