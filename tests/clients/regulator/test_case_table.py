"""People's cases on the regulator's pages: counted by age, red where late or where the chain does not follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from clients.regulator.line import read_line
from clients.regulator.pages.cases import cases
from clients.regulator.pages.material import Material
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Row
from federation.oversight.cases import CaseStep, Event, commitment, first_previous
from protocols.signing import SigningKey

KEY, OTHER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2))
TODAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


def chain(*said: tuple[str, Event, int, int | None], key: SigningKey = KEY) -> list[bytes]:
    """Entries of bank-a: (case, event, days ago, days until due)."""
    previous, found = first_previous("bank-a"), []
    for sequence, (case, event, ago, due) in enumerate(said, start=1):
        step = CaseStep(
            institution="bank-a",
            sequence=sequence,
            previous=previous,
            case=case * 32,
            event=event,
            day=(TODAY - timedelta(days=ago)).isoformat(),
            due="" if due is None else (TODAY + timedelta(days=due)).isoformat(),
            commitment=commitment(bytes(32), {}),
        )
        entry = step.sign(key)
        previous = entry.hash.hex()
        found.append(entry.data)
    return found


def rows(entries: list[bytes]) -> tuple[Row, ...]:
    material = Material()
    for index, data in enumerate(entries):
        material.take(read_line(index, data))
    return cases(cast(View, SimpleNamespace(material=material)), NOW).rows


def counts(row: Row) -> dict[str, Any]:
    return {name: count for name, count in row.values.items() if count}


SAID = [
    ("a", Event.OPENED, 10, 20),
    ("b", Event.OPENED, 20, 10),
    ("c", Event.OPENED, 40, -10),
    ("d", Event.OPENED, 50, -20),
    ("e", Event.OPENED, 60, -30),
    ("d", Event.MORE_TIME, 25, 5),
    ("e", Event.CORRECTED, 40, None),
    ("e", Event.TOLD, 39, None),
]


def test_cases_are_counted_by_age_and_the_late_ones_are_red() -> None:
    (row,) = rows(chain(*SAID))
    expected = {"to_15": 1, "to_30": 1, "to_45": 1, "older": 1, "late": 1, "closed": 1}
    assert counts(row) == {"institution": "bank-a", **expected}
    assert row.red == "1 not answered in time"


def test_an_answer_of_the_last_day_has_time_to_arrive() -> None:
    assert [rows(chain(("c", Event.OPENED, 40, -ago)))[0].values["late"] for ago in (1, 2, 3)] == [0, 0, 1]


def test_a_case_that_is_answered_is_not_late_any_more() -> None:
    (row,) = rows(chain(*SAID, ("c", Event.REJECTED, 0, None)))
    assert (row.values["late"], row.values["decided"], row.red) == (0, 1, "")


def test_a_late_case_is_not_made_timely_by_more_time_or_an_earlier_date() -> None:
    """An institution with a program of its own may sign such steps; its own desk takes none (`Desk.more_time`)."""
    late = ("c", Event.OPENED, 40, -10)
    (row,) = rows(chain(late, ("c", Event.MORE_TIME, 5, 10)))
    assert row.red == "1 not answered in time"
    longer = ("c", Event.MORE_TIME, 12, -3)
    (row,) = rows(chain(late, longer, ("c", Event.MORE_TIME, 3, 10)))  # once, not twice
    assert row.red == "1 not answered in time"
    (row,) = rows(chain(late, longer, ("c", Event.REJECTED, 11, None), ("c", Event.TOLD, 12, None)))
    assert "log entry 3: step 4 is dated before the one before" in row.red


def test_a_step_that_is_left_out_is_red_with_its_place() -> None:
    entries = chain(*SAID)
    (row,) = rows(entries[:2] + entries[3:])
    assert "log entry 2: step 4 does not follow" in row.red
    (row,) = rows([entries[1], entries[0], *entries[2:]])  # the log's order is not the chain's
    assert "follow" not in row.red


def test_a_new_home_begins_a_new_chain_and_a_step_of_another_form_is_left_out() -> None:
    assert len(rows(chain(*SAID[:1]) + chain(*SAID[:1], key=OTHER))) == 2
    odd = replace(CaseStep.from_json(read_line(0, chain(*SAID[:1])[0]).content), event=Event.TOLD).sign(KEY)
    assert len(rows([odd.data, odd.data.replace(b"told", b"gone")])) == 1
    assert rows([]) == ()
