"""A round that is drawn after a correction is computed on the records that it was committed to; an erasure stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from person_world import TODAY, new_home, people
from scores_world import CATALOGUE

from clients.institution.home import InstitutionHome
from clients.institution.node_service import holdout_salt, open_computation, split
from clients.institution.person.desk import Desk
from clients.institution.replay import SealedRandomness, SealedStore
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.records import records_as_committed
from federation.jurisdiction import Request
from federation.oversight.replay import Place
from federation.records import Encoded

PLACES = {phase: Place("spring", phase, 1, 1) for phase in ("train", "evaluate")}  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> InstitutionHome:
    return new_home(tmp_path)


def committed(home: InstitutionHome) -> dict[str, bytes]:
    """What a node commits to before a round of either phase; the roots."""
    held = open_computation(home)
    roots = {}
    for phase, records in (("train", held.training_records), ("evaluate", held.holdout_records)):
        roots[phase] = record_tree(records, home.keys).root
        SealedRandomness(SealedStore.open(home.path), "bank-0", records=roots[phase], code=bytes(32)).commit(
            PLACES[phase]
        )
    return roots


def replayed(home: InstitutionHome, phase: str) -> tuple[tuple[Encoded, Encoded], bytes]:
    salt, store = holdout_salt(home.keys), SealedStore.open(home.path)
    how = lambda records: split(records, home.settings.holdout, salt)  # noqa: E731
    return records_as_committed(home, CATALOGUE, store, PLACES[phase], how)


def changed(home: InstitutionHome, subject: str, **values: str) -> None:
    desk = Desk.open(home)
    case = desk.open_case(subject, Request.DISPUTE, (), "it is wrong", TODAY)
    if values:
        desk.correct(case.id, subject, values, "proof", TODAY)
    else:
        desk.erase(case.id, subject, "no ground", TODAY)


@pytest.mark.parametrize("phase", sorted(PLACES))
def test_corrections_are_taken_back_until_the_root_is_the_logged_one(home: InstitutionHome, phase: str) -> None:
    roots, before = committed(home), open_computation(home)
    first = {"train": before.training_records, "evaluate": before.holdout_records}[phase]
    assert first.subjects is not None
    one, other = (str(subject) for subject in first.subjects[:2])
    changed(home, one, age="61", monthly_income="9000")
    changed(home, other, age="23", monthly_income="1")
    changed(home, one, age="22", monthly_income="9")
    now = open_computation(home)
    after = {"train": now.training_records, "evaluate": now.holdout_records}[phase]
    assert record_tree(after, home.keys).root != roots[phase]
    parts, root = replayed(home, phase)
    assert root == roots[phase]
    assert np.array_equal(parts[0 if phase == "train" else 1].codes, first.codes)


def test_who_was_erased_is_not_read_again_for_a_replay(home: InstitutionHome) -> None:
    roots, subject = committed(home), people(home)[0]
    changed(home, subject, age="61", monthly_income="9000")
    changed(home, subject)
    found = [replayed(home, phase) for phase in sorted(PLACES)]
    assert not any(
        subject in part.subjects.tolist() for parts, _ in found for part in parts if part.subjects is not None
    )
    assert {root for _, root in found} != set(roots.values())
