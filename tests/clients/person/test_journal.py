"""The chain of steps: what is signed stays, what it is about can be erased, and nothing else may go or change."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from person_world import CASE, TODAY, new_home

from clients.institution.home import InstitutionHome
from clients.institution.person.journal_store import Journal
from federation.errors import ConfigurationError
from federation.oversight.cases import CaseStep, Event, check_chain, commitment
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import read_entry

TAG = "cd" * 32
SAID = "The loan was repaid in March"


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


def opened(journal: Journal, case: str = CASE) -> None:
    journal.append(Event.OPENED, case, {"subject": TAG, "statement": SAID}, day=TODAY, due=TODAY, subject=TAG)


def test_steps_come_back_as_they_were_said_and_their_entries_name_nobody(home: InstitutionHome) -> None:
    journal = Journal.open(home)
    opened(journal)
    journal.append(Event.CORRECTED, CASE, {"subject": TAG, "values": {"age": "40"}}, day=TODAY, subject=TAG)
    first, second = Journal.open(home).steps()
    assert first.content == {"subject": TAG, "statement": SAID}
    assert (second.step.sequence, second.step.event, second.subject) == (2, Event.CORRECTED, TAG)
    files = sorted((home.path / "cases").glob("*.json"))
    assert check_chain((read_entry(f.read_bytes()) for f in files), "bank-0", home.signing_key.public)[1] == second.step
    for file in files:
        assert not any(word in file.read_bytes() for word in (TAG.encode(), b"loan", b"age", b'40"'))
        assert file.stat().st_mode & 0o077 == 0


def test_equal_contents_have_other_commitments(home: InstitutionHome) -> None:
    journal = Journal.open(home)
    opened(journal)
    opened(journal, "12" * 16)
    one, two = journal.steps()
    assert one.step.commitment != two.step.commitment
    assert commitment(bytes(32), dict(one.content or {})) not in (one.step.commitment, two.step.commitment)


TAMPERINGS = {
    "another content": (
        "UPDATE person_steps SET content = cast(replace(cast(content AS TEXT), 'March', 'April') AS BLOB)",
        "content",
    ),
    "another subject": (f"UPDATE person_steps SET subject = '{'ef' * 32}'", "subject"),
    "a content that is gone": ("UPDATE person_steps SET content = NULL, nonce = NULL, subject = NULL", "nobody said"),
}


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_a_changed_database_is_not_used(home: InstitutionHome, name: str) -> None:
    opened(Journal.open(home))
    statement, reason = TAMPERINGS[name]
    with sqlite3.connect(home.path / "person.db") as connection:
        connection.execute(statement)
    with pytest.raises(ConfigurationError, match=reason):
        Journal.open(home).steps()


@pytest.mark.parametrize("statement", ["DELETE FROM person_steps", "UPDATE person_steps SET entry = x'00'"])
def test_the_database_refuses_to_lose_or_change_an_entry(home: InstitutionHome, statement: str) -> None:
    opened(Journal.open(home))
    with sqlite3.connect(home.path / "person.db") as connection, pytest.raises(sqlite3.IntegrityError, match="stay"):
        connection.execute(statement)


def test_an_old_copy_of_the_database_is_noticed_by_what_was_signed_since(home: InstitutionHome) -> None:
    journal = Journal.open(home)
    opened(journal)
    journal.close()
    old = (home.path / "person.db").read_bytes()
    journal = Journal.open(home)
    opened(journal, "12" * 16)
    journal.close()
    for file in home.path.glob("person.db*"):
        file.unlink()
    (home.path / "person.db").write_bytes(old)
    (home.path / "person.db").chmod(0o600)
    with pytest.raises(ConfigurationError, match="1 steps, 2 were signed"):
        Journal.open(home)


def test_an_entry_that_a_crash_kept_from_the_folder_is_put_there_at_the_next_start(home: InstitutionHome) -> None:
    opened(Journal.open(home))
    (file,) = (home.path / "cases").glob("*.json")
    said = file.read_bytes()
    file.unlink()
    Journal.open(home)
    assert file.read_bytes() == said


def test_what_is_purged_is_gone_from_the_files_and_the_chain_still_verifies(home: InstitutionHome) -> None:
    journal = Journal.open(home)
    opened(journal)
    kept = b"".join(file.read_bytes() for file in home.path.glob("person.db*"))
    assert SAID.encode() in kept  # the search finds it while it is there
    journal.purge([1], CASE, day=TODAY)
    first, purge = journal.steps()
    assert (first.content, first.subject, purge.step.event) == (None, None, Event.PURGED)
    left = b"".join(file.read_bytes() for file in home.path.rglob("*") if file.is_file())
    assert SAID.encode() not in left
    assert TAG.encode() not in left


def test_a_chain_with_a_step_left_out_moved_or_by_another_key_does_not_verify(home: InstitutionHome) -> None:
    journal = Journal.open(home)
    for number in range(3):
        opened(journal, f"{number:032x}")
    entries = [read_entry(file.read_bytes()) for file in sorted((home.path / "cases").glob("*.json"))]
    key = home.signing_key.public
    assert len(check_chain(entries, "bank-0", key)) == 3
    for wrong in (entries[1:], [entries[0], entries[2]], [entries[1], entries[0], entries[2]]):
        with pytest.raises(MessageError):
            check_chain(wrong, "bank-0", key)
    forged = CaseStep.from_json(check_chain(entries, "bank-0", key)[0].to_json()).sign(SigningKey.generate())
    with pytest.raises(SignatureError):
        check_chain([forged], "bank-0", key)
    with pytest.raises(SignatureError):
        check_chain(entries[:1], "bank-1", key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("institution", "Bank 0"),
        ("sequence", 0),
        ("previous", "x" * 64),
        ("case", "4711"),
        ("event", "named-her"),
        ("day", "2026-3-2"),
        ("due", "soon"),
        ("commitment", "4711"),
        ("note", "Ms Miller"),
    ],
)
def test_a_step_holds_nothing_but_its_own_fields_in_their_form(
    home: InstitutionHome, field: str, value: object
) -> None:
    opened(Journal.open(home))
    good = Journal.open(home).steps()[0].step.to_json()
    assert CaseStep.from_json(good).to_json() == good
    with pytest.raises(ProtocolError):
        CaseStep.from_json(good | {field: value})
