"""What is erased stays erased: whoever loses or removes a file of the home is told, and reads nobody who was erased."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from person_world import TODAY, new_home, people

from clients.institution.home import InstitutionHome
from clients.institution.person.desk import Desk
from clients.institution.person.pseudonym import SubjectTags
from clients.institution.person.records import counting_table
from clients.institution.person.retention import sweep
from federation.errors import ConfigurationError
from federation.jurisdiction import Request
from federation.runtime.private_files import keep_private


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    """A home in which the first person is erased."""
    home = new_home(tmp_path)
    desk, subject = Desk.open(home), people(home)[0]
    desk.erase(desk.open_case(subject, Request.ERASURE, (), "", TODAY).id, subject, "as asked", TODAY)
    return home


def is_read(home: InstitutionHome) -> bool:
    return people(home)[0] in counting_table(home)["person_id"].to_list()


def test_without_the_folder_of_entries_the_erased_stay_erased(home: InstitutionHome) -> None:
    shutil.rmtree(home.path / "cases")
    assert not is_read(home)


def test_without_the_key_of_the_pseudonyms_no_record_is_read(home: InstitutionHome) -> None:
    """A new key would make a new pseudonym of everybody, and no erasure would be about anyone."""
    key = home.keys / "person.key"
    kept = key.read_bytes()
    key.unlink()
    for again in range(2):  # the second time nobody has made one meanwhile
        with pytest.raises(ConfigurationError, match=r"person\.key"):
            counting_table(home)
        assert not key.exists(), again
    keep_private(key, lambda: bytes(32))
    with pytest.raises(ConfigurationError, match=r"person\.key"):
        counting_table(home)
    key.unlink()
    keep_private(key, lambda: kept)
    assert not is_read(home)


def test_without_the_check_another_key_would_bring_everybody_back(
    home: InstitutionHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = home.keys / "person.key"
    key.unlink()
    keep_private(key, lambda: bytes(32))
    monkeypatch.setattr(SubjectTags, "check", lambda *_: None)
    assert is_read(home)


def test_identifiers_written_in_another_scheme_are_noticed(home: InstitutionHome) -> None:
    settings = home.path / "institution.toml"
    settings.write_text(settings.read_text() + '\n[lookup]\nidentifiers = "us-tin"\n')
    with pytest.raises(ConfigurationError, match=r"person\.key"):
        counting_table(InstitutionHome.open(home.path))


def test_what_was_corrected_before_an_erasure_is_not_kept_for_ever(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    desk, subject, later = Desk.open(home), people(home)[3], date(2032, 4, 1)
    case = desk.open_case(subject, Request.DISPUTE, ("age",), "I am 41", TODAY)
    desk.correct(case.id, subject, {"age": "41"}, "her old passport", TODAY)
    desk.told(case.id, TODAY)
    gone = desk.open_case(subject, Request.ERASURE, (), "", TODAY)
    desk.erase(gone.id, subject, "as asked", TODAY)
    desk.told(gone.id, TODAY)
    assert sweep(desk, later, do=True)[1].count == 2
    contents = [done.content for done in desk.journal.steps() if done.content is not None]
    assert not any("values" in content for content in contents)
    assert b"her old passport" not in b"".join(file.read_bytes() for file in home.path.glob("person.db*"))
    assert not desk.rows(subject)[1].height  # the erasure itself is in force
    assert sweep(desk, later, do=False)[1].count == 0
    assert "furnisher" not in [owed.what for each in desk.cases() for owed in each.owed(desk.profile)]
