"""A new ledger does not make a new budget: what was spent under an old key counts, and the old ledger ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_samples import (
    INSTITUTION,
    KEY,
    NOW,
    SettableClock,
    adding,
    answer,
    memory_ledger,
    open_ledger,
    release,
    update_hash,
)

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Caps, Carried, Kind, Ledger, Scope, SignedEntry, Successor, read_ledger
from federation.ledger.book import Book
from federation.ledger.entries import Entry, read_entry, sign_entry
from federation.ledger.summary import summarise
from federation.privacy.event import GaussianEvent
from protocols.signing import SigningKey

CAPS = Caps(run=10, year=6, lifetime=8, delta=1e-5)
NEW = SigningKey.from_seed(b"n" * 32)
THIRD = SigningKey.from_seed(b"t" * 32)


def successor(key: SigningKey = NEW) -> Successor:
    return Successor(INSTITUTION, key.public.hex)


def handed_on(old: Ledger, key: SigningKey = NEW, clock: SettableClock | None = None) -> Ledger:
    new = open_ledger("sqlite://", CAPS, clock, key)
    new.carry(old.retire(successor(key)))
    return new


def test_homes_one_after_the_other_share_one_lifetime() -> None:
    """Three homes, each with a whole new cap: the attack. The third run of 3 does not fit the lifetime of 8."""
    first = memory_ledger(CAPS)
    answer(first, release(1, run_id="r0", cost=3))
    second = handed_on(first)
    answer(second, release(1, run_id="r1", cost=3))
    third = handed_on(second, THIRD)
    assert third.claims("lifetime").pld == 6
    with pytest.raises(BudgetExceeded, match="year"):
        third.reserve(release(1, run_id="r2", cost=3))
    for ledger in (first, second, third):
        ledger.verify(recompute=True)


def test_nothing_can_be_spent_in_the_old_one() -> None:
    old = memory_ledger(CAPS)
    under_way = old.reserve(release(1, cost=2))
    new = handed_on(old)
    for act in (
        lambda: old.reserve(release(2)),
        lambda: old.spend(under_way, update_hash(1), b"late"),
        lambda: old.refuse("late", "deadline", got=1, expected=2),
    ):
        with pytest.raises(LedgerError):
            act()
    with pytest.raises(LedgerError, match=f"retired, carried on under key {NEW.public.key_id}"):
        old.reserve(release(2))
    assert [s.entry.kind for s in old.entries()] == [Kind.RESERVE, Kind.UNKNOWN, Kind.RETIRE]
    assert new.claims("lifetime").pld == 2
    assert old.recover() == 0
    assert old.verify(recompute=True).entries == 3


def test_an_old_ledger_is_carried_once() -> None:
    old = memory_ledger(CAPS)
    answer(old, release(1))
    carried = old.retire(successor())
    assert old.retire(successor()) == carried  # an interrupted init goes on
    with pytest.raises(LedgerError, match=NEW.public.key_id):
        old.retire(successor(THIRD))


def test_carrying_again_changes_nothing_and_carrying_late_is_refused() -> None:
    old = memory_ledger(CAPS)
    answer(old, release(1))
    new = handed_on(old)
    carried = new.entries()[0].entry.carry
    assert carried is not None
    new.carry(carried)
    assert len(new.entries()) == 1
    with pytest.raises(LedgerError, match="carry: got a ledger of 1 entries"):
        new.carry(replace(carried, entries=9))
    used = open_ledger("sqlite://", CAPS, key=THIRD)
    answer(used, release(1))
    with pytest.raises(LedgerError, match="carry: got a ledger of 2 entries"):
        used.carry(carried)


def test_each_year_counts_in_its_year() -> None:
    clock = SettableClock(datetime(2024, 6, 1, tzinfo=UTC))
    old = memory_ledger(CAPS, clock)
    answer(old, release(1, run_id="r0", cost=4))
    clock.now = NOW
    answer(old, release(1, run_id="r1", cost=2))
    new = handed_on(old, clock=clock)
    assert [new.claims("year", year).pld for year in ("2024", "2025", "2026")] == [4, 2, 0]
    assert new.claims("lifetime").pld == 6
    answer(new, release(1, run_id="r2", cost=2))
    with pytest.raises(BudgetExceeded, match="lifetime"):
        new.reserve(release(1, run_id="r3"))
    new.verify(recompute=True)


def test_more_than_todays_caps_is_carried_all_the_same_and_allows_nothing() -> None:
    old = memory_ledger(Caps(run=50, year=50, lifetime=50, delta=1e-5))
    answer(old, release(1, cost=40))
    new = handed_on(old)
    assert new.claims("lifetime").remaining == 0
    with pytest.raises(BudgetExceeded):
        new.reserve(release(1))
    new.verify(recompute=True)


def test_a_home_that_spent_nothing_ends_too() -> None:
    old = memory_ledger(CAPS)
    new = handed_on(old)
    assert new.claims("lifetime").pld == 0
    with pytest.raises(LedgerError, match="retired"):
        old.reserve(release(1))
    assert new.verify(recompute=True).entries == 1


def test_it_survives_a_reopening_and_reads_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    old = memory_ledger(CAPS)
    answer(old, release(1, cost=5))
    new = open_ledger(url, CAPS, key=NEW)
    new.carry(old.retire(successor()))
    new.close()
    assert open_ledger(url, CAPS, key=NEW).claims("year").pld == 5
    reading = read_ledger(url, institution=INSTITUTION, key=NEW.public, accountant=adding)
    summary = summarise(reading.entries, reading.book, caps=CAPS, now=NOW)
    assert summary.carried is not None
    assert (summary.carried.key_id, summary.carried.head, summary.carried.entries) == (KEY.public.key_id, old.head, 3)
    assert json.loads(json.dumps(summary.to_json()))["carried"]["years"]["2025"][0]["steps"] == 5
    book = Book(INSTITUTION, KEY.public)
    for signed in old.entries():
        book.append(signed)
    assert summarise(old.entries(), book, caps=CAPS, now=NOW).successor == successor()
    for signed in (*reading.entries, *old.entries()):
        assert read_entry(signed.text, signed.hash, signed.signature) == signed


# What the institution itself may try, with its own new key.


def carry_entry() -> Entry:
    old = memory_ledger(CAPS)
    answer(old, release(1, cost=3))
    return handed_on(old).entries()[0].entry


def appended(entry: Entry, *before: SignedEntry) -> None:
    book = Book(INSTITUTION, NEW.public, adding)
    for signed in before:
        book.append(signed)
    book.append(sign_entry(entry, NEW))


def test_lies_about_what_is_carried_are_named() -> None:
    entry = carry_entry()
    carry = entry.carry
    assert carry is not None
    cheaper = tuple(replace(amount, pld=1.0, rdp=1.0) for amount in entry.amounts)
    later = replace(carry, years=(("2026", carry.years[0][1]),), deltas=(("2026", 1e-5),))
    for lie, message in (
        (replace(entry, amounts=cheaper), r"amounts\.year\.pld"),
        (replace(entry, amounts=entry.amounts[:1]), "entry 1: amounts"),
        (replace(entry, carry=replace(carry, key=NEW.public.hex)), r"carry\.key"),
        (replace(entry, carry=later), r"carry\.years: got 2026"),
        (replace(entry, carry=replace(carry, deltas=None)), r"carry\.deltas"),
        (replace(entry, carry=None), "entry 1: carry"),
        (replace(entry, kind=Kind.RESERVE), "entry 1: carry"),
        (replace(entry, release=release(1)), "entry 1: release"),
        (replace(entry, successor=successor(THIRD)), "entry 1: successor"),
    ):
        with pytest.raises(LedgerError, match=message):
            appended(lie)
    appended(entry)


def test_a_second_carrying_and_an_entry_after_the_end_are_named() -> None:
    first = sign_entry(carry_entry(), NEW)
    second = replace(first.entry, sequence=2, previous=first.hash)
    with pytest.raises(LedgerError, match="entry 2: sequence"):
        appended(second, first)
    old = memory_ledger(CAPS)
    answer(old, release(1))
    old.retire(successor())
    last = old.entries()[-1]
    book = Book(INSTITUTION, KEY.public)
    for signed in old.entries():
        book.append(signed)
    again = replace(last.entry, sequence=last.entry.sequence + 1, previous=last.hash)
    with pytest.raises(LedgerError, match="none after the ledger was retired"):
        book.append(sign_entry(again, KEY))


def test_a_ledger_does_not_end_while_work_is_under_way() -> None:
    old = memory_ledger(CAPS)
    old.reserve(release(1))
    opened = old.entries()[0]
    book = Book(INSTITUTION, KEY.public)
    book.append(opened)
    end = replace(opened.entry, sequence=2, previous=opened.hash, kind=Kind.RETIRE, release=None, successor=successor())
    with pytest.raises(LedgerError, match="1 open reservations"):
        book.append(sign_entry(end, KEY))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "ab"}, "carry.key"),
        ({"head": "x" * 64}, "carry.head"),
        ({"entries": 0}, "carry.entries"),
        ({"years": (("2025", ()),)}, "carry.years.2025"),
        ({"years": (("next", (GaussianEvent(1.0, 1.0, 1),)),)}, "carry.years"),
        ({"years": (("2025", (GaussianEvent(1.0, 1.0, 1),) * 2),)}, "carry.years.2025"),
        ({"years": (("2025", (GaussianEvent(1.0, 1.0, 1),)), ("2024", (GaussianEvent(1.0, 1.0, 1),)))}, "carry.years"),
    ],
)
def test_what_is_carried_has_one_form(changes: dict[str, object], field: str) -> None:
    good = Carried(INSTITUTION, KEY.public.hex, "a" * 64, 3, (("2025", (GaussianEvent(1.0, 1.0, 1),)),))
    assert Carried.from_json(good.to_json()) == good
    with pytest.raises(LedgerError) as caught:
        replace(good, **changes)  # type: ignore[arg-type]
    assert caught.value.where == field


def test_a_ledger_that_was_never_opened_claims_nothing() -> None:
    assert {scope: memory_ledger(CAPS).claims(scope, "r").pld for scope in Scope} == dict.fromkeys(Scope, 0.0)
