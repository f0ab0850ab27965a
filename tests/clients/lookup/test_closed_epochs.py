"""What closing epochs left is shown to people, with nothing in it that a terminal would obey."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from clients.institution.lookup import roster_cli
from clients.institution.lookup.closed_epochs import closed_epochs
from clients.institution.lookup.folders import LookupFolders
from federation.errors import ConfigurationError

FINDING = {
    "kind": "evaluated-not-logged",
    "party": "bank-b",
    "leaf": "ab" * 32,
    "detail": "evaluated \x1b[2J, [red]not logged",
}
VERDICT = {"auditor": "bank-c", "outcome": "different", "query_hash": "cd" * 32}


@pytest.fixture
def folders(tmp_path: Path) -> LookupFolders:
    made = LookupFolders(SimpleNamespace(path=tmp_path))  # type: ignore[arg-type]
    folder = made.path
    (folder / "findings-000001.json").write_text("[]")
    (folder / "findings-000012.json").write_text(json.dumps([FINDING]))
    (folder / "verdicts-000012.json").write_text(json.dumps([VERDICT]))
    (folder / "verdicts-000013.json").write_text("not read: its epoch has not been reconciled yet")
    return made


def said(folders: LookupFolders, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    class Home:
        open = staticmethod(lambda path: folders.home)

    monkeypatch.setattr(roster_cli, "InstitutionHome", Home)
    result = CliRunner().invoke(roster_cli.app, ["findings", "--home", str(folders.home.path), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_epoch_that_closed_with_what_was_found(folders: LookupFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [epoch.counter for epoch in closed_epochs(folders)] == [1, 12]
    assert json.loads(said(folders, monkeypatch, "--json")) == [
        {"epoch": 1, "findings": [], "verdicts": []},
        {"epoch": 12, "findings": [FINDING], "verdicts": [VERDICT]},
    ]


def test_what_people_read(folders: LookupFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    text = said(folders, monkeypatch)
    assert "Epoch 1: 0 findings, 0 verdicts" in text
    assert "evaluated-not-logged: bank-b, leaf abababababababab" in text
    assert "[red]" in text
    assert "\x1b[2J" not in text
    assert "verdict of bank-c: different, query cdcdcdcdcdcdcdcd" in text


def test_nothing_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = LookupFolders(SimpleNamespace(path=tmp_path))  # type: ignore[arg-type]
    assert "No epoch has closed here." in said(empty, monkeypatch)
    assert json.loads(said(empty, monkeypatch, "--json")) == []


@pytest.mark.parametrize("kept", ["{}", "[1]", "x"])
def test_a_file_that_is_damaged_is_named(folders: LookupFolders, kept: str) -> None:
    (folders.path / "findings-000001.json").write_text(kept)
    with pytest.raises(ConfigurationError, match="findings-000001"):
        closed_epochs(folders)
