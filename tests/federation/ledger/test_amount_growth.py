"""What a verifier of many entries does without a copy of each amount is what the copy would say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.ledger.budget import Amount, Scope
from federation.ledger.entries import format_time, parse_time

FIGURE = st.one_of(st.sampled_from([0.0, 0.5, 1.0, math.inf]), st.floats(0.0, 2.0))
AMOUNTS = st.builds(
    Amount, st.just(Scope.YEAR), st.just("2026"), st.just(1e-6), st.just(3.0), FIGURE, FIGURE, FIGURE,
    st.sampled_from([None, 8, 9]),
)  # fmt: skip


@given(AMOUNTS, AMOUNTS)
def test_an_amount_covers_an_earlier_one_exactly_where_it_needs_no_rise(amount: Amount, earlier: Amount) -> None:
    assert amount.covers(earlier) == (amount.at_least(earlier) == amount)
    assert amount.at_least(earlier).covers(earlier)
    assert amount.covers(amount)


def test_figures_of_another_order_are_not_compared() -> None:
    amount = Amount(Scope.YEAR, "2026", 1e-6, 3.0, 1.0, 1.0, 1.0, 8)
    assert not amount.covers(replace(amount, rdp=2.0))
    assert amount.covers(replace(amount, rdp=2.0, order=9))


@given(st.datetimes(), st.integers(-12, 12))
def test_a_time_is_read_as_it_was_written_in_utc(time: datetime, hours: int) -> None:
    if not datetime(2, 1, 1) < time < datetime(9998, 1, 1):  # noqa: DTZ001
        return
    aware = time.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = format_time(aware)
    assert parse_time(text) == aware
    assert len(text) == len("2026-01-01T00:00:00.000000Z")
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.5Z",
        "2026-01-01T00:00:00.000000",
        "2026-01-01T00:00:00.000000+00:00",
        "2026-01-01T01:00:00.000000+01:00",
        "2026-01-01 00:00:00.000000Z",
        "20260101T000000.000000Z",
        "2026-W01-1",
        "",
    ],
)
def test_a_time_in_another_form_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (read_entry names it)
        parse_time(text)
