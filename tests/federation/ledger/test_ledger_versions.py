"""Ledgers that an older version wrote are read, verified and carried on; what a new version allows is not backdated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_samples import INSTITUTION, KEY, SettableClock, adding, answer, model_hash, open_ledger, release
from sqlalchemy import insert

from federation.errors import LedgerError
from federation.ledger import Caps, Kind, Ledger, Scope, SignedEntry, Successor, read_ledger
from federation.ledger import tables as schema
from federation.ledger.book import Book
from federation.ledger.entries import VERSION, read_entry, sign_entry
from federation.ledger.store import prepare
from federation.runtime.database import open_engine, writing
from protocols.signing import SigningKey, VerifyingKey

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "ledger_entries_v2.json").read_text())
CAPS = Caps(**VECTORS["caps"])
GOING_ON = VECTORS["going_on"]
NEXT = SigningKey.from_seed(b"n" * 32)


def clock() -> SettableClock:
    made = SettableClock()
    made.now = made.now.replace(year=2026, month=8)
    return made


def entries(ledger: dict[str, Any]) -> list[SignedEntry]:
    return [read_entry(e["text"], e["hash"], bytes.fromhex(e["signature"])) for e in ledger["entries"]]


def book_of(ledger: dict[str, Any]) -> Book:
    book = Book(VECTORS["institution"], VerifyingKey.from_hex(ledger["key"]), adding)
    for signed in entries(ledger):
        book.append(signed)
    return book


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the entries and replies of the older version."""
    engine = open_engine(database_url)
    prepare(engine)
    with writing(engine) as connection:
        for number, row in enumerate(GOING_ON["entries"], 1):
            values = {**row, "sequence": number, "signature": bytes.fromhex(row["signature"])}
            connection.execute(insert(schema.entries).values(values))
        for row in GOING_ON["replies"]:
            connection.execute(insert(schema.replies).values({**row, "reply": bytes.fromhex(row["reply"])}))
    engine.dispose()
    return database_url


@pytest.mark.parametrize("name", ["ended", "going_on"])
def test_entries_of_version_2_verify_and_keep_their_bytes(name: str) -> None:
    book = book_of(VECTORS[name])
    assert book.length == len(VECTORS[name]["entries"])
    assert book.version == 2
    for signed, stored in zip(entries(VECTORS[name]), VECTORS[name]["entries"], strict=True):
        assert signed.to_json()["entry"] == json.loads(stored["text"])
        assert SignedEntry.from_json(json.loads(json.dumps(signed.to_json()))) == signed


def test_a_ledger_of_version_2_goes_on_in_the_new_one(url: str) -> None:
    ledger = open_ledger(url, CAPS, clock())
    spent = ledger.claims("lifetime").pld
    assert spent == book_of(GOING_ON).amount(CAPS.blank(Scope.LIFETIME, "", CAPS.delta)).pld > 0
    assert ledger.entries()[-1].entry.kind is Kind.UNKNOWN  # what the older one had left open
    assert ledger.stored_reply("run-1", "train", 1, model_hash(1)) == b"run-1:1"
    answer(ledger, release(1, "audit-1", phase="audit"))
    assert ledger.claims("lifetime").pld == spent + 1
    ledger.verify(recompute=True)
    assert [signed.entry.version for signed in ledger.entries()][-3:] == [VERSION] * 3
    reading = read_ledger(url, institution=INSTITUTION, key=KEY.public, accountant=adding)
    assert reading.book.version == VERSION
    ledger.close()


def test_a_ledger_of_version_2_is_carried_with_its_deltas(url: str) -> None:
    """Two runs of its own in 2026, and a carried year whose deltas it was not told: at least one of the caps'."""
    old = open_ledger(url, CAPS, clock())
    carried = old.retire(Successor(INSTITUTION, NEXT.public.hex))
    old.close()
    assert carried.deltas is not None
    assert dict(carried.deltas) == pytest.approx({"2025": 1e-5, "2026": 2e-5})
    new = open_ledger("sqlite://", CAPS, clock(), NEXT)
    new.carry(carried)
    assert new.verify(recompute=True).entries == 1


def after_all(**changes: object) -> SignedEntry:
    last = entries(GOING_ON)[-1]
    entry = replace(last.entry, sequence=last.entry.sequence + 1, previous=last.hash, **changes)  # type: ignore[arg-type]
    return sign_entry(entry, KEY)


def test_the_old_version_cannot_be_used_to_get_round_the_new_rules() -> None:
    """Version 2 has no rule on delta; whoever has written one entry of version 3 cannot go back to it."""
    book, closes = book_of(GOING_ON), entries(GOING_ON)[-1]
    book.append(after_all(kind=Kind.UNKNOWN, reservation=closes.hash, version=VERSION))
    with pytest.raises(LedgerError, match="version: got 2, expected at least 3"):
        book.append(sign_entry(replace(closes.entry, sequence=book.length + 1, previous=book.head), KEY))


@pytest.mark.parametrize("version", [1, 4, "3", None, True])
def test_a_version_that_is_not_known_is_not_guessed_at(version: object) -> None:
    document = {**json.loads(GOING_ON["entries"][0]["text"]), "version": version}
    with pytest.raises(LedgerError):
        SignedEntry.from_json({"entry": document, "hash": "0" * 64, "signature": ""})


@pytest.mark.parametrize("value", [None, [], {}, {"entry": {}, "hash": "", "signature": "zz"}, {"entry": 1.0}])
def test_what_is_no_signed_entry_is_refused(value: object) -> None:
    with pytest.raises(LedgerError):
        SignedEntry.from_json(value)


def test_every_phase_is_charged_alike() -> None:
    ledger = Ledger.in_memory(institution=INSTITUTION, key=KEY, caps=CAPS, clock=SettableClock(), accountant=adding)
    phases = ("histogram", "calibrate", "combine", "tune", "monitor", "audit")
    for number, phase in enumerate(phases, 1):
        answer(ledger, release(0, f"{phase}-2025", phase=phase))
        assert ledger.claims("year").pld == ledger.claims("lifetime").pld == number
        assert ledger.attempts(f"{phase}-2025", phase) == 1
    assert ledger.verify(recompute=True).entries == 2 * len(phases)
