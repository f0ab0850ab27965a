"""What a ledger notices when somebody with the database's password, or the institution itself, rewrites it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from ledger_samples import (
    INSTITUTION,
    KEY,
    adding,
    answer,
    open_ledger,
    release,
)

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import Caps, read_ledger
from federation.ledger.entries import LABEL
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
        open_ledger(f"sqlite:///{tmp_path / 'text.db'}")
