"""What a member signed for is built once, from records that stay what they were when the epoch began."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from told_epoch import Told
from world import World

from clients.institution.lookup import building, signing
from clients.institution.lookup.part import SECRETS_FILE, Part
from clients.institution.lookup.snapshot import Snapshot
from federation.errors import ConfigurationError
from protocols.errors import StageError


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=12)


@pytest.fixture
def told(world: World, tmp_path: Path) -> Told:
    return Told(world, tmp_path)


def other_records(told: Told) -> Part:
    """A process that starts anew, once the data file holds other records than when the epoch began."""
    part = told.part
    people = part.snapshot.identifiers
    newer = Snapshot(people, np.ones(len(people)), np.ones((len(people), 5)))
    return Part(part.home, part.relay, part.record, lambda part: newer, clock=part.clock, _roster=told.world.roster)


def test_one_table_is_made_whatever_becomes_of_the_data(told: Told) -> None:
    """Two tables under the same pads and masks show what changed between them."""
    told.signed_by_all()
    first = building.table(told.part)
    packed = told.part.folder.read(building.TABLE_FILE)
    assert building.table(other_records(told)) == first
    assert told.part.folder.read(building.TABLE_FILE) == packed


def test_secrets_that_pad_one_table_pad_no_other_one(told: Told) -> None:
    """Even where the kept records are lost: what the secrets are bound to is on disk before anything is built."""
    told.signed_by_all()
    building.table(told.part)
    told.part.folder.file("snapshot.parquet").unlink()
    with pytest.raises(StageError, match="secrets of bank-00: got another snapshot of the records"):
        building.table(other_records(told))


def test_a_table_needs_the_secrets_and_the_places_that_were_signed(told: Told) -> None:
    told.signed_by_all()
    told.part.folder.file(signing.LIFTED_FILE).unlink()
    with pytest.raises(ConfigurationError, match="places: got none"):
        building.table(told.part)
    told.part.folder.file(SECRETS_FILE).unlink()
    with pytest.raises(ConfigurationError, match="epoch secrets: got none, expected those this institution published"):
        building.dummies(told.part)
