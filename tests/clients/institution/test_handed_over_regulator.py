"""A node follows a regulator that hands its witness key over, and nobody else who says so."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from one_node import COORDINATOR, HONEST, collect
from oversight_world import BANKS, key_of

from clients.institution.oversight import receipts
from clients.institution.oversight.folder import OversightFolder
from federation.oversight.handover import hand_over
from protocols.errors import MessageError, ProofError, SignatureError
from protocols.transparency import leaf_hash


def handed(old: str, new: str) -> bytes:
    return hand_over(COORDINATOR.public, key_of(f"witness {old}"), key_of(f"witness {new}")).data


CHANGED = (*HONEST, handed("regulator", "new"))
STOLEN = (*HONEST, handed("regulator", "evil"))


@pytest.fixture
def folder(tmp_path: Path) -> OversightFolder:
    """Of a node that has seen the regulator under its old key."""
    made = OversightFolder(tmp_path)
    assert collect(made, HONEST, "regulator", *BANKS) == 4
    return made


def findings(folder: OversightFolder) -> list[str]:
    return [finding["code"] for finding in folder.findings()]


def test_it_follows_by_itself_and_the_old_key_counts_no_more(folder: OversightFolder) -> None:
    assert collect(folder, CHANGED, "new", *BANKS) == 5
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, CHANGED, "regulator", *BANKS)
    assert collect(folder, (*CHANGED, handed("new", "third")), "third", *BANKS) == 6
    assert findings(folder) == []


def test_before_its_place_the_old_key_counts_and_not_the_new_one(folder: OversightFolder) -> None:
    """The log says what it has; its newest checkpoint with a quorum is of four entries still."""
    assert collect(folder, CHANGED, "regulator", *BANKS, size=4) == 4
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, CHANGED, "new", *BANKS, size=4)


def test_a_log_that_hides_it_has_no_quorum(folder: OversightFolder) -> None:
    """From a node that has not seen it, for the old key cosigns no more; from one that has, for the new one."""
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, HONEST, "new", *BANKS, logged=CHANGED)
    assert collect(folder, CHANGED, "new", *BANKS) == 5
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, HONEST, "regulator", *BANKS)


def test_a_thief_of_the_old_key_gains_nothing_where_the_handover_was_seen(folder: OversightFolder) -> None:
    """With the coordinator's help: the true successor is hidden, another one shown. The control has seen neither."""
    assert collect(folder, CHANGED, "new", *BANKS) == 5
    with pytest.raises(SignatureError, match=r"quorum\.required"):
        collect(folder, STOLEN, "evil", *BANKS)
    fresh = OversightFolder(folder.home / "fresh")
    fresh.home.mkdir()
    assert collect(fresh, STOLEN, "evil", *BANKS) == 5


def test_two_successors_are_refused_and_kept_as_evidence(folder: OversightFolder) -> None:
    """Once, however often the node looks: it tries again each second, and a line each time would fill its disk."""
    evil = handed("regulator", "evil")
    for _ in range(2):
        with pytest.raises(MessageError, match=r"handover\.old.*handed over"):
            collect(folder, (*CHANGED, evil), "evil", *BANKS)
    (found,) = folder.findings()
    assert (found["code"], found["index"], found["hash"]) == ("roster_refused", 5, leaf_hash(evil).hex())
    assert evil.decode().startswith(found["said"])
    assert "handover.old" in found["why"]
    assert datetime.fromisoformat(found["at"])


def test_one_that_this_node_alone_is_shown_does_not_count(folder: OversightFolder) -> None:
    """Signed by a stolen key and never logged, so that nobody else sees it."""
    logged = (*HONEST, HONEST[1])
    with pytest.raises(ProofError):
        collect(folder, STOLEN, "evil", *BANKS, logged=logged)
    assert findings(folder) == ["roster_not_logged"]


def test_without_the_proof_a_private_handover_counts(folder: OversightFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "prove", lambda *_: None)
    assert collect(folder, STOLEN, "evil", *BANKS, logged=(*HONEST, HONEST[1])) == 5


def test_one_that_is_said_to_stand_earlier_than_it_does_is_refused(folder: OversightFolder) -> None:
    """Dated back, so that the thief of the new key may cosign what the old one would have."""
    early = (HONEST[0], CHANGED[-1], *HONEST[1:])
    with pytest.raises(ProofError):
        collect(folder, early, "new", *BANKS, logged=CHANGED)
    assert findings(folder) == ["roster_not_logged"]
