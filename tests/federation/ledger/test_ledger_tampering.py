"""What a ledger notices when somebody with the database's password, or the institution itself, rewrites it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_samples import (
    CAPS,
    INSTITUTION,
    KEY,
    NOW,
    adding,
    answer,
    memory_ledger,
    open_ledger,
    release,
    update_hash,
)

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Amount, Caps, Kind, Refusal, Scope, SignedEntry, read_ledger
from federation.ledger.book import Book
from federation.ledger.budget import order_of
from federation.ledger.entries import LABEL, Entry, genesis, read_entry, sign_entry
from protocols.canonical import canonical, digest
from protocols.signing import SigningKey

THIEF = SigningKey.from_seed(bytes(32))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger of seven entries: three answered rounds and a refusal."""
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}", Caps(run=10, year=20, lifetime=3, delta=1e-5))
    for round in (1, 2, 3):
        answer(ledger, release(round))
    with pytest.raises(BudgetExceeded):
        ledger.reserve(release(4))
    ledger.close()
    return path


def rewrite(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """What an administrator of the database can do: drop the triggers first."""
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


def verify(path: Path, key: SigningKey = KEY) -> int:
    return len(read_ledger(f"sqlite:///{path}", institution=INSTITUTION, key=key.public, accountant=adding).entries)


def text_of(path: Path, sequence: int) -> str:
    with sqlite3.connect(path) as connection:
        return str(connection.execute("SELECT text FROM ledger_entries WHERE sequence = ?", (sequence,)).fetchone()[0])


def cheaper(path: Path) -> str:
    """Entry 3 with a tenth of its amounts."""
    value = json.loads(text_of(path, 3))
    for amount in value["amounts"]:
        amount["pld"] = 0.1
    return canonical(value).decode()


def test_as_written_it_verifies(file: Path) -> None:
    assert verify(file) == 7


@pytest.mark.parametrize("recover", [True, False])
def test_opening_verifies_with_and_without_recovery(file: Path, recover: bool) -> None:
    rewrite(file, ("DELETE FROM ledger_entries WHERE sequence = ?", (4,)))
    with pytest.raises(LedgerError, match="entry 5: sequence"):
        open_ledger(f"sqlite:///{file}", recover=recover)


@pytest.mark.parametrize("statement", ["UPDATE {} SET reply = ''", "DELETE FROM {}"])
def test_the_database_refuses_to_change_a_reply(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.DatabaseError, match="append-only"):
        connection.execute(statement.format("ledger_replies"))


@pytest.mark.parametrize("statement", ["UPDATE {} SET text = ''", "DELETE FROM {}"])
def test_the_database_refuses_to_change_an_entry(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.DatabaseError, match="append-only"):
        connection.execute(statement.format("ledger_entries"))


def test_a_changed_amount_breaks_the_hash(file: Path) -> None:
    rewrite(file, ("UPDATE ledger_entries SET text = ? WHERE sequence = 3", (cheaper(file),)))
    with pytest.raises(LedgerError, match="entry 3: hash"):
        verify(file)


def test_a_changed_amount_with_its_new_hash_breaks_the_signature(file: Path) -> None:
    text = cheaper(file)
    new_hash = digest(LABEL, text.encode()).hex()
    rewrite(file, ("UPDATE ledger_entries SET text = ?, hash = ? WHERE sequence = 3", (text, new_hash)))
    with pytest.raises(LedgerError, match="entry 3: signature"):
        verify(file)


def test_a_changed_amount_signed_by_another_key_names_the_key(file: Path) -> None:
    text = cheaper(file)
    values = (text, digest(LABEL, text.encode()).hex(), THIEF.sign(LABEL, text.encode()))
    rewrite(file, ("UPDATE ledger_entries SET text = ?, hash = ?, signature = ? WHERE sequence = 3", values))
    with pytest.raises(LedgerError, match="entry 3: signature"):
        verify(file)


def test_a_whole_ledger_of_another_key_names_the_key(file: Path) -> None:
    with pytest.raises(LedgerError, match=f"entry 1: key_id: got {KEY.public.key_id}, expected {THIEF.public.key_id}"):
        verify(file, THIEF)


def test_a_ledger_of_another_institution_is_not_this_one(file: Path) -> None:
    with pytest.raises(LedgerError, match="entry 1: institution"):
        read_ledger(f"sqlite:///{file}", institution="bank-b", key=KEY.public)


def test_a_deleted_row_leaves_a_gap(file: Path) -> None:
    rewrite(file, ("DELETE FROM ledger_entries WHERE sequence = 3", ()))
    with pytest.raises(LedgerError, match="entry 4: sequence: got 4, expected 3"):
        verify(file)


def test_a_deleted_row_with_the_rest_moved_up_contradicts_what_was_signed(file: Path) -> None:
    moves = [(f"UPDATE ledger_entries SET sequence = {n - 1} WHERE sequence = {n}", ()) for n in range(4, 8)]
    rewrite(file, ("DELETE FROM ledger_entries WHERE sequence = 3", ()), *moves)
    with pytest.raises(LedgerError, match="entry 3: sequence: got 4, expected 3"):
        verify(file)


def test_reordered_rows_contradict_what_was_signed(file: Path) -> None:
    swap = [(3, 99), (5, 3), (99, 5)]
    rewrite(file, *((f"UPDATE ledger_entries SET sequence = {b} WHERE sequence = {a}", ()) for a, b in swap))
    with pytest.raises(LedgerError, match="entry 3: sequence: got 5"):
        verify(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"version":2}', "[" * 100_000])
def test_a_row_that_is_no_entry_is_named(file: Path, text: str) -> None:
    rewrite(file, ("UPDATE ledger_entries SET text = ? WHERE sequence = 3", (text,)))
    with pytest.raises(LedgerError, match="entry 3: got no entry"):
        verify(file)


def test_text_that_is_not_canonical_is_refused(file: Path) -> None:
    rewrite(file, ("UPDATE ledger_entries SET text = ? WHERE sequence = 3", (text_of(file, 3) + " ",)))
    with pytest.raises(LedgerError, match="entry 3: got text that is not canonical"):
        verify(file)


def test_a_reply_that_vanished_is_missed(file: Path) -> None:
    rewrite(file, ("DELETE FROM ledger_replies WHERE round = 2", ()))
    with pytest.raises(LedgerError, match="replies: got 1 that differ"):
        verify(file)


def test_a_tampered_ledger_does_not_open(file: Path) -> None:
    rewrite(file, ("UPDATE ledger_entries SET text = ? WHERE sequence = 3", (cheaper(file),)))
    with pytest.raises(LedgerError, match="entry 3: hash"):
        open_ledger(f"sqlite:///{file}")


def test_a_truncated_tail_is_not_noticed_here(file: Path) -> None:
    """A restored backup verifies: only somebody who remembers a later head can tell. See docs/ledger.md."""
    rewrite(
        file,
        ("DELETE FROM ledger_replies WHERE round = 3", ()),
        ("DELETE FROM ledger_entries WHERE sequence >= 5", ()),
    )
    assert verify(file) == 4


# What the institution itself may try, with its own key: entries that are well signed and still break a rule.


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


def book(*entries: SignedEntry) -> Book:
    filled = Book(INSTITUTION, KEY.public, adding)
    for signed in entries:
        filled.append(signed)
    return filled


def after_spend(**changes: object) -> SignedEntry:
    return entry(Kind.RESERVE, SPENT, **{"release": release(2, attempt=1), "amounts": amounts(2.0), **changes})


def test_the_samples_obey_the_rules() -> None:
    assert book(RESERVED, SPENT, after_spend()).length == 3
    assert book(RESERVED, LOST).charges(Scope.LIFETIME, "") == {(1.0, 1.0): 1}


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
            entry(Kind.REFUSE, refusal=WHY, amounts=(), release=None),
            entry(Kind.SPEND, entry(Kind.REFUSE, refusal=WHY, amounts=(), release=None), reservation="e" * 64),
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
    "refusal that charged": (lambda: (entry(Kind.REFUSE, refusal=WHY),), "entry 1: amounts.run"),
    "refusal below the cap": (
        lambda: (entry(Kind.REFUSE, amounts=(), refusal=replace(WHY, asked=amounts()[0])),),
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


def test_entries_travel_as_canonical_text() -> None:
    ledger = memory_ledger()
    answer(ledger, release(1))
    ledger.refuse("late", "deadline", got="ü", expected="\u2028", run_id="run-1")
    for signed in ledger.entries():
        again = read_entry(signed.text, signed.hash, signed.signature)
        assert again == signed
        assert signed.to_json()["hash"] == digest(LABEL, canonical(signed.to_json()["entry"])).hex()


def test_reading_needs_a_ledger_to_be_there(tmp_path: Path) -> None:
    for name in ("missing.db", "empty.db"):
        if name == "empty.db":
            (tmp_path / name).touch()
        with pytest.raises(LedgerError, match="database"):
            verify(tmp_path / name)
    assert not (tmp_path / "missing.db").exists()
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for a damaged one" * 20)
    with pytest.raises(LedgerError, match="database"):
        verify(tmp_path / "text.db")
    with pytest.raises(LedgerError, match="database"):
        open_ledger(f"sqlite:///{tmp_path / 'text.db'}", CAPS)
