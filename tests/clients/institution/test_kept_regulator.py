"""A coordinator that names the regulator away: what a node has once seen named stays required."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from one_node import HONEST, PUPPETS, collect, member
from oversight_world import BANKS

from clients.institution.oversight import receipts
from clients.institution.oversight.folder import OversightFolder
from federation.errors import ConfigurationError
from federation.oversight.members import Roster
from protocols.errors import ProofError, SignatureError

SYBILS = ("puppet", *(f"puppet {name}" for name in BANKS))


def test_another_regulator_does_not_do_without_the_first(tmp_path: Path) -> None:
    folder = OversightFolder(tmp_path)
    assert collect(folder, HONEST, "regulator", *BANKS) == 4
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, (*HONEST, *PUPPETS), *SYBILS)
    assert collect(folder, (*HONEST, *PUPPETS), "regulator", *SYBILS) == 8


def test_a_log_that_hides_the_first_one_is_not_believed_either(tmp_path: Path) -> None:
    """Also after a restart: the memory is on disk. The control is a node that never saw the first."""
    folder = OversightFolder(tmp_path / "old")
    collect(folder, HONEST, "regulator", *BANKS)
    for hidden in (PUPPETS, PUPPETS[1:]):
        with pytest.raises(SignatureError, match=r"quorum\.required"):
            collect(OversightFolder(tmp_path / "old"), hidden, *SYBILS[4 - len(hidden) :])
    assert collect(OversightFolder(tmp_path / "new"), PUPPETS, *SYBILS) == 4


def test_without_the_memory_and_the_rule_the_attack_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def latest(self: Roster, entry: Any, index: int) -> Roster:
        said = after(self, entry, index)
        return Roster(said.coordinator, said.members, said.regulator, said.overseers[-1:])

    after = Roster.after
    monkeypatch.setattr(Roster, "after", latest)
    assert collect(OversightFolder(tmp_path), (*HONEST, *PUPPETS), *SYBILS) == 8


def test_a_memory_that_was_changed_is_an_error(tmp_path: Path) -> None:
    folder = OversightFolder(tmp_path)
    for data in (b"{}x", b'["00"]', b"[1]", b"5"):
        folder.keep("regulators.json", data)
        with pytest.raises(ConfigurationError, match=r"regulators\.json"):
            folder.overseers()


MEMBERS = tuple(member(name, name) for name in BANKS)
OFF_LOG = tuple(member(name, f"puppet {name}") for name in BANKS)


def test_members_that_are_said_to_one_node_alone_are_not_believed(tmp_path: Path) -> None:
    """The tree names the banks as everybody sees them; this node is told of other witnesses, and shown their note."""
    folder = OversightFolder(tmp_path)
    with pytest.raises(ProofError):
        collect(folder, OFF_LOG, *(f"puppet {name}" for name in BANKS), logged=MEMBERS)
    assert [finding["code"] for finding in folder.findings()] == ["roster_not_logged"]
    assert collect(folder, MEMBERS, *BANKS) == 3


def test_without_the_proof_a_private_roster_cosigns_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "prove", lambda *_: None)
    assert collect(OversightFolder(tmp_path), OFF_LOG, *(f"puppet {name}" for name in BANKS), logged=MEMBERS) == 3
