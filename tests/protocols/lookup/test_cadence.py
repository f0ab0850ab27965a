"""The cadence: which epoch a member signs after those it has signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import START, WEEK

from protocols.errors import StageError
from protocols.lookup.cadence import PastEpoch, check_turn
from protocols.lookup.manifest import EpochHeader, LayoutHeader
from protocols.lookup.parameters import Parameters

PARAMETERS = Parameters(engine="bfv")


def turn(past: list[PastEpoch], counter: int, opens_at: int, length: int = WEEK, now: float | None = None) -> None:
    layout = LayoutHeader.__new__(LayoutHeader)
    object.__setattr__(layout, "counter", counter)
    epoch = EpochHeader(bytes(32), bytes(32), ("a",), 1, 8, 8, opens_at, opens_at + length)
    check_turn(past, layout, epoch, PARAMETERS, opens_at if now is None else now)


ANSWERED = PastEpoch(1, bytes(32), START, START + WEEK, tickets=5, erased=True)


def test_the_first_epoch_and_the_next_in_turn_are_signed() -> None:
    turn([], 1, START)
    turn([ANSWERED], 2, START + WEEK)


def test_an_emergency_epoch_is_refused() -> None:
    with pytest.raises(StageError, match="epoch 1"):
        turn([ANSWERED], 2, START + 3600)
    early = replace(ANSWERED, closes_at=START + 60)
    with pytest.raises(StageError, match=f"{WEEK} s after"):
        turn([early], 2, START + 3600)
    long = replace(ANSWERED, closes_at=START + 2 * WEEK)
    with pytest.raises(StageError, match="it is open till then"):
        turn([long], 2, START + WEEK)
    with pytest.raises(StageError, match="an epoch of 60 s"):
        turn([ANSWERED], 2, START + WEEK, length=60)


def test_no_epoch_while_secrets_of_an_older_one_are_kept() -> None:
    with pytest.raises(StageError, match="not erased"):
        turn([replace(ANSWERED, erased=False)], 2, START + WEEK)


def test_an_epoch_that_gave_no_ticket_away_is_followed_at_once() -> None:
    turn([replace(ANSWERED, tickets=0)], 2, START + 60)
    with pytest.raises(StageError, match="not erased"):
        turn([replace(ANSWERED, tickets=0, erased=False)], 2, START + 60)


def test_a_counter_serves_once_and_the_past_stays_past() -> None:
    for counter in (1, 0):
        with pytest.raises(StageError, match=r"layout\.counter"):
            turn([ANSWERED], counter, START + WEEK)
    with pytest.raises(StageError, match="opens_at"):
        turn([ANSWERED], 2, START + WEEK, now=START + 3 * WEEK)
    with pytest.raises(StageError, match="opens_at"):
        turn([ANSWERED], 2, START + 9 * WEEK, now=START + WEEK)


def test_an_epoch_is_about_to_be_open() -> None:
    """Neither long past when it is signed, nor a cadence away: what is signed ahead of time is opened when it suits."""
    turn([], 1, START, now=START + WEEK // 2)
    with pytest.raises(StageError, match="opens_at"):
        turn([], 1, START, now=START + WEEK // 2 + 1)
    turn([], 1, START, now=START - WEEK)
    with pytest.raises(StageError, match="opens_at"):
        turn([], 1, START, now=START - WEEK - 1)


def test_an_epoch_that_is_dated_back_would_have_another_follow_within_the_minute() -> None:
    """A cadence old on paper: it would answer tickets for a minute, and whom the next leaves out is the difference."""
    dated_back = replace(ANSWERED, opens_at=START - WEEK + 60, closes_at=START + 60)
    turn([dated_back], 2, START + 60)
    with pytest.raises(StageError, match="opens_at"):
        turn([], 1, dated_back.opens_at, now=START)
