"""Entries that are well signed, by the institution itself, and still break a rule of the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ledger_samples import (
    INSTITUTION,
    KEY,
    NOW,
    adding,
    answer,
    event,
    memory_ledger,
    release,
    update_hash,
)

from federation.errors import LedgerError
from federation.ledger import Amount, Kind, Refusal, Scope, SignedEntry
from federation.ledger.book import Book
from federation.ledger.budget import order_of
from federation.ledger.entries import LABEL, Entry, genesis, read_entry, sign_entry
from protocols.canonical import canonical, digest


def amounts(pld: float = 1.0, cap: float = 10.0) -> tuple[Amount, ...]:
    keys = {Scope.RUN: "run-1", Scope.YEAR: "2025", Scope.LIFETIME: ""}
    return tuple(
        Amount(scope, key, 1e-5, cap, pld, pld, 1.1 * pld if scope is Scope.RUN else pld, order_of(scope, cap, 1e-5))
        for scope, key in keys.items()
    )


def entry(kind: Kind, after: SignedEntry | None = None, **changes: object) -> SignedEntry:
    values: dict[str, object] = {
        "sequence": after.entry.sequence + 1 if after else 1,
        "previous": after.hash if after else genesis(INSTITUTION),
        "institution": INSTITUTION,
        "time": NOW,
        "kind": kind,
        "amounts": amounts(),
        "key_id": KEY.public.key_id,
        "code_version": "1",
        "release": release(1, attempt=1),
    }
    return sign_entry(Entry(**{**values, **changes}), KEY)  # type: ignore[arg-type]


RESERVED = entry(Kind.RESERVE)
SPENT = entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash, update_hash=update_hash(1))
LOST = entry(Kind.UNKNOWN, RESERVED, reservation=RESERVED.hash)
WHY = Refusal("late", "deadline", "1", "0")


def refused(asked: Amount | None = None, **changes: object) -> SignedEntry:
    """An honest refusal before anything was charged, but for `changes`."""
    nothing = tuple(replace(amount, pld=0.0, prv=0.0, rdp=0.0) for amount in amounts()[1:])
    return entry(Kind.REFUSE, **{"amounts": nothing, "refusal": replace(WHY, asked=asked), **changes})


def twice(first: Amount) -> tuple[Amount, ...]:
    """The honest amounts behind one that a careless reader would take for the run's."""
    return (first, *amounts())


def book(*entries: SignedEntry) -> Book:
    filled = Book(INSTITUTION, KEY.public, adding)
    for signed in entries:
        filled.append(signed)
    return filled


def after_spend(**changes: object) -> SignedEntry:
    return entry(Kind.RESERVE, SPENT, **{"release": release(2, attempt=1), "amounts": amounts(2.0), **changes})


def test_the_samples_obey_the_rules() -> None:
    assert book(RESERVED, SPENT, after_spend()).length == 3
    assert book(RESERVED, LOST).charges(Scope.LIFETIME, "") == {event(): 1}


BROKEN: dict[str, tuple[Callable[[], tuple[SignedEntry, ...]], str]] = {
    "amount understated": (lambda: (RESERVED, SPENT, after_spend(amounts=amounts(1.5))), r"entry 3: amounts.run.pld"),
    "amount decreased": (lambda: (RESERVED, SPENT, after_spend(amounts=amounts(0.5))), "entry 3: amounts.run: got 0.5"),
    "cap passed": (lambda: (entry(Kind.RESERVE, amounts=amounts(1.0, cap=0.5)),), "at most the cap 0.5"),
    "charged to another year": (lambda: (entry(Kind.RESERVE, time=NOW.replace(year=2026)),), "entry 1: amounts"),
    "charged to no scope": (lambda: (entry(Kind.RESERVE, amounts=()),), "entry 1: amounts"),
    "time runs backwards": (
        lambda: (RESERVED, entry(Kind.UNKNOWN, RESERVED, reservation=RESERVED.hash, time=NOW.replace(hour=1))),
        "entry 2: time",
    ),
    "round reserved twice": (
        lambda: (RESERVED, entry(Kind.RESERVE, RESERVED, release=release(1, attempt=2), amounts=amounts(2.0))),
        "under way",
    ),
    "answered round reserved": (
        lambda: (RESERVED, SPENT, after_spend(release=release(1, attempt=2))),
        "answered already",
    ),
    "older version after a newer": (
        lambda: (RESERVED, SPENT, after_spend(version=2)),
        "version: got 2, expected at least",
    ),
    "a new phase under the old version": (
        lambda: (entry(Kind.RESERVE, release=release(1, attempt=1, phase="audit"), version=2),),
        "release.phase: got audit",
    ),
    "a delta that could publish somebody": (
        lambda: (entry(Kind.RESERVE, release=release(1, attempt=1, nominal_records=10_001)),),
        "release.delta: got 1e-05, expected at most 1e-05 for 10001",
    ),
    "a cap's delta that could": (
        lambda: (
            entry(
                Kind.RESERVE,
                release=release(1, attempt=1, nominal_records=20_000, delta=1e-6),
                amounts=(replace(amounts()[0], delta=1e-6), *amounts()[1:]),
            ),
        ),
        "release.delta: got 1e-05, expected at most 5e-06 for 20000",
    ),
    "a cap measured at no delta": (
        lambda: (entry(Kind.RESERVE, amounts=tuple(replace(each, delta=0.0) for each in amounts())),),
        "entry 1: amounts.run: got delta 0.0",
    ),
    "a negative delta": (
        lambda: (entry(Kind.RESERVE, amounts=(amounts()[0], *(replace(each, delta=-1.0) for each in amounts()[1:]))),),
        "entry 1: amounts.year: got delta -1.0",
    ),
    "a refusal at no delta": (
        lambda: (refused(asked=replace(amounts()[1], delta=0.0)),),
        "entry 1: amounts.year: got delta 0.0",
    ),
    "a cap of nothing": (
        lambda: (entry(Kind.RESERVE, amounts=tuple(replace(each, cap=0.0) for each in amounts())),),
        "cap 0.0",
    ),
    "attempt skipped": (lambda: (entry(Kind.RESERVE, release=release(1, attempt=2)),), "attempt: got 2, expected 1"),
    "reserve without a release": (lambda: (entry(Kind.RESERVE, release=None),), "entry 1: release"),
    "spend without a reservation": (
        lambda: (entry(Kind.SPEND, reservation="e" * 64, update_hash="f" * 64),),
        "reservation",
    ),
    "spend twice": (
        lambda: (RESERVED, SPENT, entry(Kind.SPEND, SPENT, reservation=RESERVED.hash, update_hash="f" * 64)),
        "entry 3: reservation",
    ),
    "spend of a refusal": (
        lambda: (
            refused(release=None),
            entry(Kind.SPEND, refused(release=None), reservation="e" * 64),
        ),
        "entry 2: reservation",
    ),
    "spend of another release": (
        lambda: (
            RESERVED,
            entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash, update_hash="f" * 64, release=release(2, attempt=1)),
        ),
        "entry 2: release",
    ),
    "spend without an outcome": (
        lambda: (RESERVED, entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash)),
        "update_hash",
    ),
    "spend with both outcomes": (
        lambda: (
            RESERVED,
            entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash, update_hash="f" * 64, error="internal"),
        ),
        "update_hash",
    ),
    "lost, yet with an update": (
        lambda: (RESERVED, entry(Kind.UNKNOWN, RESERVED, reservation=RESERVED.hash, update_hash="f" * 64)),
        "update_hash",
    ),
    "spend that gives budget back": (
        lambda: (
            RESERVED,
            entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash, update_hash="f" * 64, amounts=amounts(0.0)),
        ),
        "entry 2: amounts.run",
    ),
    "refusal without a reason": (lambda: (entry(Kind.REFUSE, amounts=()),), "entry 1: refusal"),
    "refusal that computed": (
        lambda: (entry(Kind.REFUSE, amounts=(), refusal=WHY, update_hash="f" * 64),),
        "entry 1: reservation, update_hash, error",
    ),
    "refusal that charged": (lambda: (refused(amounts=amounts()[1:]),), "entry 1: amounts.year"),
    "refusal with an amount of a run that it does not name": (
        lambda: (refused(amounts=amounts()),),
        "entry 1: amounts",
    ),
    "two amounts of a run": (lambda: (entry(Kind.RESERVE, amounts=twice(amounts(0.0)[0])),), "entry 1: amounts:"),
    "two amounts of a lifetime": (
        lambda: (entry(Kind.RESERVE, amounts=(*amounts(), amounts()[2])),),
        "entry 1: amounts:",
    ),
    "amounts in another order": (lambda: (entry(Kind.RESERVE, amounts=amounts()[::-1]),), "entry 1: amounts:"),
    "two amounts in a spend": (
        lambda: (
            RESERVED,
            entry(Kind.SPEND, RESERVED, reservation=RESERVED.hash, update_hash="f" * 64, amounts=twice(amounts()[0])),
        ),
        "entry 2: amounts:",
    ),
    "a run at a larger delta than its release's": (
        lambda: (entry(Kind.RESERVE, release=release(1, attempt=1, delta=1e-8)),),
        "entry 1: amounts.run.delta: got 1e-05, expected 1e-08",
    ),
    "refusal below the cap": (
        lambda: (refused(asked=amounts()[0]),),
        "refusal.asked",
    ),
    "gap": (lambda: (SPENT,), "entry 2: sequence"),
    "fork": (lambda: (RESERVED, replace_previous(SPENT)), "entry 2: previous"),
}


def replace_previous(signed: SignedEntry) -> SignedEntry:
    return sign_entry(replace(signed.entry, previous="0" * 64), KEY)


@pytest.mark.parametrize("name", BROKEN)
def test_a_well_signed_entry_that_breaks_a_rule_is_named(name: str) -> None:
    make, message = BROKEN[name]
    with pytest.raises(LedgerError, match=message):
        book(*make())


def test_without_the_rule_the_lie_would_pass() -> None:
    """The control: an understated amount is well formed, well signed and in order; only the accounting tells."""
    lie = after_spend(amounts=amounts(1.5))
    trusting = Book(INSTITUTION, KEY.public)
    for signed in (RESERVED, SPENT, lie):
        trusting.append(signed)
    assert trusting.length == 3


def test_signatures_may_be_judged_elsewhere_but_never_hashes() -> None:
    forged = read_entry(RESERVED.text, RESERVED.hash, bytes(64))
    with pytest.raises(LedgerError, match="entry 1: signature"):
        book(forged)
    by_place = Book(INSTITUTION, KEY.public, signatures=False)
    by_place.append(forged)
    assert by_place.length == 1
    with pytest.raises(LedgerError, match="entry 1: hash"):
        Book(INSTITUTION, KEY.public, signatures=False).append(replace(forged, hash="0" * 64))


def test_entries_travel_as_canonical_text() -> None:
    ledger = memory_ledger()
    answer(ledger, release(1))
    ledger.refuse("late", "deadline", got="ü", expected="\u2028", run_id="run-1")
    for signed in ledger.entries():
        again = read_entry(signed.text, signed.hash, signed.signature)
        assert again == signed
        assert signed.to_json()["hash"] == digest(LABEL, canonical(signed.to_json()["entry"])).hex()
