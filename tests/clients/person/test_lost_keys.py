"""What is erased stays erased: whoever loses or removes a file of the home is told, and reads nobody who was erased."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from person_world import TODAY, new_home, people

from clients.institution.home import InstitutionHome
from clients.institution.person.desk import Desk
from clients.institution.person.pseudonym import SubjectTags
from clients.institution.person.records import counting_table
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
