"""Steps of cases and notices, on SQLite and on PostgreSQL: the same chain, the same erasing, the same refusals."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clients.institution.person.journal_store import Journal
from clients.institution.person.notice_store import NoticeStore
from federation.errors import ConfigurationError
from federation.oversight.cases import Event
from federation.runtime.database import migrate, open_engine, writing
from protocols.notices import Change, Letter
from protocols.signing import SigningKey

KEY = SigningKey.from_seed(bytes(32))
DAY, CASE, TAG = date(2026, 3, 2), "ab" * 16, "cd" * 32


@pytest.fixture
def journal(database_url: str, tmp_path: Path) -> Journal:
    engine = open_engine(database_url)
    migrate(engine, "clients.institution.person:migrations", version_table="person_version")
    return Journal(engine, "bank-a", KEY, tmp_path)


def said(journal: Journal) -> None:
    journal.append(Event.OPENED, CASE, {"subject": TAG, "statement": "mine"}, day=DAY, due=DAY, subject=TAG)
    journal.append(Event.REJECTED, CASE, {"why": "it is right"}, day=DAY, subject=TAG)


def test_steps_are_a_chain_whose_contents_can_be_erased(journal: Journal) -> None:
    said(journal)
    assert [done.content for done in journal.steps()] == [{"subject": TAG, "statement": "mine"}, {"why": "it is right"}]
    journal.purge([1, 2], CASE, day=DAY)
    assert [done.content for done in journal.steps()] == [None, None, {"sequences": [1, 2]}]
    assert [done.subject for done in journal.steps()] == [None, None, None]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM person_steps", "UPDATE person_steps SET sequence = 9", "UPDATE person_steps SET case_id = 'x'"],
)
def test_the_database_itself_refuses_to_lose_a_step(journal: Journal, statement: str) -> None:
    said(journal)
    with pytest.raises(DBAPIError, match="steps of cases stay"), writing(journal._engine) as connection:
        connection.execute(text(statement))
    assert len(journal.steps()) == 2


def test_a_content_that_went_without_a_word_is_noticed(journal: Journal) -> None:
    said(journal)
    with writing(journal._engine) as connection:
        connection.execute(text("UPDATE person_steps SET content = NULL, nonce = NULL, subject = NULL"))
    with pytest.raises(ConfigurationError, match="nobody said"):
        journal.steps()


def test_what_may_not_follow_is_not_written(journal: Journal) -> None:
    def refuse(_steps: object) -> None:
        raise ConfigurationError("case", got="one that is closed", expected="an open one")

    said(journal)
    with pytest.raises(ConfigurationError):
        journal.append(Event.TOLD, CASE, {}, day=DAY, check=refuse)
    assert len(journal.steps()) == 2


def test_a_notice_is_kept_once(journal: Journal) -> None:
    store, leaves = NoticeStore(journal._engine), (bytes([1]) * 32, bytes([2]) * 32)
    letter = Letter("bank-b", "bank-a", Change.CORRECTED, leaves, 3, 20_000, bytes(16))
    store.keep(letter, leaves[:1], 100)
    store.keep(letter, leaves, 200)
    assert [(notice.leaf, notice.received) for notice in store.all()] == [(leaves[0], 100), (leaves[1], 200)]
    store.forget(150)
    assert [notice.leaf for notice in store.all()] == [leaves[1]]
