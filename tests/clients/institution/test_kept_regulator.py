"""A coordinator that names the regulator away: what a node has once seen named stays required."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from oversight_world import BANKS, NOMINAL, NOW, World, key_of, witness_key

from clients.institution.oversight import receipts
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.kept_store import KeptStore
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.receipts import Receipts
from federation.errors import ConfigurationError
from federation.oversight.members import MemberStatement, RegulatorStatement, Roster
from protocols.errors import ProofError, SignatureError
from protocols.transparency import Tile, VerifierKey, leaf_hash, read_entry

COORDINATOR = key_of("coordinator")
LOG = VerifierKey.of(key_of("log").public)


def regulator(name: str) -> bytes:
    public = key_of(name).public.hex, witness_key(name).public.key.hex
    return RegulatorStatement("regulator", *public, "cd" * 32, 1000).entry(COORDINATOR).data


def member(name: str, witness: str) -> bytes:
    public = witness_key(witness).public.key.hex if witness else ""
    return MemberStatement(name, key_of(name).public.hex, public, NOMINAL, "admitted").entry(COORDINATOR).data


HONEST = (regulator("regulator"), *(member(name, name) for name in BANKS))
PUPPETS = (regulator("puppet"), *(member(name, f"puppet {name}") for name in BANKS))


class Served:
    """What a coordinator's log says to one node."""

    def __init__(self, *entries: bytes, logged: tuple[bytes, ...] = ()) -> None:
        self._entries, self.logged = entries, logged or entries

    def entries(self, kind: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
        for index, data in enumerate(self._entries):
            if index >= start and read_entry(data).kind == kind:
                yield index, data

    def tile(self, tile: Tile) -> bytes:
        assert tile.level == 0, "a tree of fewer than 256 entries"
        return b"".join(leaf_hash(data) for data in self.logged[tile.first : tile.first + tile.width])


def collect(
    folder: OversightFolder, entries: tuple[bytes, ...], *cosigners: str, logged: tuple[bytes, ...] = ()
) -> int:
    """The size of the log of `entries`, as cosigned, that a node starting now takes for good. `logged`: what stands in
    the tree instead."""
    kept = KeptStore.open(folder.database_url)
    node = Receipts(kept, folder, LOG, COORDINATOR.public, lambda: float(NOW))
    note = World(logged or entries, {}, cosigners=cosigners).note(at=NOW)
    return node.collect(cast(LogClient, Served(*entries, logged=logged)), note)


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
    def latest(self: Roster, entry: Any) -> Roster:
        said = after(self, entry)
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
